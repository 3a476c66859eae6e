package memory

import (
	"container/heap"
	"slices"
	"strconv"
	"time"

	"github.com/umbel-go/umbel/broker"
)

// A queue holds messages. Everything in it is guarded by space.mu.
//
// Invariant, whenever the lock is free: no consumer that may take a message is idle while one is ready.
type queue struct {
	space    *space
	name     string
	declared broker.Queue
	rules    rules
	owner    *Broker // of an exclusive queue
	gone     error   // why it was deleted; nil: it is here

	levels    []*level // highest priority first; a level stays once it was used
	ready     int
	bytes     int // of the bodies of ready messages
	unsettled int

	consumers []*consumer
	turn      int // whose turn among them it is

	due     dues
	passing bool      // pass is at work
	unused  time.Time // when x-expires deletes it; zero: not now
	timer   *time.Timer
	timerAt time.Time // when the timer goes off; zero: it does not
}

// put takes a message in, and returns false when the queue is full and refuses.
func (q *queue) put(m *parcel, now time.Time) bool {
	if q.rules.refuse && q.full(1, len(m.Body)) {
		if q.rules.buryRefused {
			q.die(m, "maxlen")
		}
		return false
	}
	q.space.arrivals++
	it := &item{message: m, arrival: q.space.arrivals, level: min(m.Properties.Priority, q.rules.maxPriority), index: -1}
	if e := m.Properties.Expiration; e != "" {
		ms, _ := strconv.ParseUint(e, 10, 32) // seal has checked it
		it.dies = now.Add(time.Duration(ms) * time.Millisecond)
	}
	if m.NotBefore.After(now) {
		it.place, it.at = delayed, m.NotBefore
		if !it.dies.IsZero() && it.dies.Before(it.at) {
			it.at = it.dies
		}
		heap.Push(&q.due, it)
		q.arm(now)
		return true
	}
	q.arrive(it, now)
	return true
}

// full tells whether so many messages and bytes more would pass a limit.
func (q *queue) full(messages, bytes int) bool {
	return q.rules.maxLength >= 0 && q.ready+messages > q.rules.maxLength ||
		q.rules.maxBytes >= 0 && q.bytes+bytes > q.rules.maxBytes
}

// arrive makes a message ready.
func (q *queue) arrive(it *item, now time.Time) {
	if q.rules.ttl >= 0 {
		if end := now.Add(q.rules.ttl); it.dies.IsZero() || end.Before(it.dies) {
			it.dies = end
		}
	}
	q.level(it.level).append(it)
	q.enter(it)
	q.dispatch()
	if it.place != ready {
		return
	}
	if !it.dies.IsZero() && !it.dies.After(now) { // no time to wait for a consumer
		q.remove(it)
		q.die(it.message, "expired")
		return
	}
	q.expect(it, now)
	for !q.rules.refuse && q.full(0, 0) {
		it := q.take()
		q.die(it.message, "maxlen")
	}
}

// giveBack returns a message that was handed out to its place. counted is false when nobody has seen it. The caller
// dispatches, after all that it gives back: else the first would not be the first.
func (q *queue) giveBack(it *item, counted bool) {
	now := time.Now()
	if counted {
		it.given++
		if q.rules.deliveryLimit >= 0 && it.given > q.rules.deliveryLimit {
			q.die(it.message, "delivery_limit")
			return
		}
	}
	if !it.dies.IsZero() && !it.dies.After(now) {
		q.die(it.message, "expired")
		return
	}
	q.level(it.level).restore(it)
	q.enter(it)
	q.expect(it, now)
}

// enter counts a message as ready, remove as no longer so.
func (q *queue) enter(it *item) {
	it.place = ready
	q.ready++
	q.bytes += len(it.message.Body)
}

func (q *queue) remove(it *item) {
	q.level(it.level).remove(it)
	it.place = nowhere
	q.ready--
	q.bytes -= len(it.message.Body)
	if it.index >= 0 {
		heap.Remove(&q.due, it.index) // the timer may go off for nothing
	}
}

// expect makes the timer watch over a mortal message.
func (q *queue) expect(it *item, now time.Time) {
	if !it.dies.IsZero() {
		it.at = it.dies
		heap.Push(&q.due, it)
		q.arm(now)
	}
}

// level finds or makes the level of a priority.
func (q *queue) level(priority uint8) *level {
	i, found := slices.BinarySearchFunc(q.levels, priority, func(l *level, p uint8) int { return int(p) - int(l.priority) })
	if !found {
		q.levels = slices.Insert(q.levels, i, &level{priority: priority})
	}
	return q.levels[i]
}

// take removes the message whose turn it is. One must be ready.
func (q *queue) take() *item {
	for _, l := range q.levels {
		if it := l.head; it != nil {
			q.remove(it)
			return it
		}
	}
	panic("memory: take from queue " + strconv.Quote(q.name) + ", which has no ready message")
}

// dispatch hands ready messages to idle consumers, in turn, until there are no more of either.
func (q *queue) dispatch() {
	q.catchUp()
	for q.ready > 0 {
		c := q.nextIdle()
		if c == nil {
			return
		}
		c.assign(q.take())
	}
}

func (q *queue) nextIdle() *consumer {
	for i := range q.consumers {
		at := (q.turn + i) % len(q.consumers)
		if c := q.consumers[at]; c.idle && c.mayTake() {
			q.turn = at + 1
			return c
		}
	}
	return nil
}

// purge removes what is ready.
func (q *queue) purge() int {
	n := q.ready
	for q.ready > 0 {
		q.take()
	}
	return n
}

// detach removes a consumer. A queue that was to go with its last one goes.
func (q *queue) detach(c *consumer) {
	i := slices.Index(q.consumers, c)
	if i < 0 {
		return
	}
	q.consumers = slices.Delete(q.consumers, i, i+1)
	if len(q.consumers) > 0 {
		q.dispatch() // what it gave back; and a single active consumer may have been waiting for its turn
		return
	}
	if q.declared.AutoDelete {
		q.space.deleteQueue(q, errUnused(q.name))
		return
	}
	q.touch(time.Now())
}
