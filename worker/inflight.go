package worker

import "sync"

// inflight are the late-acked runs between their start and their settlement, by task id: so that a copy that comes because
// the connection was lost in mid-task joins the run that is still going on, in place of running beside it.
type inflight struct {
	mu   sync.Mutex // guards byID, and successor of every run in it
	byID map[string]*run
}

func (f *inflight) add(r *run) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID == nil {
		f.byID = make(map[string]*run)
	}
	f.byID[r.task.ID] = r
}

// join gives the delivery of a copy to the run of the same attempt, if that is still going on under a connection that is
// gone. The run's settlement is then this delivery's.
func (f *inflight) join(copied *run) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.byID[copied.task.ID]
	if r == nil || r.task.Retries != copied.task.Retries || r.acked {
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
	if r == nil || r.task.Retries != second.task.Retries || r.acked || len(r.attached) >= attachedMost {
		return false
	}
	r.attached = append(r.attached, second)
	return true
}

// attachedMost bounds the messages of one run; each further one costs a lost connection.
const attachedMost = 64

// end takes the run out and returns whose delivery is to be settled for it.
func (f *inflight) end(r *run) *run {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID[r.task.ID] == r {
		delete(f.byID, r.task.ID)
	}
	if r.successor != nil {
		return r.successor
	}
	return r
}

// settleRun settles a run's delivery, or that of the copy that joined it. What cannot be acked, or may not have been, is
// remembered: the broker hands it out again.
func (w *Worker) settleRun(r *run, how settlement) {
	if r.acked {
		return
	}
	last := w.inflight.end(r)
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
	if how == settleRequeue || how == settleReturn {
		w.twins.forget(r.task.ID)
	}
	if how != settleAck {
		return
	}
	t := finishedTask{id: r.task.ID, retries: r.task.Retries}
	if ok {
		last.consumer.acked.add(t)
	} else {
		w.finished.add(t)
	}
}

// ackAgain acks a further message of a task that has ended here; should the ack not arrive, the next copy is known as well.
func (w *Worker) ackAgain(r *run) {
	t := finishedTask{id: r.task.ID, retries: r.task.Retries}
	if w.settle(r.delivery, settleAck) {
		r.consumer.acked.add(t)
	} else {
		w.finished.add(t)
	}
}
