package worker

import (
	"sync"
	"time"

	"github.com/umbel-go/umbel"
)

// A limiter spaces the starts of one task on this worker: Celery's token bucket of capacity one, which allows no burst.
// A task that must wait is given the time of its turn and waits like one with an ETA: it holds no slot, and the prefetch
// is widened by it.
//
// Celery: celery/worker/strategy.py (rate_limit), kombu/utils/limits.py TokenBucket.
type limiter struct {
	mu       sync.Mutex // guards what follows
	interval time.Duration
	next     time.Time // the earliest next turn
	text     string    // the rate as it was given; "" is none
}

func newLimiter(r umbel.Rate) *limiter { return &limiter{interval: r.Interval(), text: r.String()} }

// name is how the rate is shown from now on.
func (l *limiter) name(text string) {
	l.mu.Lock()
	l.text = text
	l.mu.Unlock()
}

// rate is the rate as it is shown, "" for none.
func (l *limiter) rate() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}

// turn takes the next turn and returns its time.
func (l *limiter) turn(now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.interval <= 0 {
		return now
	}
	at := now
	if l.next.After(now) {
		at = l.next
	}
	l.next = at.Add(l.interval)
	return at
}

// set changes the rate from now on and forgets the turns given: whoever still waits takes a new one.
func (l *limiter) set(interval time.Duration, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interval, l.next = interval, now
}

// SetRateLimit changes the rate limit of a task on this worker, for those that wait as well. The error is a
// *umbel.NotRegisteredError. Celery: control rate_limit.
func (w *Worker) SetRateLimit(task string, rate umbel.Rate) error {
	k := w.tasks[task]
	if k == nil {
		_, err := w.app.Lookup(task)
		return err
	}
	w.respace(k, rate.Interval())
	return nil
}

// respace gives the runs that wait for their turn new turns: the rate has changed, or some that had turns are gone.
func (w *Worker) respace(k *known, interval time.Duration) {
	now := time.Now()
	k.limit.set(interval, now)
	w.delay.reschedule(func(r *run) {
		if r.known == k && r.limited {
			r.due = k.limit.turn(now)
		}
	})
}
