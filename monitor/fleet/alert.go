package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/monitor/history"
)

// An Alert is something that is wrong now, in words.
type Alert struct {
	Level   string // "problem": tasks do not run or are lost from sight; "warning": they may not, soon
	Kind    string // such as "queue-without-consumer"
	Subject string // queue, worker or task
	Text    string
}

const (
	problem = "problem"
	warning = "warning"

	// failuresFrom failures of a task within failuresIn, a tenth of its runs or more, are worth telling.
	failuresFrom = 5
	failuresIn   = 5 * time.Minute

	// growthFrom more messages than a few minutes ago, and half as many again, are a queue that grows.
	growthFrom = 100

	// silentFor is how long a worker that fell silent is a problem; then it is gone.
	silentFor = time.Hour

	// usedFor is how long a queue counts as used after a task was sent there.
	usedFor = 5 * time.Minute

	// risesLooks are how many looks in a row the oldest message has to be older than at the one before, and lateFrom how old at
	// the last.
	risesLooks = 6
	lateFrom   = time.Minute

	lagFrom = 5 * time.Second
)

// judge says what is wrong.
func (f *Fleet) judge(ctx context.Context, now time.Time) []Alert {
	var out []Alert
	add := func(level, kind, subject, format string, args ...any) {
		out = append(out, Alert{level, kind, subject, fmt.Sprintf(format, args...)})
	}
	f.mu.Lock()
	lost, reason := f.lost, f.reason
	f.mu.Unlock()
	if !lost.IsZero() {
		add(problem, "events-missed", "", "The connection to the broker has been lost for %s: events are missed meanwhile. %s", ago(now.Sub(lost)), reason)
	}
	if lag := f.config.Recorder.Lag(); lag > lagFrom {
		add(warning, "monitor-late", "", "This monitor is %s behind: its disk does not keep up with events.", ago(lag))
	}
	f.judgeWorkers(now, add)
	f.judgeQueues(now, add)
	f.judgeTasks(ctx, now, add)
	f.judgeBroker(add)
	slices.SortStableFunc(out, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Subject, b.Subject))
	})
	return out
}

func (f *Fleet) judgeBroker(add adder) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.clusterErr != "":
		add(warning, "management-unreachable", "", "The management API does not answer: %s", f.clusterErr)
	case f.cluster != nil:
		f.cluster.judge(add)
		f.confirms.judge(add)
	}
}

type adder func(level, kind, subject, format string, args ...any)

func (f *Fleet) judgeWorkers(now time.Time, add adder) {
	for _, w := range f.Workers() {
		switch silence := now.Sub(w.LastHeard); {
		case w.Alive(now):
		case !w.LastHeard.IsZero() && silence < silentFor:
			add(problem, "worker-silent", w.Hostname, "Worker %s has been silent for %s, and did not say that it leaves.", w.Hostname, ago(silence))
		}
	}
}

func (f *Fleet) judgeQueues(now time.Time, add adder) {
	online := slices.ContainsFunc(f.Workers(), func(w event.Worker) bool { return w.Alive(now) })
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range f.queues {
		switch {
		case q.Error != "":
			add(warning, "queue-unseen", q.Name, "Queue %s cannot be looked at: %s", q.Name, q.Error)
		case !q.Exists && !q.Seen.IsZero() && now.Sub(q.Used) < usedFor:
			add(problem, "queue-missing", q.Name, "Tasks are sent to queue %s, which does not exist at the broker: they are lost or refused.", q.Name)
		case !q.Exists && q.Wanted && !q.DeadLetter && online && !q.Seen.IsZero():
			add(warning, "queue-missing", q.Name, "Queue %s of the settings does not exist at the broker: what is sent there by others is lost or refused.", q.Name)
		case !q.Exists:
		case q.DeadLetter:
			if q.Ready > 0 {
				add(warning, "dead-letters", q.Name, "%s failed for good and lie in %s.", many(q.Ready, "task"), q.Name)
			}
		case f.paused[q.Name]:
			add(warning, "queue-paused", q.Name, "Queue %s is paused, and %s in it.", q.Name, waits(q.Ready))
		case q.Ready > 0 && q.Consumers == 0:
			add(problem, "queue-without-consumer", q.Name, "%s in queue %s, and no worker consumes it.", waits(q.Ready), q.Name)
		case rises(q.ages):
			add(warning, "queue-late", q.Name, "The oldest message in queue %s has waited for %s, and longer at each look: its workers do not keep up.", q.Name, ago(q.ages[len(q.ages)-1]))
		case grows(q.before):
			add(warning, "queue-grows", q.Name, "Queue %s grows: %s now, %s a few minutes ago.", q.Name, many(q.Ready, "message"), number(q.before[0]))
		}
	}
}

func (f *Fleet) judgeTasks(ctx context.Context, now time.Time, add adder) {
	failed, err := f.config.Store.Points(ctx, history.MetricFailed, nil, 10, now.Add(-failuresIn), now)
	if err != nil {
		return // said elsewhere: the recorder cannot write either
	}
	for _, p := range failed {
		n := total(p)
		if p.Label == "" || n < failuresFrom {
			continue
		}
		done, err := f.config.Store.Points(ctx, history.MetricSucceeded, &p.Label, 10, now.Add(-failuresIn), now)
		if err != nil {
			return
		}
		ok := int64(0)
		for _, d := range done {
			ok += total(d)
		}
		if n*10 >= n+ok {
			add(warning, "task-fails", p.Label, "Task %s failed %s of %s times in the last five minutes.", p.Label, number(int(n)), number(int(n+ok)))
		}
	}
}

func total(p history.Points) (n int64) {
	for _, x := range p.Points {
		n += x.N
	}
	return n
}

// grows reports whether a queue has grown by half and by growthFrom, with its latest sample the highest.
func grows(before []int) bool {
	if len(before) < 6 {
		return false
	}
	first, last := before[0], before[len(before)-1]
	return last-first >= growthFrom && last*2 >= first*3 && last >= slices.Max(before)
}

// rises reports whether the oldest message has become older and older over the latest looks, and old enough to tell of.
func rises(ages []time.Duration) bool {
	if len(ages) < risesLooks || ages[len(ages)-1] < lateFrom {
		return false
	}
	ages = ages[len(ages)-risesLooks:]
	for i := 1; i < len(ages); i++ {
		if ages[i] <= ages[i-1] {
			return false
		}
	}
	return true
}

// number writes 12,345.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return number(n) + " " + what + "s"
}

func waits(n int) string {
	if n == 0 {
		return "nothing waits"
	}
	if n == 1 {
		return "1 message waits"
	}
	return number(n) + " messages wait"
}

// decimal writes a rate: 0.03, 4.2, 120.
func decimal(x float64) string {
	switch {
	case x < 0.1:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case x < 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return number(int(x))
}

// ago is a length of time in words.
func ago(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "a second"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d seconds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
