package worker

// Execution: a slot runs one task.
//
//	prepare    stale? revoked? expired? poison? sent twice by beat? → decode body → a seat → ack, if early → STARTED
//	perform    middleware and handler, under its time limits (timelimit.go)
//	returned   finish
//
// Owner: the pool's goroutine.

import (
	"context"
	"errors"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// execute is the whole of a run in its slot. It lies under its handler, as perform and the seat do, with ten thousand handlers
// that may wait: what makes the task ready and what follows from it are called before and after, and gone meanwhile.
func (w *Worker) execute(r *run) {
	defer w.lease.freed()
	body := w.prepare(r)
	if body == nil {
		return
	}
	defer w.vacate(r, body)
	w.perform(r, body)
	w.returned(r, body)
}

// prepare takes all steps before the handler and returns the decoded body; nil when there is nothing to run.
func (w *Worker) prepare(r *run) *protocol.Body {
	w.waiting.remove(r)
	if !r.claim() {
		return nil // handed back meanwhile
	}
	if r.stale() {
		r.over()
		return nil
	}
	if w.discard(r) || w.expired(r) {
		return nil
	}
	if r.again && (w.succeededBefore(r) || !w.counted(r)) {
		return nil
	}
	if w.tickedBefore(r) {
		w.claimEnds(r)
		return nil
	}
	body, err := r.task.DecodeBody(w.decode)
	if err != nil {
		w.claimEnds(r)
		r.over()
		w.refuse(r.consumer.queue, r.delivery, err)
		return nil
	}
	if r.seat, err = w.seats.take(w.taking); err != nil {
		w.letGo(r, false)
		r.over()
		w.giveBack(r.delivery)
		return nil
	}
	if r.known.policy.AcksLate && !w.enter(r) {
		r.seat.leave()
		return nil
	}
	if !r.known.policy.AcksLate && !w.ackEarly(r) {
		r.seat.leave()
		return nil
	}
	r.request.Prepare(w.app, body)
	if w.wantsValue(r) {
		r.request.EncodeReturn(w.encode)
	}
	if r.known.policy.TrackStarted && w.results != nil && !r.ignored() {
		w.storeStarted(r)
	}
	w.stats.started.Add(1)
	r.meterStarted()
	w.tellStarted(r)
	w.stats.active.Add(1)
	return body
}

// enter takes a late-acked run among those in flight, and reports whether it may begin. If not, it has been taken care of.
func (w *Worker) enter(r *run) bool {
	for !w.inflight.begin(r, &w.twins) {
		if r.stale() {
			w.leaveToCopy(r)
			return false
		}
		if !w.claims(r) { // its claim was taken meanwhile
			return false
		}
	}
	return true
}

// ackEarly acks a run that begins, and reports whether it may.
func (w *Worker) ackEarly(r *run) bool {
	w.remember(r, r)
	if err := r.delivery.Ack(); err != nil {
		if !errors.Is(err, broker.ErrStale) {
			w.log.Error("cannot ack delivery", "id", r.task.ID, "error", err)
		} else if w.forget(r) {
			r.over()
			return false // handed out again already: that copy will run
		}
	}
	r.acked = true
	r.over()
	if r.consumer.queue.DeadLetter == "" && !w.seats.keepsMessages() { // else the message is kept for its dead letter
		r.view.Lock()
		r.release()
		r.view.Unlock()
	}
	return true
}

// perform runs the handler under its time limits. What it returned is r.got, or r.death; neither when the hard limit came
// first and has ended the task in the handler's stead: nothing else sets ended while a handler runs.
func (w *Worker) perform(r *run, body *protocol.Body) {
	ctx := w.begin(r, body)
	defer w.end(r)
	r.got, r.death = r.seat.run(ctx, r, body)
	r.measure()
	if !r.ended.CompareAndSwap(false, true) {
		r.got, r.death = nil, nil
		<-r.clocks.expelled // the slot must know whether it is wanted still
	}
	r.back = true
}

// returned does what follows from a handler that has returned.
func (w *Worker) returned(r *run, body *protocol.Body) {
	w.stats.active.Add(-1)
	got, death := r.got, r.death
	r.got = nil // it may be large, and the ledger holds the run for a while
	if got != nil && got.State != umbel.Success && r.terminated() {
		got = &umbel.Outcome{State: umbel.Revoked, Err: umbel.ErrRevoked, Runtime: got.Runtime}
	}
	switch {
	case death != nil:
		r.endReports()
		w.lost(r, death)
	case got != nil:
		r.consumer.home.tally.add(got.Runtime)
		if r.consumer.home.pacing != nil {
			w.paced(r, got.Runtime)
		}
		r.endReports()
		w.finish(r, body, got)
	}
}

// vacate gives the seat up at the end. A handler that called runtime.Goexit, as testing's FailNow does, has ended its
// goroutine: its task must not be forgotten.
func (w *Worker) vacate(r *run, body *protocol.Body) {
	defer r.seat.leave()
	if r.back {
		return
	}
	w.stats.active.Add(-1)
	if r.ended.CompareAndSwap(false, true) {
		r.endReports()
		w.finish(r, body, &umbel.Outcome{State: umbel.Failure, Err: errGoexit})
	}
}

var errGoexit = errors.New("the handler ended its goroutine (runtime.Goexit)")

// succeededBefore asks the result store whether a task that was handed out before has succeeded meanwhile, on this worker
// or another; it is then acked without running. Celery: worker_deduplicate_successful_tasks.
func (w *Worker) succeededBefore(r *run) bool {
	if !w.settings.WorkerDeduplicateSuccessfulTasks || !r.known.policy.AcksLate || w.results == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(w.base, storeWait)
	defer cancel()
	doc, err := w.results.Get(ctx, r.task.ID)
	if err != nil {
		if !errors.Is(err, backend.ErrNotFound) && !errors.Is(err, backend.ErrUnsupported) {
			w.log.Warn("cannot ask whether the task has succeeded before; running it", "id", r.task.ID, "error", err)
		}
		return false
	}
	if doc.Status != umbel.Success {
		return false
	}
	w.log.Info("task already completed successfully; acked without running again", "task", r.request.DisplayName(), "id", r.task.ID)
	w.conclude(r, nil, settleAck, conclusion{state: umbel.Success, value: doc.Result}) // its chord may not know of it
	return true
}

func (w *Worker) storeStarted(r *run) {
	meta := []codec.NamedValue{{Name: "pid", Value: codec.Of(r.seat.pid())}, {Name: "hostname", Value: codec.Of(w.node)}}
	doc := r.request.Document(umbel.Started, codec.Of(meta), w.settings.ResultExtended)
	if errs := w.results.Store(w.base, []*protocol.Result{doc}); errs != nil {
		w.log.Warn("cannot store state STARTED", "id", r.task.ID, "error", errs[0])
	}
}
