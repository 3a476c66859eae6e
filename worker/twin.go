package worker

import (
	"sync"
	"time"
)

// twins are tasks of which several messages may be at the broker: parked ones, when the connection is lost before the broker
// has read the ack of the original. One of them is run; others are acked, since that one is still at the broker or has ended.
// They are known to this worker only: elsewhere the second runs again, as at-least-once allows.
//
// A message that was handed out before claims its attempt before it is parked and begun, since its copy and its original may
// both come in the meantime: a publish outlives the connection that it was meant for.
//
//	claimed by a run under a living connection     others wait for it
//	claimed by a run whose connection is gone      the next to come takes the claim over
//	begun                                          others are settled with it, or acked
//
// Most twins never come: the ack arrives, and then a message with the same id is another one that must run. So a twin is
// believed only once it is kept: when its ack failed, or a connection was lost within moments of it.
type twins struct {
	mu    sync.Mutex // guards what follows
	byID  map[string]*twin
	order []string // ids, oldest first; some may be gone from byID
}

type twin struct {
	mark     finishedTask // of the attempt: the next has the same id, and so may other messages
	by       *run         // who has claimed it; nil: nobody, or it has begun
	consumer *consumer    // of the delivery that by holds
	epoch    uint32
	open     bool // by parks it: its copy may be at the broker, and its original is not acked yet
	begun    bool
	kept     bool
	at       time.Time
	waiting  []*run // for what becomes of by
}

const (
	twinsMost   = 4096         // what is forgotten may run twice
	waitingMost = attachedMost // of one attempt; each further message costs a lost connection
)

// twinAge is how long the ack of a parked original may be on its way: a broker that is short of time reads late, and drops
// what it has not read when the connection breaks.
const twinAge = 30 * time.Second

// A claim is the answer to a message that wants to begin its attempt.
type claim int

const (
	claimed   claim = iota // it is to begin
	mustWait               // another message of the attempt may begin: this one is settled when that is known
	hasBegun               // under another message
	mustLeave              // too many wait: back to its queue
)

func (t *twin) stale() bool { return t.consumer.epoch.Load() != t.epoch }

// claim lets r begin its attempt, or says why not. Who waited for another message of its id, of which nothing will be known any
// more, is to come again.
func (t *twins) claim(r *run) (c claim, waiting []*run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.byID[r.task.ID]
	switch {
	case e == nil:
	case !e.mark.same(r.mark()):
		if e.by != nil && !e.stale() {
			return claimed, nil // it is not followed
		}
		waiting = e.waiting
	case time.Since(e.at) > finishedAge:
	case e.by != nil && e.stale():
		e.by, e.consumer, e.epoch, e.kept = r, r.consumer, r.epoch, true
		return claimed, nil
	case !e.kept && !e.open && e.by != nil:
		return claimed, nil // another message like it; it is not followed
	case !e.kept && !e.open:
	case e.begun:
		return hasBegun, nil
	case e.by == nil:
		e.by, e.consumer, e.epoch = r, r.consumer, r.epoch
		return claimed, nil
	case len(e.waiting) >= waitingMost:
		return mustLeave, nil
	default:
		e.waiting = append(e.waiting, r)
		return mustWait, nil
	}
	t.put(r.task.ID, &twin{mark: r.mark(), by: r, consumer: r.consumer, epoch: r.epoch, open: true})
	return claimed, waiting
}

// hold notes under which delivery r holds its attempt from now on, and reports whether the claim is still its own.
func (t *twins) hold(r *run, c *consumer, epoch uint32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.of(r)
	if e == nil {
		return true
	}
	if e.by != r {
		return !e.kept && !e.open
	}
	e.at = time.Now() // the ack of what it was held under is on its way
	e.consumer, e.epoch = c, epoch
	return true
}

// parked notes that r's original has left its queue; or that it may not have.
func (t *twins) parked(r *run, left bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.of(r)
	switch {
	case e == nil:
	case !left:
		e.kept = true
	case e.by == r:
		e.open = false
	}
}

// begin notes that r begins its attempt, and returns who waited for that; false when another message has taken its claim.
func (t *twins) begin(r *run) (waiting []*run, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.of(r)
	switch {
	case e == nil:
		return nil, true
	case e.by != r:
		return nil, !e.kept && !e.open
	}
	e.by, e.consumer, e.open, e.begun = nil, nil, false, true
	waiting, e.waiting = e.waiting, nil
	return waiting, true
}

// leave gives up r's claim and returns who waited for it: they are to come again. maybe says that one more message of the
// attempt may be at the broker.
func (t *twins) leave(r *run, maybe bool) (waiting []*run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.of(r)
	if e == nil {
		if maybe {
			t.put(r.task.ID, &twin{mark: r.mark(), kept: true})
		}
		return nil
	}
	e.kept = e.kept || maybe
	if e.by == r {
		e.by, e.consumer, e.open = nil, nil, false
		waiting, e.waiting = e.waiting, nil
	}
	return waiting
}

// of returns what is known of r's attempt; nil if nothing is.
func (t *twins) of(r *run) *twin {
	if e := t.byID[r.task.ID]; e != nil && e.mark.same(r.mark()) {
		return e
	}
	return nil
}

// add notes that a second message may exist of an attempt that has begun.
func (t *twins) add(r *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// Parked anew, the attempt may have a third message: the one that is known to be at the broker still comes.
	e := t.of(r)
	t.put(r.task.ID, &twin{mark: r.mark(), begun: true, kept: e != nil && e.kept})
}

// put takes e in place of what was known of the id.
func (t *twins) put(id string, e *twin) {
	if t.byID == nil {
		t.byID = make(map[string]*twin)
	}
	if t.byID[id] == nil {
		t.order = append(t.order, id)
	}
	e.at = time.Now()
	t.byID[id] = e
	for n := len(t.order); n > twinsMost; n-- {
		oldest := t.order[0]
		t.order = t.order[1:]
		if e := t.byID[oldest]; e != nil && len(e.waiting) > 0 {
			t.order = append(t.order, oldest) // somebody must settle them
			continue
		}
		delete(t.byID, oldest)
	}
}

// keep says that several messages of r's attempt may be at the broker.
func (t *twins) keep(r *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.of(r); e != nil {
		e.kept = true
	}
}

// lost notes that a connection was lost: acks of a moment ago may not have arrived, older ones have.
func (t *twins) lost() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, e := range t.byID {
		switch {
		case e.kept:
		case e.by != nil || time.Since(e.at) < twinAge:
			e.kept = true
		default:
			delete(t.byID, id)
		}
	}
}

// reopen lets the attempt begin again: its message went back to the queue.
func (t *twins) reopen(r *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.of(r); e != nil && e.by == nil {
		e.begun, e.at = false, time.Now()
	}
}

// claims lets r begin its attempt, and takes care of it if it must not.
func (w *Worker) claims(r *run) bool {
	c, waiting := w.twins.claim(r)
	for _, other := range waiting {
		w.giveBack(other.delivery)
	}
	switch c {
	case claimed:
		return true
	case mustWait:
		r.over()
	case mustLeave:
		r.over()
		w.giveBack(r.delivery)
	case hasBegun:
		w.log.Info("task came in two messages after a lost connection, and has begun here under the other one", "task", r.request.DisplayName(), "id", r.task.ID)
		r.over()
		if !w.inflight.attach(r) {
			w.settle(r.delivery, settleAck)
		}
	}
	return false
}

// letGo gives up r's claim: whoever comes next is to begin.
func (w *Worker) letGo(r *run, maybe bool) {
	for _, second := range w.twins.leave(r, maybe) {
		w.giveBack(second.delivery)
	}
}

// claimEnds is for an attempt that ends before it begins.
func (w *Worker) claimEnds(r *run) {
	waiting, _ := w.twins.begin(r)
	for _, second := range waiting {
		w.settle(second.delivery, settleAck)
	}
}
