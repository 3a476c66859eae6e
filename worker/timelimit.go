package worker

// Time limits: the soft one cancels the handler's context, the hard one ends the task in its handler's stead.
//
// Owner: the pool's goroutine; what a timer calls runs on a goroutine of its own.

import (
	"context"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/protocol"
)

// clocks are the time limits of one run. Most tasks have none.
type clocks struct {
	soft, hard *time.Timer // nil: no such limit
	expel      context.CancelCauseFunc
	expelled   chan struct{} // closed when the hard limit has ended the task
}

// begin starts a run's time and returns the context of its handler.
func (w *Worker) begin(r *run, body *protocol.Body) context.Context {
	soft, hard := w.limits(r)
	r.request.SoftTimeLimit, r.request.TimeLimit = soft, hard
	ctx := w.base
	if soft > 0 || hard > 0 {
		r.clocks = &clocks{}
	}
	if hard > 0 {
		ctx, r.clocks.expel = context.WithCancelCause(ctx)
		r.clocks.expelled = make(chan struct{})
		r.life = ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	r.begin(body, cancel)
	if soft > 0 {
		r.clocks.soft = time.AfterFunc(soft, func() {
			w.log.Warn("soft time limit exceeded", "task", r.request.DisplayName(), "id", r.task.ID, "limit", soft)
			cancel(umbel.ErrSoftTimeLimit)
		})
	}
	if hard > 0 {
		w.timeouts.Add(1)
		r.clocks.hard = time.AfterFunc(hard, func() {
			defer w.timeouts.Done()
			if r.ended.CompareAndSwap(false, true) {
				r.clocks.expel(umbel.ErrTimeLimit)
				w.timeout(r, body, hard)
			}
		})
	}
	return ctx
}

// end stops what begin started.
func (w *Worker) end(r *run) {
	c := r.clocks
	if c != nil && c.hard != nil && c.hard.Stop() {
		w.timeouts.Done()
	}
	if c != nil && c.soft != nil {
		c.soft.Stop()
	}
	r.end()
	if c != nil && c.expel != nil {
		c.expel(nil)
	}
}

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
	close(r.clocks.expelled)
	r.endReports()
	w.lease.freed()
	w.log.Error("hard time limit exceeded; "+what, append(details, "task", r.request.DisplayName(), "id", r.task.ID, "limit", limit)...)
	exc := namedException("billiard.exceptions", "TimeLimitExceeded", seconds(limit))
	w.stats.failed.Add(1)
	how := settleAck
	if !r.known.policy.AcksOnTimeout {
		how = settleReturn // counted: it may take as long each time
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
