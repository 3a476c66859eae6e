package scaling

import (
	"fmt"
	"time"
)

// A Worker is what a worker tells of itself.
type Worker struct {
	Name     string
	Slots    int // tasks that it runs at once
	Stopping bool
	Queues   []Load // that it consumes
}

// A Load is what a worker has of one queue.
type Load struct {
	Queue   string
	Running int
	Waiting int           // in the worker, for a slot
	Oldest  time.Duration // how long the one that has run longest has run
	Done    int64         // tasks since the worker began
	Took    time.Duration // those together
	Longest time.Duration // the longest of them

	// Sampled: the worker does not say how long tasks take, as Celery's do not. Took is then put together from what was seen running.
	Sampled bool

	// Left: the worker does not consume the queue any more, and something of it runs or waits still.
	Left bool
}

func (w *Worker) running() (n int) {
	for _, l := range w.Queues {
		n += l.Running
	}
	return n
}

// holds says why the worker cannot go now; "": it can. Whatever waits in it goes back to its queue when it is told to stop.
func (w *Worker) holds(grace time.Duration, usual func(queue string) time.Duration) string {
	for _, l := range w.Queues {
		if l.Running == 0 {
			continue
		}
		if l.Oldest > grace {
			return fmt.Sprintf("a task of %s has run for %s", l.Queue, short(l.Oldest))
		}
		most := l.Longest
		if most == 0 { // it has ended none, or does not tell
			most = 3 * usual(l.Queue)
		}
		if most == 0 || most > grace {
			return fmt.Sprintf("runs %d of %s, which may take %s", l.Running, l.Queue, atMost(most))
		}
	}
	return ""
}

func atMost(d time.Duration) string {
	if d == 0 {
		return "any time"
	}
	return short(d)
}

// short is a time for people.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
