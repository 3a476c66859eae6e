package history

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// Counts over time. A point is what happened within a stretch of time; the same thing is counted in stretches of three
// widths, so that an hour and a year are each a few hundred points.
var widths = []struct {
	seconds int64
	keep    time.Duration
}{
	{10, 6 * time.Hour},
	{300, 8 * 24 * time.Hour},
	{3600, 100 * 24 * time.Hour},
}

// Metrics. Those of tasks are labelled with the task's name, those of queues with the queue's; "" is all of them.
const (
	MetricSent      = "sent"
	MetricReceived  = "received"
	MetricStarted   = "started"
	MetricSucceeded = "succeeded"
	MetricFailed    = "failed"
	MetricRetried   = "retried"
	MetricRevoked   = "revoked"
	MetricRejected  = "rejected"
	MetricRuntime   = "runtime" // seconds that tasks ran, with a spread
	MetricWait      = "wait"    // seconds from received, or sent, to started, with a spread

	MetricReady     = "ready" // messages that wait in a queue
	MetricUnsettled = "unsettled"
	MetricConsumers = "consumers"
	MetricOldest    = "oldest"  // seconds that the first message in a queue has waited
	MetricWorkers   = "workers" // that are alive
)

const (
	// labelsMost bounds the labels of a metric: names come from strangers. Others are counted as OtherLabel.
	labelsMost = 200

	// OtherLabel stands for all labels beyond the bound.
	OtherLabel = "(others)"

	// pointsEvery is how long counts wait at most to be written.
	pointsEvery = 2 * time.Second
)

type series struct {
	width         int64
	metric, label string
}

type point struct {
	at     int64
	n      int64
	sum    float64
	peak   float64
	spread *Spread
	dirty  bool
}

type closed struct {
	series
	*point
}

// closedMost bounds the points that wait while the disk fails.
const closedMost = 50_000

// A counter holds the points that still change, and writes them.
type counter struct {
	store *Store

	mu     sync.Mutex // guards what follows; not held across the disk
	open   map[series]*point
	closed []closed                   // over, and not written yet
	labels map[string]map[string]bool // by metric
	wrote  time.Time
	since  time.Time // what is older is counted then: its points are no longer known
}

func newCounter(s *Store) *counter {
	return &counter{store: s, open: make(map[series]*point), labels: make(map[string]map[string]bool)}
}

// load takes up the points of now that were written before a restart.
func (c *counter) load(ctx context.Context, now time.Time) error {
	return c.store.db.read(ctx, func(t tx) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.since = now
		for _, w := range widths {
			at := now.Unix() / w.seconds * w.seconds
			var metric, label, spread string
			var n int64
			var sum, peak float64
			err := t.each(`SELECT metric, label, n, sum, peak, spread FROM points WHERE width = ? AND at = ?`, []any{w.seconds, at},
				[]any{&metric, &label, &n, &sum, &peak, &spread}, func() error {
					p := &point{at: at, n: n, sum: sum, peak: peak}
					if spread != "" {
						p.spread = parseSpread(spread)
					}
					c.open[series{w.seconds, metric, c.label(metric, label)}] = p
					return nil
				})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// label bounds the labels. c.mu is held.
func (c *counter) label(metric, label string) string {
	if label == "" {
		return ""
	}
	seen := c.labels[metric]
	if seen == nil {
		seen = make(map[string]bool)
		c.labels[metric] = seen
	}
	if !seen[label] {
		if len(seen) >= labelsMost || len(label) > 512 {
			return OtherLabel
		}
		seen[label] = true
	}
	return label
}

// add adds a value to the points of all widths. c.mu is held.
func (c *counter) add(metric, label string, at time.Time, value float64, spread bool) {
	label = clean(c.label(metric, label))
	if at.Before(c.since) {
		at = c.since
	}
	for _, w := range widths {
		key, begin := series{w.seconds, metric, label}, at.Unix()/w.seconds*w.seconds
		p := c.open[key]
		if p == nil || p.at < begin {
			if p != nil && p.dirty && len(c.closed) < closedMost {
				c.closed = append(c.closed, closed{key, p})
			}
			p = &point{at: begin}
			if spread {
				p.spread = new(Spread)
			}
			c.open[key] = p
		}
		p.n++
		p.sum += value
		p.peak = max(p.peak, value)
		if spread && p.spread != nil {
			p.spread.Add(value)
		}
		p.dirty = true
	}
}

func (c *counter) gauge(metric, label string, at time.Time, value float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(metric, label, at, value, false)
}

// count counts one event of a task. Points go by the monitor's clock: those of others may be wrong.
func (c *counter) count(t *Task, h heard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	both := func(metric string, value float64, spread bool) {
		c.add(metric, "", h.at, value, spread)
		if t.Name != "" {
			c.add(metric, t.Name, h.at, value, spread)
		}
	}
	switch b := h.event.Body.(type) {
	case *protocol.TaskSent:
		both(MetricSent, 0, false)
	case *protocol.TaskReceived:
		both(MetricReceived, 0, false)
	case *protocol.TaskStarted:
		both(MetricStarted, 0, false)
		if wait, ok := waited(t); ok {
			both(MetricWait, wait, true)
		}
	case *protocol.TaskSucceeded:
		both(MetricSucceeded, 0, false)
		if b.Runtime >= 0 && b.Runtime < 1e9 {
			both(MetricRuntime, b.Runtime, true)
		}
	case *protocol.TaskFailed:
		both(MetricFailed, 0, false)
	case *protocol.TaskRetried:
		both(MetricRetried, 0, false)
	case *protocol.TaskRevoked:
		both(MetricRevoked, 0, false)
	case *protocol.TaskRejected:
		both(MetricRejected, 0, false)
	}
}

// waited is how long a task waited to start: since it was sent where that is known, and not for its ETA.
func waited(t *Task) (float64, bool) {
	since := t.Received
	if !t.Sent.IsZero() && t.Retries == 0 {
		since = t.Sent
	}
	if t.ETA != "" || since.IsZero() || t.Started.IsZero() {
		return 0, false
	}
	w := t.Started.Sub(since).Seconds()
	return max(w, 0), w > -1 && !math.IsNaN(w)
}

const putPoint = `INSERT INTO points (width, metric, label, at, n, sum, peak, spread) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (width, metric, label, at) DO UPDATE SET n = excluded.n, sum = excluded.sum, peak = excluded.peak, spread = excluded.spread`

// flush writes the points that changed, if it is time, and forgets those that are over.
func (c *counter) flush(ctx context.Context, now time.Time, force bool) error {
	rows, taken := c.take(now, force)
	if len(rows) == 0 {
		return nil
	}
	err := c.store.db.write(ctx, func(t tx) error { return t.many(putPoint, rows) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		for _, p := range taken {
			switch {
			case c.open[p.series] == p.point:
				p.dirty = true
			case len(c.closed) < closedMost:
				c.closed = append(c.closed, p)
			}
		}
		c.wrote = time.Time{}
		return err
	}
	for key, p := range c.open {
		if !p.dirty && p.at+key.width <= now.Unix() {
			delete(c.open, key)
		}
	}
	return nil
}

// take are the rows to write, and the points they show.
func (c *counter) take(now time.Time, force bool) (rows [][]any, taken []closed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !force && now.Sub(c.wrote) < pointsEvery {
		return nil, nil
	}
	c.wrote = now
	taken, c.closed = c.closed, nil // in order: a point that is closed comes before the same one opened again
	for key, p := range c.open {
		if p.dirty {
			p.dirty = false
			taken = append(taken, closed{key, p})
		}
	}
	rows = make([][]any, len(taken))
	for i, p := range taken {
		spread := ""
		if p.spread != nil {
			spread = p.spread.String()
		}
		rows[i] = []any{p.width, p.metric, p.label, p.at, p.n, p.sum, p.peak, spread}
	}
	return rows, taken
}
