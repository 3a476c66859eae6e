package worker

// Execution: a slot runs one task.
//
//	stale? revoked? expired? poison? sent twice by beat? → decode body → a seat → ack, if early → STARTED → middleware and handler, under its limits → finish
//
// Owner: the pool's goroutine.

import (
	"context"
	"errors"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

func (w *Worker) execute(r *run) {
	w.waiting.remove(r)
	if !r.claim() {
		return // handed back meanwhile
	}
	defer w.lease.freed()
	if r.stale() {
		r.over()
		return
	}
	if w.discard(r) || w.expired(r) {
		return
	}
	if r.again && (w.succeededBefore(r) || !w.counted(r)) || w.tickedBefore(r) {
		return
	}
	body, err := r.task.DecodeBody(w.decode)
	if err != nil {
		r.over()
		w.refuse(r.consumer.queue, r.delivery, err)
		return
	}
	if r.seat, err = w.seats.take(w.taking); err != nil {
		r.over()
		w.giveBack(r.delivery)
		return
	}
	defer r.seat.leave()
	if !r.known.policy.AcksLate {
		w.remember(r, r)
		if err := r.delivery.Ack(); err != nil {
			if errors.Is(err, broker.ErrStale) {
				if w.forget(r) {
					r.over()
					return // handed out again already: that copy will run
				}
			} else {
				w.log.Error("cannot ack delivery", "id", r.task.ID, "error", err)
			}
		}
		r.acked = true
		r.over()
		if r.consumer.queue.DeadLetter == "" && !w.seats.keepsMessages() { // else the message is kept for its dead letter
			r.view.Lock()
			r.release()
			r.view.Unlock()
		}
	} else {
		w.inflight.add(r)
	}
	r.request.Prepare(w.app, body)
	if w.wantsValue(r) {
		r.request.EncodeReturn(w.encode)
	}
	if r.known.policy.TrackStarted && w.results != nil && !r.ignored() {
		w.storeStarted(r)
	}
	w.stats.started.Add(1)
	w.tellStarted(r)
	w.stats.active.Add(1)
	ended := false
	defer func() {
		if ended {
			return
		}
		// The handler called runtime.Goexit, as testing's FailNow does: this goroutine ends, the task must not be forgotten.
		w.stats.active.Add(-1)
		if r.ended.CompareAndSwap(false, true) {
			r.endReports()
			w.finish(r, body, &umbel.Outcome{State: umbel.Failure, Err: errGoexit})
		}
	}()
	o, lost, taken := w.runLimited(r, body)
	ended = true
	w.stats.active.Add(-1)
	switch {
	case !taken:
	case lost != nil:
		r.endReports()
		w.lost(r, lost)
	default:
		r.endReports()
		w.finish(r, body, &o)
	}
}

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

// runLimited runs the handler under its time limits. taken is false when the hard limit came first and has ended the task
// in the handler's stead.
func (w *Worker) runLimited(r *run, body *protocol.Body) (o umbel.Outcome, lost *death, taken bool) {
	soft, hard := w.limits(r)
	r.request.SoftTimeLimit, r.request.TimeLimit = soft, hard
	ctx, expel := w.base, context.CancelCauseFunc(nil)
	if hard > 0 {
		ctx, expel = context.WithCancelCause(ctx)
		defer expel(nil)
		r.life = ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.begin(body, cancel)
	defer r.end()
	if soft > 0 {
		t := time.AfterFunc(soft, func() {
			w.log.Warn("soft time limit exceeded", "task", r.request.DisplayName(), "id", r.task.ID, "limit", soft)
			cancel(umbel.ErrSoftTimeLimit)
		})
		defer t.Stop()
	}
	if hard <= 0 {
		o, lost = r.seat.run(ctx, r, body)
		r.ended.Store(true)
		return o, lost, true
	}
	r.expelled = make(chan struct{})
	w.timeouts.Add(1)
	t := time.AfterFunc(hard, func() {
		defer w.timeouts.Done()
		if r.ended.CompareAndSwap(false, true) {
			expel(umbel.ErrTimeLimit)
			w.timeout(r, body, hard)
		}
	})
	defer func() {
		if t.Stop() {
			w.timeouts.Done()
		}
	}()
	o, lost = r.seat.run(ctx, r, body)
	if r.ended.CompareAndSwap(false, true) {
		return o, lost, true
	}
	<-r.expelled // the slot must know whether it is wanted still
	return o, lost, false
}

var errGoexit = errors.New("the handler ended its goroutine (runtime.Goexit)")

// limits are the message's, else the task's. Celery: 0 and null in a message fall through.
func (w *Worker) limits(r *run) (soft, hard time.Duration) {
	soft, hard = r.task.SoftTimeLimit, r.task.TimeLimit
	own := r.known.policyNow()
	if soft <= 0 {
		soft = own.SoftTimeLimit
	}
	if hard <= 0 {
		hard = own.TimeLimit
	}
	return soft, hard
}

// timeout ends a task past its hard limit.
func (w *Worker) timeout(r *run, body *protocol.Body, limit time.Duration) {
	what, details := r.seat.expel(r)
	close(r.expelled)
	r.endReports()
	w.lease.freed()
	w.log.Error("hard time limit exceeded; "+what, append(details, "task", r.request.DisplayName(), "id", r.task.ID, "limit", limit)...)
	exc := namedException("billiard.exceptions", "TimeLimitExceeded", seconds(limit))
	w.stats.failed.Add(1)
	how := settleAck
	if !r.known.policy.AcksOnTimeout {
		how = settleRequeue
	}
	w.conclude(r, w.failureDocument(r, &exc, ""), how, failureOf(&exc, ""))
}

// seconds is a time as Python callers write it: whole seconds are a whole number.
func seconds(d time.Duration) any {
	if d%time.Second == 0 {
		return int64(d / time.Second)
	}
	return d.Seconds()
}

func (w *Worker) storeStarted(r *run) {
	meta := map[string]any{"pid": r.seat.pid(), "hostname": w.node}
	doc := r.request.Document(umbel.Started, codec.Of(meta), w.settings.ResultExtended)
	if errs := w.results.Store(w.base, []*protocol.Result{doc}); errs != nil {
		w.log.Warn("cannot store state STARTED", "id", r.task.ID, "error", errs[0])
	}
}
