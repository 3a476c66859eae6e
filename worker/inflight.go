package worker

import "sync"

// inflight are the late-acked runs between their start and their settlement, by task id: so that a copy that comes because
// the connection was lost in mid-task joins the run that is still going on, in place of running beside it.
type inflight struct {
	mu   sync.Mutex // guards byID, and successor of every run in it
	byID map[string]*run
}

// begin takes r in and reports whether it may run. It may not when its connection is gone: a copy may have been admitted
// already, found nobody to join, and will run; nor when another message of its attempt has taken its claim. Who waited for it
// is settled with it.
func (f *inflight) begin(r *run, t *twins) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.stale() {
		return false
	}
	waiting, ok := t.begin(r)
	if !ok {
		return false
	}
	r.attached = append(r.attached, waiting...)
	if f.byID == nil {
		f.byID = make(map[string]*run)
	}
	f.byID[r.task.ID] = r
	return true
}

// join gives the delivery of a copy to the run of the same attempt, if that is still going on under a connection that is
// gone. The run's settlement is then this delivery's.
func (f *inflight) join(copied *run) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.byID[copied.task.ID]
	if r == nil || !r.mark().same(copied.mark()) || r.acked {
		return false
	}
	if at := r.successor; at != nil && !at.stale() || at == nil && !r.stale() {
		return false // its own delivery is alive: this is another message with the same id
	}
	r.successor = copied
	return true
}

// attach gives the delivery of a second message of the same attempt to the run that is going on, to be settled with it: until
// then one of the two is at the broker, whichever connection turns out to be gone.
func (f *inflight) attach(second *run) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.byID[second.task.ID]
	if r == nil || !r.mark().same(second.mark()) || r.acked || len(r.attached) >= attachedMost {
		return false
	}
	r.attached = append(r.attached, second)
	return true
}

// attachedMost bounds the messages of one run; each further one costs a lost connection.
const attachedMost = 64

// bearer returns the run whose delivery is r's now: its own, or that of a copy. ok is false when r is not in flight.
func (f *inflight) bearer(r *run) (bearer *run, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID[r.task.ID] != r {
		return nil, false
	}
	if r.successor != nil {
		return r.successor, true
	}
	return r, true
}

// replace makes r's delivery that of by, in place of old's; false when r has ended or its delivery is another meanwhile.
func (f *inflight) replace(r, old, by *run) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID[r.task.ID] != r || r.successor != nil && r.successor != old || r.successor == nil && r != old {
		return false
	}
	r.successor = by
	return true
}

// end takes the run out and returns whose delivery is to be settled for it. remember, if not nil, is called before a copy
// could find the run gone.
func (f *inflight) end(r *run, remember func(bearer *run)) (bearer *run) {
	f.mu.Lock()
	defer f.mu.Unlock()
	bearer = r
	if r.successor != nil {
		bearer = r.successor
	}
	if remember != nil {
		remember(bearer)
	}
	if f.byID[r.task.ID] == r {
		delete(f.byID, r.task.ID)
	}
	return bearer
}

// settleRun settles a run's delivery, or that of the copy that joined it. What cannot be acked, or may not have been, is
// remembered: the broker hands it out again.
func (w *Worker) settleRun(r *run, how settlement) {
	defer w.tellEnd(r, how)
	if r.acked {
		return
	}
	var remember func(*run)
	if how == settleAck {
		remember = func(bearer *run) { w.remember(r, bearer) }
	}
	last := w.inflight.end(r, remember)
	r.over()
	if how == settleRequeue || how == settleReturn {
		w.twins.reopen(r) // before its message can come again
	}
	if last.narrows && !last.stale() {
		last.consumer.home.unrenewed()
	}
	ok := w.settle(last.delivery, how)
	for _, second := range r.attached { // nobody adds to them any more
		switch {
		case !ok:
			w.settle(second.delivery, how)
		case how == settleRequeue || how == settleReturn: // the task is to come again, once
			w.settle(second.delivery, settleAck)
		default:
			w.ackAgain(second)
		}
	}
	if how == settleAck && !ok {
		w.finished.add(r.mark())
	}
}

// remember notes, before bearer's delivery is acked, that r has ended, or begins if it is acked early: the ack may not
// arrive. A copy can come only after the consumer was told of its loss, which drains acked, so that it finds the note
// wherever the loss falls.
func (w *Worker) remember(r, bearer *run) {
	t := r.mark()
	bearer.consumer.acked.add(t)
	if bearer.stale() {
		t.maybe = true
		w.finished.add(t)
	}
}

// forget takes back what remember noted: the attempt is to run when its message comes again. It returns false when a copy
// has come already and was acked because of the note.
func (w *Worker) forget(r *run) bool {
	t := r.mark()
	noted := r.consumer.acked.forget(t)
	return w.finished.take(t) || noted
}

// ackAgain acks a further message of a task that has ended here; should the ack not arrive, the next copy is known as well.
func (w *Worker) ackAgain(r *run) {
	w.remember(r, r)
	if !w.settle(r.delivery, settleAck) {
		w.finished.add(r.mark())
	}
}
