package memory

import (
	"container/heap"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/broker"
)

// What happens to a queue by the clock: delayed messages become ready, mortal ones expire, an unused queue goes. One
// timer per queue goes off for the earliest of them; its function holds space.mu and never waits.

// arm sets the timer to the earliest event, unless it goes off earlier anyway.
func (q *queue) arm(now time.Time) {
	next := q.unused
	if len(q.due) > 0 && (next.IsZero() || q.due[0].at.Before(next)) {
		next = q.due[0].at
	}
	if next.IsZero() || !q.timerAt.IsZero() && !next.Before(q.timerAt) {
		return
	}
	q.timerAt = next
	if d := next.Sub(now); q.timer == nil {
		q.timer = time.AfterFunc(d, q.tick)
	} else {
		q.timer.Reset(d)
	}
}

// tick does what is due. A tick of a timer that was set anew meanwhile finds nothing due and does no harm.
func (q *queue) tick() {
	q.space.mu.Lock()
	defer q.space.unlock()
	if q.gone != nil {
		return
	}
	now := time.Now()
	q.timerAt = time.Time{}
	if !q.unused.IsZero() && !q.unused.After(now) {
		q.space.deleteQueue(q, errUnused(q.name))
		return
	}
	q.pass(now)
	q.arm(now)
}

// pass does what is due by now. Whoever looks at what is ready calls it first, as the timer's function may have to wait
// for the lock, or for its turn: an expired message is not delivered, however late the timer.
func (q *queue) pass(now time.Time) {
	if q.passing { // arrive dispatches, which comes here again: the loop below will see to it
		return
	}
	q.passing = true
	defer func() { q.passing = false }()
	for len(q.due) > 0 && !q.due[0].at.After(now) {
		it := q.due[0]
		switch {
		case it.place == ready:
			q.remove(it)
			q.die(it.message, "expired")
		case !it.dies.IsZero() && !it.dies.After(now):
			heap.Pop(&q.due)
			q.die(it.message, "expired")
		default:
			heap.Pop(&q.due)
			q.space.arrivals++
			it.arrival = q.space.arrivals // in the order of their time, behind those who wait already
			q.arrive(it, now)
		}
	}
}

// catchUp passes, without asking for the time when nothing waits for it.
func (q *queue) catchUp() {
	if len(q.due) > 0 {
		q.pass(time.Now())
	}
}

// touch starts the time anew after which an unused queue goes. A queue with consumers is in use.
func (q *queue) touch(now time.Time) {
	q.unused = time.Time{}
	if q.rules.expires > 0 && len(q.consumers) == 0 {
		q.unused = now.Add(q.rules.expires)
		q.arm(now)
	}
}

func errUnused(queue string) error {
	return fmt.Errorf("queue %q was deleted as unused: %w", queue, broker.ErrNoQueue)
}
