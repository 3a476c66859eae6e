package worker

// The finish of a run: what its outcome means for the result store, other messages, and the delivery.
//
//	SUCCESS   store, ack                       FAILURE   store, ack or reject (acks_on_failure)
//	RETRY     store, publish next attempt, ack IGNORED   ack
//	REJECTED  reject, or back to the queue     REVOKED   store, ack
//
// Early-acked deliveries are settled already; everything else is the same. Whatever follows from a task is durable before
// its delivery is acked. Celery: celery/app/trace.py, celery/worker/request.py; the table is in the manual.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

var pid = os.Getpid()

// publishWait bounds the publishing of what follows from a task.
const publishWait = 60 * time.Second

func (w *Worker) finish(r *run, body *protocol.Body, o *umbel.Outcome) {
	if o.State != umbel.Success && !r.acked && errors.Is(context.Cause(w.base), umbel.ErrShutdown) {
		// Cut short by a cold shutdown and acked late: the message goes back, and another worker runs it.
		w.log.Warn("task was cut short by shutdown; its message goes back to the queue", "task", r.request.DisplayName(), "id", r.task.ID)
		w.settleRun(r, settleRequeue)
		return
	}
	r.awaitRecord()
	switch o.State {
	case umbel.Success:
		w.succeed(r, o)
	case umbel.Retrying:
		w.retry(r, body, o)
	case umbel.Ignored:
		r.judge(verdictIgnored, nil)
		w.log.Info("task ignored", "task", r.request.DisplayName(), "id", r.task.ID)
		w.finisher.end(r, nil, settleAck)
	case umbel.Rejected:
		w.reject(r, o)
	case umbel.Revoked:
		w.stats.revoked.Add(1)
		w.app.NotifyRevoked(r.request, false)
		w.conclude(r, w.revokedDocument(r, "terminated"), settleAck, revokedFor("terminated"))
	default:
		w.failed(r, o)
	}
}

func (w *Worker) succeed(r *run, o *umbel.Outcome) {
	value := o.Encoded
	if ok, err := w.proceed(r, value); !ok {
		return
	} else if err != nil {
		err = fmt.Errorf("the task succeeded, but what follows it cannot be sent: %w", err)
		w.failed(r, &umbel.Outcome{State: umbel.Failure, Err: err, Runtime: o.Runtime})
		return
	}
	w.stats.succeeded.Add(1)
	if w.log.Enabled(w.base, slog.LevelInfo) {
		w.log.Info("task succeeded", "task", r.request.DisplayName(), "id", r.task.ID,
			"runtime", o.Runtime, "result", reprValue(value))
	}
	var doc *protocol.Result
	if w.results != nil && !r.ignored() {
		doc = r.request.Document(umbel.Success, value, w.settings.ResultExtended)
	}
	w.conclude(r, doc, settleAck, conclusion{state: umbel.Success, value: value, runtime: o.Runtime})
}

// wantsValue reports whether anybody wants to know what a run returns.
func (w *Worker) wantsValue(r *run) bool {
	return (w.results != nil && !r.ignored()) || w.leads(r) || w.telling(r) || w.log.Enabled(w.base, slog.LevelInfo)
}

// encode turns a return value into what the result store will hold.
func (w *Worker) encode(v any) (codec.Value, error) {
	if s := w.settings.ResultSerializer; s != "json" {
		if _, err := codec.Marshal(s, v); err != nil {
			return codec.Value{}, err
		}
		return codec.Of(v), nil
	}
	raw, err := codec.Of(v).AppendJSON(nil)
	return codec.JSON(raw), err
}

func reprValue(v codec.Value) string {
	x, err := v.Any()
	if err != nil {
		return fmt.Sprintf("(unreadable: %v)", err)
	}
	return codec.Repr(x)
}

func (w *Worker) failed(r *run, o *umbel.Outcome) {
	w.stats.failed.Add(1)
	log := w.log.With("task", r.request.DisplayName(), "id", r.task.ID, "runtime", o.Runtime, "error", o.Err)
	if o.Expected {
		log.Info("task failed as expected")
	} else {
		log.Error("task failed", "traceback", o.Traceback)
	}
	exc := umbel.NewException(o.Err)
	w.conclude(r, w.failureDocument(r, exc, o.Traceback), w.failureSettlement(r), failureOf(exc, o.Traceback))
}

func (w *Worker) failureSettlement(r *run) settlement {
	if r.known.policy.AcksOnFailure {
		return settleAck
	}
	return settleReject
}

// failureDocument is nil when nobody wants it.
func (w *Worker) failureDocument(r *run, exc *protocol.Exception, traceback string) *protocol.Result {
	if w.results == nil || (r.ignored() && !r.known.policy.StoreErrors) {
		return nil
	}
	doc := r.request.Document(umbel.Failure, exc.Value(), w.settings.ResultExtended)
	doc.Traceback, doc.HasTraceback = traceback, traceback != ""
	return doc
}

func (w *Worker) revokedDocument(r *run, reason string) *protocol.Result {
	if w.results == nil || (r.ignored() && !r.known.policy.StoreErrors) {
		return nil
	}
	if w.settings.ResultExtended && reason != "terminated" { // it never ran, and its document shows its arguments
		if body, err := r.task.DecodeBody(w.decode); err == nil {
			r.request.Prepare(w.app, body)
		}
	}
	exc := namedException("celery.exceptions", "TaskRevokedError", reason)
	return r.request.Document(umbel.Revoked, exc.Value(), w.settings.ResultExtended)
}

// retry publishes the next attempt: the same message, one more retry, due after the delay, to the queue it came from.
//
// State RETRY is stored before: the next attempt may end on another worker while this one still waits for the store, and its
// end must be what remains.
func (w *Worker) retry(r *run, body *protocol.Body, o *umbel.Outcome) {
	if !w.storeRetry(r, o) {
		w.settleRun(r, settleRequeue) // the worker has to leave: this attempt counts for nothing
		return
	}
	w.tellRetried(r, o) // before another worker can tell of the next attempt
	err := w.publishAttempt(r, body, o)
	if err != nil {
		w.cannotRetry(r, o, fmt.Errorf("publish the next attempt: %w", err))
		return
	}
	w.stats.retried.Add(1)
	r.judge(verdictRetry, nil)
	w.log.Info("task will be retried", "task", r.request.DisplayName(), "id", r.task.ID, "in", o.Delay, "retries", r.task.Retries, "error", o.Err)
	w.settleRun(r, settleAck)
}

// cannotRetry ends an attempt whose successor was not sent. What may be sent later goes back to its queue, if it is there still:
// this attempt counts for nothing then. What never can be is the task's failure, with all that follows from one, and its
// message is rejected, whatever is set for failures.
func (w *Worker) cannotRetry(r *run, o *umbel.Outcome, err error) {
	w.log.Error("cannot retry task", "task", r.request.DisplayName(), "id", r.task.ID, "error", err)
	how := settleNothing
	if !r.acked {
		if errors.Is(err, broker.ErrNotSent) || errors.Is(err, broker.ErrUnconfirmed) {
			w.settleRun(r, settleRequeue)
			return
		}
		how = settleReject
	}
	if o.Cause != nil {
		err = fmt.Errorf("%w; this attempt failed with: %v", err, o.Cause)
	}
	w.stats.failed.Add(1)
	exc := umbel.NewException(err)
	w.conclude(r, w.failureDocument(r, exc, o.Traceback), how, failureOf(exc, o.Traceback))
}

// leastDelay is the shortest delay that is one: an ETA so near has come when it is read. Celery sends none for a countdown of 0.
const leastDelay = time.Millisecond

// publishAttempt publishes the next attempt. What may have arrived is not sent again: the attempt runs again instead, which
// leaves one chain of attempts in place of two.
func (w *Worker) publishAttempt(r *run, body *protocol.Body, o *umbel.Outcome) error {
	var err error
	kept := w.publishPatiently(r, "the next attempt", func(context.Context) error {
		err = w.republish(r, body, func(t *protocol.Task) {
			t.Retries++
			t.ETA = time.Time{}
			if o.Delay >= leastDelay {
				t.ETA = time.Now().Add(o.Delay)
			}
			t.ParentID = t.ID
			r.request.AddAttempt(t, o.Cause)
		})
		var refused *broker.RefusedError
		if errors.As(err, &refused) {
			return err
		}
		return nil // done, or for the broker to hand out again
	})
	if kept != nil && passing(kept) {
		return fmt.Errorf("%w, and the worker has to leave: %w", broker.ErrNotSent, kept)
	}
	return err
}

// storeRetry stores state RETRY and reports whether the next attempt may be published: a late-acked one waits until it is
// stored. What was acked early is nowhere but here, and waits for a moment only; its RETRY may then come late.
func (w *Worker) storeRetry(r *run, o *umbel.Outcome) bool {
	if w.results == nil || (r.ignored() && !r.known.policy.StoreErrors) {
		return true
	}
	value := codec.JSON([]byte("null"))
	if o.Cause != nil {
		value = umbel.NewException(o.Cause).Value()
	}
	doc := r.request.Document(umbel.Retrying, value, w.settings.ResultExtended)
	doc.Traceback, doc.HasTraceback = o.Traceback, o.Traceback != ""
	if !r.acked {
		_, ok := w.finisher.store(doc)
		return ok
	}
	select {
	case <-w.finisher.storing(doc):
	case <-w.finisher.stopped:
	case <-time.After(earlyRetryWait):
		w.log.Warn("state RETRY is not stored yet; the next attempt goes out all the same", "id", r.task.ID)
	}
	return true
}

// earlyRetryWait is how long the next attempt of a task that was acked early waits for the result store.
const earlyRetryWait = 5 * time.Second

func (w *Worker) reject(r *run, o *umbel.Outcome) {
	w.log.Warn("task rejected", "task", r.request.DisplayName(), "id", r.task.ID, "requeue", o.Requeue, "error", o.Err)
	switch {
	case !o.Requeue:
		w.stats.failed.Add(1)
		exc := umbel.NewException(o.Err)
		w.conclude(r, w.failureDocument(r, exc, ""), settleReject, failureOf(exc, ""))
	case !r.acked:
		w.finisher.end(r, nil, settleRequeue)
	default:
		// Acked when it started, so that there is nothing left to give back: Celery loses it here. A copy goes back instead.
		w.forget(r)
		if err := w.republish(r, nil, func(*protocol.Task) {}); err != nil {
			w.log.Error("cannot requeue task that was acked early", "id", r.task.ID, "error", err)
			w.stats.failed.Add(1)
			exc := umbel.NewException(err)
			w.conclude(r, w.failureDocument(r, exc, ""), settleNothing, failureOf(exc, ""))
			return
		}
		if w.telling(r) {
			r.outcome = &protocol.TaskRejected{UUID: r.task.ID, Requeue: true}
		}
		r.judge(verdictReturned, nil)
		w.finisher.end(r, nil, settleNothing)
	}
}

// republish sends the task again to the queue it came from, confirmed when it returns nil. Without a body it goes as it
// came, byte for byte.
func (w *Worker) republish(r *run, body *protocol.Body, change func(*protocol.Task)) error {
	t := *r.task
	t.Headers = umbel.BareHeaders(t.Headers)
	change(&t)
	t.Properties.Timestamp = time.Time{} // it says how long a message has waited, and this one begins anew
	env, err := protocol.EncodeTask(&t, body, protocol.EncodeOptions{Serializer: w.settings.TaskSerializer, Now: time.Now()})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.base), publishWait)
	defer cancel()
	m := &broker.Message{Envelope: *env, RoutingKey: r.delivery.Queue, NotBefore: t.ETA}
	if err := w.app.Publish(ctx, m); err != nil {
		return err
	}
	w.app.NotifySent(&t, r.delivery.Queue, m)
	return nil
}
