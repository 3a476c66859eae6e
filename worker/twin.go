package worker

import (
	"sync"
	"time"
)

// twins are tasks of which several messages may be at the broker: parked ones, when the connection is lost before the broker
// has read the ack of the original. The first to come is run; others are acked, since the first is still at the broker or
// has ended. They are known to this worker only: elsewhere the second runs again, as at-least-once allows.
//
// Most of them never come: the ack arrives, and then a message with the same id is another one that must run. So a twin is
// believed only once it is kept: when its ack failed, or a connection was lost within moments of it.
type twins struct {
	mu    sync.Mutex // guards what follows
	byID  map[string]*twin
	order []string // ids, oldest first; some may be gone from byID
}

type twin struct {
	retries int // of the attempt: the next attempt has the same id
	begun   bool
	kept    bool
	at      time.Time
}

const twinsMost = 4096 // what is forgotten may run twice

// twinAge is how long the ack of a parked original may be on its way: a broker that is short of time reads late, and drops
// what it has not read when the connection breaks.
const twinAge = 30 * time.Second

// add notes that a second message of this attempt may exist, and whether it has begun under the first.
func (t *twins) add(id string, retries int, begun bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID = make(map[string]*twin)
	}
	before := t.byID[id]
	if before == nil {
		t.order = append(t.order, id)
	}
	// Parked anew, the attempt may have a third message: the one that is known to be at the broker still comes.
	kept := before != nil && before.kept && before.retries == retries
	t.byID[id] = &twin{retries: retries, begun: begun, kept: kept, at: time.Now()}
	for len(t.order) > twinsMost {
		delete(t.byID, t.order[0])
		t.order = t.order[1:]
	}
}

// keep says that both messages may be at the broker.
func (t *twins) keep(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.byID[id]; w != nil {
		w.kept = true
	}
}

// lost notes that a connection was lost: acks of a moment ago may not have arrived, older ones have.
func (t *twins) lost() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, w := range t.byID {
		switch {
		case w.kept:
		case time.Since(w.at) < twinAge:
			w.kept = true
		default:
			delete(t.byID, id)
		}
	}
}

// second reports whether this attempt has begun here under its other message; if not, it begins now.
func (t *twins) second(id string, retries int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.byID[id]
	if w == nil {
		return false
	}
	if !w.kept || w.retries != retries || time.Since(w.at) > finishedAge {
		delete(t.byID, id)
		return false
	}
	if !w.begun {
		w.begun = true
		return false
	}
	return true
}

// forget lets the task begin again: its message went back to the queue.
func (t *twins) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, id)
}
