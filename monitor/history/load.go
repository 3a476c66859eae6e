package history

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/scaling"
)

// A LoadQuery says whose load is asked for.
type LoadQuery struct {
	// Since and Until bound the time, in whole minutes. Until defaults to now, Since to a day before.
	Since, Until time.Time

	// Of reports whether a task counts. queue is "" where nobody has told of it: workers do not, only clients do, with
	// task_send_sent_event. Defaults to all.
	Of func(name, queue string) bool
}

// A Load is what the history knows of the work of a queue.
type Load struct {
	// Trace counts each attempt of a task as one, in the minute in which it came: when the client sent it, at its ETA, or, where
	// neither is known and after a retry, when a worker took it.
	Trace scaling.Trace

	Runs   int // attempts in it
	Unsent int // of them: nobody has told when they were sent, so that they count when a worker took them
	Open   int // of them: how long they took is not known, so that they count as long as the others of their minute
}

// ErrNoLoad: the history knows of no such work in that time.
var ErrNoLoad = errors.New("no task that has ended")

const (
	// loadLead is how long before Since a task may have been heard of first that came later: it was sent with an ETA, or tried again.
	loadLead = 24 * time.Hour

	// loadLongest bounds what is asked for: the minutes of 400 days.
	loadLongest = 400 * 24 * time.Hour

	// loadAtOnce is how many tasks one transaction reads: others write meanwhile.
	loadAtOnce = 4000
)

// Load reads what came in a time, and how long it took. It reads the history task by task: a million take some seconds.
func (s *Store) Load(ctx context.Context, q LoadQuery) (*Load, error) {
	if q.Until.IsZero() {
		q.Until = time.Now()
	}
	if q.Since.IsZero() {
		q.Since = q.Until.Add(-24 * time.Hour)
	}
	if q.Of == nil {
		q.Of = func(string, string) bool { return true }
	}
	if q.Until.Sub(q.Since) > loadLongest {
		return nil, fmt.Errorf("%w: from %v to %v is more than 400 days", ErrQuery, q.Since.Format(time.DateOnly), q.Until.Format(time.DateOnly))
	}
	since, until := wholeMinute(q.Since), q.Until.Truncate(time.Minute)
	var first int64
	err := s.db.read(ctx, func(t tx) error {
		return t.each(`SELECT coalesce(min(seq), 0) FROM tasks`, nil, []any{&first}, nothing)
	})
	if err != nil {
		return nil, fmt.Errorf("read load: %w", err)
	}
	if begun := wholeMinute(time.UnixMicro(first)); begun.After(since) { // nobody knows what was before
		since = begun
	}
	if first == 0 || !since.Before(until) {
		return nil, fmt.Errorf("%w: the history holds no whole minute of it", ErrNoLoad)
	}
	c := &loadCount{since: since, minutes: make([]minuteCount, until.Sub(since)/time.Minute)}
	for from, to := since.Add(-loadLead).UnixMicro(), until.UnixMicro(); from < to; {
		var n int
		n, from, err = s.countLoad(ctx, from, to, &q, c)
		if err != nil {
			return nil, fmt.Errorf("read load: %w", err)
		}
		if n < loadAtOnce {
			break
		}
	}
	return c.load()
}

// wholeMinute is the first minute that begins at a time or after it.
func wholeMinute(t time.Time) time.Time {
	return t.Add(time.Minute - 1).Truncate(time.Minute)
}

// countLoad counts tasks in [from, to), at most loadAtOnce, and says where to go on.
func (s *Store) countLoad(ctx context.Context, from, to int64, q *LoadQuery, c *loadCount) (n int, next int64, err error) {
	var page []loadTask
	err = s.db.read(ctx, func(t tx) error {
		page = page[:0] // it may be run again
		var one loadTask
		return t.each(`SELECT seq, name, state, queue, runtime, more FROM tasks WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?`, []any{from, to, loadAtOnce},
			[]any{&one.seq, &one.name, &one.state, &one.queue, &one.runtime, &one.doc}, func() error {
				page = append(page, one)
				return nil
			})
	})
	for i := range page {
		if t := &page[i]; q.Of(t.name, t.queue) {
			t.each(c.add)
		}
	}
	if len(page) > 0 {
		from = page[len(page)-1].seq + 1
	}
	return len(page), from, err
}

// A loadTask is what a load needs to know of a task.
type loadTask struct {
	seq                     int64
	name, state, queue, doc string
	runtime                 float64
}

// An attempt is one run of a task.
type attempt struct {
	came   float64 // Unix seconds
	unsent bool    // came is when a worker took it
	took   float64 // seconds; -1: not known
}

// each gives the attempts that began to run, from the task's trail.
func (t *loadTask) each(f func(attempt)) {
	var m struct {
		Retries int    `json:"retries"`
		ETA     string `json:"eta"`
		Trail   []Step `json:"trail"`
	}
	_ = json.Unmarshal([]byte(t.doc), &m) // ours
	var a attempt
	began, runs, known := 0., 0, false
	take := func(at float64) {
		if known {
			return
		}
		known, a.came = true, at
		if runs > 0 { // the delay of a retry is not waited for
			return
		}
		sent, told := sentAt(m.Trail)
		if a.unsent = !told; told {
			a.came = min(at, sent) // clients tell of it when it is confirmed, by then a worker may have it
		}
		if eta, err := protocol.ParseTime(m.ETA); err == nil && m.Retries == 0 {
			a.came = max(a.came, float64(eta.UnixMicro())/1e6)
		}
	}
	end := func(took float64) {
		a.took = took
		f(a)
		a, began, known, runs = attempt{}, 0, false, runs+1
	}
	for i, step := range m.Trail {
		switch step.Kind {
		case "received":
			take(step.At)
		case "started":
			if began > 0 { // its worker was lost, or lost its connection
				end(-1)
			}
			began = step.At
			take(step.At)
		case "succeeded", "failed", "retried", "revoked", "rejected":
			if began == 0 {
				continue // it never ran, or its begin is not known
			}
			took := max(step.At-began, 0)
			if last := i == len(m.Trail)-1; last && step.Kind == "succeeded" && t.runtime > 0 {
				took = t.runtime
			}
			end(took)
		}
	}
	if began > 0 {
		end(-1)
	}
}

// sentAt is when a task was sent first.
func sentAt(trail []Step) (at float64, told bool) {
	for _, step := range trail {
		switch step.Kind {
		case "sent":
			return step.At, true
		case "retried":
			return 0, false // what is sent from now on is a retry
		}
	}
	return 0, false
}

// A loadCount counts by minutes.
type loadCount struct {
	since   time.Time
	minutes []minuteCount
	all     minuteCount
	unsent  int
}

type minuteCount struct {
	runs  int
	known int     // whose time is known
	took  float64 // seconds of those
	logs  float64 // of their logarithms, and of the squares of these
	logs2 float64
}

func (m *minuteCount) add(took float64) {
	m.runs++
	if took >= 0 && took < 1e7 {
		took = max(took, 1e-4)
		l := math.Log(took)
		m.known, m.took, m.logs, m.logs2 = m.known+1, m.took+took, m.logs+l, m.logs2+l*l
	}
}

// spread is the standard deviation of the logarithms; ok is false where one value says nothing of it.
func (m *minuteCount) spread() (s float64, ok bool) {
	if m.known < 2 {
		return 0, false
	}
	n := float64(m.known)
	return min(math.Sqrt(max(m.logs2/n-m.logs/n*m.logs/n, 0)), 4), true
}

func (c *loadCount) add(a attempt) {
	at := (a.came - float64(c.since.Unix())) / 60
	if !(at >= 0 && at < float64(len(c.minutes))) {
		return
	}
	c.minutes[int(at)].add(a.took)
	c.all.add(a.took)
	if a.unsent {
		c.unsent++
	}
}

func (c *loadCount) load() (*Load, error) {
	if c.all.known == 0 {
		return nil, fmt.Errorf("%w in %d minutes from %s", ErrNoLoad, len(c.minutes), c.since.UTC().Format(time.RFC3339))
	}
	l := &Load{Runs: c.all.runs, Unsent: c.unsent, Open: c.all.runs - c.all.known}
	l.Trace.Begin = c.since.UTC()
	l.Trace.Minutes = make([]scaling.Minute, len(c.minutes))
	usual, _ := c.all.spread()
	for i, m := range c.minutes {
		if m.runs == 0 {
			continue
		}
		of := m
		if m.known == 0 {
			of = c.all
		}
		spread, ok := of.spread()
		if !ok {
			spread = usual
		}
		l.Trace.Minutes[i] = scaling.Minute{Tasks: m.runs, Seconds: of.took / float64(cmp.Or(of.known, 1)), Spread: spread}
	}
	return l, l.Trace.Check()
}
