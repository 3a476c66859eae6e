package worker

// Burial: what has failed for good, or never became a task, goes to its queue's dead letters with the reason. It is confirmed
// before anything else is told. When it cannot be sent, a message that is not acked yet is rejected, so that the broker
// dead-letters it itself where the queue says so, without the reason.

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// buriesAtOnce is how many refused messages may be on their way to the dead letters before their queues wait.
const buriesAtOnce = 64

// bury sends a run that failed for good to its queue's dead letters, and returns what is left to be done with the delivery.
func (w *Worker) bury(r *run, how settlement, c conclusion) settlement {
	if r.consumer.queue.DeadLetter == "" || how == settleRequeue || how == settleReturn {
		return how
	}
	reason, attempts := deadReason(c.exception), r.task.Retries+1
	switch {
	case c.state == umbel.Failure:
	case c.state == umbel.Revoked && c.reason == "expired":
		reason, attempts = umbel.DeadExpired, r.task.Retries
	default:
		return how
	}
	err := w.sendDead(r.consumer.queue, r.delivery, reason, c.exception.Error(), c.traceback, attempts)
	if err == nil {
		return settleAck
	}
	log := w.log.With("task", r.request.DisplayName(), "id", r.task.ID, "queue", r.consumer.queue.DeadLetter, "error", err,
		"reason", c.exception.Error())
	switch {
	case r.acked:
		log.Error("dead letter cannot be sent; the message was acked early and is not kept")
		return how
	case passing(err):
		log.Error("dead letter cannot be sent until the worker has to leave; its message goes back to its queue")
		return settleRequeue
	}
	log.Error("dead letter cannot be sent; its message is rejected, for the broker to do it")
	return settleReject
}

// buryRefused sends a message that never became a task to its queue's dead letters, and then calls end with what is left to
// be done with the delivery. It does not wait, unless many are on their way.
func (w *Worker) buryRefused(q umbel.QueuePlan, d *broker.Delivery, reason, text string, retries int, end func(settlement)) {
	if q.DeadLetter == "" {
		end(settleReject)
		return
	}
	select {
	case w.burials <- struct{}{}:
	case <-w.stage.cold:
		w.settle(d, settleRequeue)
		return
	}
	w.aside.Go(func() {
		defer func() { <-w.burials }()
		switch err := w.sendDead(q, d, reason, text, "", retries); {
		case err == nil:
			end(settleAck)
		case passing(err):
			w.settle(d, settleRequeue) // the worker has to leave
		default:
			w.log.Error("dead letter cannot be sent; its message is rejected, for the broker to do it", "queue", q.DeadLetter,
				"id", messageID(d), "error", err, "reason", text)
			end(settleReject)
		}
	})
}

func (w *Worker) sendDead(q umbel.QueuePlan, d *broker.Delivery, reason, text, stack string, attempts int) error {
	m := copyOf(d)
	m.Exchange, m.RoutingKey = q.DeadLetterExchange, q.DeadLetter
	umbel.Dead(m.Headers, reason, text, stack, d.Queue, w.node, attempts, time.Now())
	w.cross("bury")
	log := w.log.With("queue", q.DeadLetter, "id", messageID(d))
	err := w.publishAgain(log, "dead letter", func(ctx context.Context) error { return w.app.Publish(ctx, m) })
	w.cross("buried")
	if err == nil {
		w.meter.buried(reason)
	}
	return err
}

// publishPatiently is publishAgain for what follows from a run.
func (w *Worker) publishPatiently(r *run, what string, publish func(context.Context) error) error {
	return w.publishAgain(w.log.With("task", r.request.DisplayName(), "id", r.task.ID), what, publish)
}

// publishAgain publishes what must not be lost, again and again while what keeps it passes: a lost connection, an alarm, a
// full queue, a queue whose node is going. It ends with that error only when the worker has to leave.
func (w *Worker) publishAgain(log *slog.Logger, what string, publish func(context.Context) error) error {
	for n := 1; ; n++ {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.base), publishWait)
		err := publish(ctx)
		cancel()
		if err == nil || !passing(err) {
			return err
		}
		wait := backoff(n)
		log.Warn(what+" is not taken for now; trying again", "error", err, "wait", wait.Round(time.Millisecond))
		select {
		case <-time.After(wait):
		case <-w.stage.cold:
			return err
		}
	}
}

// passing reports an error of publishing that a later attempt may not meet.
func passing(err error) bool {
	var refused *broker.RefusedError
	if errors.As(err, &refused) {
		return refused.Passing()
	}
	return umbel.Resendable(err)
}

// deadReason is the word for how a task failed.
func deadReason(exc *protocol.Exception) string {
	if exc == nil {
		return umbel.DeadFailed
	}
	switch exc.Type {
	case "WorkerLostError":
		return umbel.DeadWorkerLost
	case "TimeLimitExceeded":
		return umbel.DeadTimeLimit
	case "Reject":
		return umbel.DeadRejected
	}
	return umbel.DeadFailed
}

// refusalReason is the word for why a message is no task.
func refusalReason(err error) string {
	var disallowed *codec.DisallowedError
	switch {
	case errors.Is(err, protocol.ErrUnknownMessage):
		return umbel.DeadUnknown
	case errors.As(err, &disallowed):
		return umbel.DeadNotAccepted
	}
	return umbel.DeadUndecodable
}
