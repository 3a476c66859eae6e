package worker

// Poison: a task that kills its worker must not do so for ever. Its starts are counted in the message itself.
//
// A message that comes for the first time is run as it is, uncounted. One that was handed out before is parked before it
// runs, with the number of its starts in a header: should this worker die the copy returns and tells. The broker's own count
// (x-delivery-count) counts what waited in a worker's prefetch while that was stopped as well, so that it is believed only
// where a message cannot be parked.
//
//	first delivery            run
//	redelivered, no header    it may have been started: 1    < limit ? park as 2, run : poison
//	header n                  it was started n times         < limit ? park as n+1, run : poison
//
// Tasks acked early are gone from the broker when they start. Celery has no such limit: its task loops.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// startsOf is how often the message says that its task was started.
func startsOf(d *broker.Delivery) int {
	switch n := d.Headers[headerStarts].(type) {
	case nil:
		return 0
	case int64:
		return int(n)
	case int32:
		return int(n)
	}
	return 0
}

// handedOut reports whether the message was in a worker's hands before.
func handedOut(d *broker.Delivery) bool { return d.Redelivered || startsOf(d) > 0 }

// counted sees to it that this start of a message that was handed out before is counted, and reports whether the run may
// start now. If not, it has been taken care of.
func (w *Worker) counted(r *run) bool {
	if !r.known.policy.AcksLate {
		return true
	}
	if !w.claims(r) {
		return false
	}
	limit := w.settings.TaskDeliveryLimit
	if limit <= 0 {
		return true
	}
	starts := max(startsOf(r.delivery), 1)
	if starts >= limit {
		w.claimEnds(r)
		w.poison(r, starts)
		return false
	}
	ctx, cancel := context.WithTimeout(w.base, parkWait)
	defer cancel()
	lot, err := r.consumer.lot(ctx)
	var c parked
	if err == nil {
		c, err = lot.take(ctx, r.delivery, protocol.Table{headerStarts: int64(starts + 1)})
	}
	maybe := err != nil && lot != nil && !errors.Is(err, broker.ErrNotSent) // the copy may come
	var refused *broker.RefusedError
	switch {
	case err == nil:
		mine := w.twins.hold(r, lot.consumer, c.epoch)
		left := w.settle(r.delivery, settleAck)
		if err := r.consumer.sub.Flush(ctx); err != nil { // a task that kills us now must not find two messages
			w.log.Warn("cannot say whether a message that was parked has left its queue", "id", r.task.ID, "error", err)
			left = false
		}
		w.twins.parked(r, left)
		r.delivery, r.consumer, r.epoch, r.parkedAt = c.delivery, lot.consumer, c.epoch, time.Now()
		if !mine {
			return w.claims(r)
		}
		if r.stale() {
			w.leaveToCopy(r)
			return false
		}
		return true
	case r.stale():
		w.letGo(r, maybe)
		r.over()
		return false
	case lot != nil && !errors.As(err, &refused):
		w.log.Error("cannot count the start of a task that was handed out before; it goes back to its queue", "task", r.request.DisplayName(),
			"id", r.task.ID, "queue", r.delivery.Queue, "error", err)
		w.letGo(r, maybe)
		r.over()
		w.giveBack(r.delivery)
		return false
	case r.delivery.Deliveries >= limit:
		w.claimEnds(r)
		w.poison(r, r.delivery.Deliveries)
		return false
	}
	w.log.Error("cannot count the start of a task that was handed out before; it is started uncounted", "task", r.request.DisplayName(),
		"id", r.task.ID, "queue", r.delivery.Queue, "error", err)
	return true
}

// leaveToCopy ends a run that has lost its connection before it began: the broker hands its message out again. Of a parked
// one both messages may come, and the first of them is to begin.
func (w *Worker) leaveToCopy(r *run) {
	w.letGo(r, r.isParked())
	r.over()
}

// poison ends a task that took too many workers with it.
func (w *Worker) poison(r *run, starts int) {
	text := fmt.Sprintf("Worker exited prematurely: the task was started %d times and each time its worker was lost before it ended "+
		"(task_delivery_limit is %d)", starts, w.settings.TaskDeliveryLimit)
	exc := namedException("billiard.exceptions", "WorkerLostError", text)
	w.stats.failed.Add(1)
	w.log.Error("task is poison: it is not started again", "task", r.request.DisplayName(), "id", r.task.ID, "queue", r.delivery.Queue,
		"starts", starts, "limit", w.settings.TaskDeliveryLimit)
	w.conclude(r, w.failureDocument(r, &exc, ""), settleReject, failureOf(&exc, ""))
}
