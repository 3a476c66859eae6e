package worker

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// A stand is where a run stands, as far as panel is concerned.
type stand int

const (
	standApart   stand = iota // on its way in, or held by delay
	standWaiting              // for a slot
	standTaken                // by a slot, which has not begun it
	standRunning
	standEnded
)

// waiting are the runs that wait for a slot, for panel to look at; the pool has them in a channel, where nobody can. It
// takes no lock that tasks share: each run has a seat in a ring, taken and left by atomic stores. Should the ring ever be
// too small, the run that loses its seat is merely not shown.
type waiting struct {
	next  atomic.Uint64
	seats [2 * readyRoom]atomic.Pointer[run]
}

func (l *waiting) add(r *run) {
	r.chair = l.next.Add(1) % uint64(len(l.seats))
	r.view.Lock()
	r.stands = standWaiting
	r.view.Unlock()
	l.seats[r.chair].Store(r)
}

// remove is called by the slot that takes the run.
func (l *waiting) remove(r *run) {
	r.view.Lock()
	r.stands = standTaken
	r.view.Unlock()
	l.seats[r.chair].CompareAndSwap(r, nil)
}

func (l *waiting) list() []*run {
	var out []*run
	for i := range l.seats {
		if r := l.seats[i].Load(); r != nil {
			out = append(out, r)
		}
	}
	return out
}

// begin notes that the run's handler is being called.
func (r *run) begin(body *protocol.Body, stop context.CancelCauseFunc) {
	r.known.starts.Add(1)
	r.view.Lock()
	defer r.view.Unlock()
	r.stands, r.body, r.started, r.early, r.stop = standRunning, body, time.Now(), r.acked, stop
}

// end notes that the handler has returned, and ends its context.
func (r *run) end() {
	r.view.Lock()
	stop := r.stop
	r.stands, r.stop = standEnded, nil
	r.view.Unlock()
	stop(nil)
}
