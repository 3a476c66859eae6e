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
	last     time.Time // the latest turn that was used
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

// every is the interval now, 0 without limit.
func (l *limiter) every() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.interval
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
	if at.Equal(now) {
		l.last = now
	}
	return at
}

// set changes the rate from now on and forgets the turns given: whoever still waits takes a new one. The first may start at
// once, as with Celery's new bucket.
func (l *limiter) set(interval time.Duration, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interval, l.next = interval, now
}

// used notes that the turn at this time was taken.
func (l *limiter) used(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at.After(l.last) {
		l.last = at
	}
}

// restart forgets the turns given, but not the latest that was used.
func (l *limiter) restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = l.last.Add(l.interval)
}

// SetRateLimit changes the rate limit of a task on this worker, for those that wait as well. The error is a
// *umbel.NotRegisteredError. Celery: control rate_limit.
func (w *Worker) SetRateLimit(task string, rate umbel.Rate) error {
	k := w.tasks[task]
	if k == nil {
		_, err := w.app.Lookup(task)
		return err
	}
	k.limit.set(rate.Interval(), time.Now())
	w.renewTurns(k)
	w.pacer.anew(k)
	return nil
}

// respace closes the gaps that runs have left which had turns and are gone.
func (w *Worker) respace(k *known) {
	k.limit.restart()
	w.renewTurns(k)
}

// renewTurns gives the runs that wait for their turn new ones, in the same order.
func (w *Worker) renewTurns(k *known) {
	now := time.Now()
	w.delay.reschedule(func(r *run) {
		if r.known == k && r.limited && r.paces == nil {
			r.due = k.limit.turn(now)
		}
	})
}
