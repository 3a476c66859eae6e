package worker

import (
	"container/list"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
)

// finished remembers tasks that ended here, or were acked as they began, but whose ack could not be sent or may not have
// arrived, because their connection was lost in between. The broker hands those messages out again; the copy that comes to
// this worker is acked without running. Celery runs it twice.
//
// It is bounded in number and age, as Celery's own set of successful ids is: what is forgotten runs again.
type finished struct {
	mu    sync.Mutex // guards what follows
	byID  map[string]*list.Element
	order list.List // of finishedTask, oldest first
}

type finishedTask struct {
	id      string
	retries int    // of the attempt that ended: the next attempt has the same id
	print   uint64 // fingerprint of the message: two sends may share an id
	at      time.Time
	maybe   bool // its ack may have arrived
}

func (t finishedTask) same(o finishedTask) bool {
	return t.id == o.id && t.retries == o.retries && t.print == o.print
}

var fingerprintSeed = maphash.MakeSeed()

// fingerprint tells messages of one attempt apart that were sent one by one: by its body, and by what came before the attempt,
// for two runs of an attempt may each send the next. Copies of a message have one.
func fingerprint(d *broker.Delivery) uint64 {
	attempts := d.Headers[umbel.HeaderAttempts]
	if attempts == nil {
		return maphash.Bytes(fingerprintSeed, d.Body)
	}
	var h maphash.Hash
	h.SetSeed(fingerprintSeed)
	h.Write(d.Body)
	fmt.Fprint(&h, attempts)
	return h.Sum64()
}

const (
	finishedMost = 50_000
	finishedAge  = 3 * time.Hour

	// maybeAge is as long for what may have arrived. A copy, if there is one, comes soon after the connection is back; a
	// message that comes much later is another one that was sent with the same id and arguments, and must run.
	maybeAge = 10 * time.Minute
)

// add remembers one attempt.
func (f *finished) add(t finishedTask) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID == nil {
		f.byID = make(map[string]*list.Element)
	}
	f.expire()
	if old := f.byID[t.id]; old != nil {
		f.order.Remove(old)
	}
	t.at = time.Now()
	f.byID[t.id] = f.order.PushBack(t)
	for f.order.Len() > finishedMost {
		f.drop(f.order.Front())
	}
}

// take reports whether this attempt has ended here, and forgets it.
func (f *finished) take(t finishedTask) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.byID[t.id]
	if e == nil || !e.Value.(finishedTask).same(t) {
		return false
	}
	old := e.Value.(finishedTask)
	f.drop(e)
	if old.maybe {
		return time.Since(old.at) < maybeAge
	}
	return time.Since(old.at) < finishedAge
}

func (f *finished) expire() {
	for e := f.order.Front(); e != nil && time.Since(e.Value.(finishedTask).at) >= finishedAge; e = f.order.Front() {
		f.drop(e)
	}
}

func (f *finished) drop(e *list.Element) {
	delete(f.byID, e.Value.(finishedTask).id)
	f.order.Remove(e)
}

// recent are the last acks that a consumer has sent. The broker may not have got them when the connection is lost; what it
// has not, it hands out again. No more than the prefetch can be on the way, so no more need be remembered.
type recent struct {
	mu   sync.Mutex // guards what follows
	ring []finishedTask
	next int // where the oldest is overwritten, once the ring is full
	size int // largest length
}

const recentMost = 4096 // with an unlimited prefetch

// recentAge is how long an ack may be on its way: a broker that is short of time reads late, and drops what it has not read
// when the connection breaks. What was acked earlier has arrived, and the same message that comes again then was sent again
// and must run.
const recentAge = 30 * time.Second

func (r *recent) add(t finishedTask) {
	t.at, t.maybe = time.Now(), true
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) < r.size {
		r.ring = append(r.ring, t)
		return
	}
	r.ring[r.next] = t
	r.next = (r.next + 1) % r.size
}

// forget takes an attempt out, and reports whether it was there.
func (r *recent) forget(t finishedTask) (found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.ring {
		if r.ring[i].same(t) {
			r.ring[i], found = finishedTask{}, true // too old to be on its way
		}
	}
	return found
}

// drain returns what may be on its way and forgets it all.
func (r *recent) drain() []finishedTask {
	r.mu.Lock()
	defer r.mu.Unlock()
	ring := r.ring
	r.ring, r.next = nil, 0
	return slices.DeleteFunc(ring, func(t finishedTask) bool { return time.Since(t.at) > recentAge })
}
