package worker

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// Longest texts in the headers of a dead letter: all headers must fit into one frame.
const (
	deadErrorMost = 4 << 10
	deadStackMost = 16 << 10
)

// bury sends what has failed for good to its queue's dead letters, with the reason, and returns what is left to be done with
// the delivery. It is confirmed before anything else is told. When it can never be sent, a late-acked message is rejected, so
// that the broker dead-letters it itself, without the reason and without a confirm: a node that goes in that moment loses it.
func (w *Worker) bury(r *run, how settlement, c conclusion) settlement {
	to := r.consumer.queue.DeadLetter
	if to == "" || c.state != umbel.Failure || how == settleRequeue {
		return how
	}
	m := copyOf(r.delivery)
	m.Exchange, m.RoutingKey = umbel.DeadLetterExchange, to
	text := c.exception.Error()
	m.Headers[umbel.HeaderDeadReason] = deadReason(c.exception)
	m.Headers[umbel.HeaderDeadError] = cut(text, deadErrorMost)
	m.Headers[umbel.HeaderDeadAttempts] = int64(r.task.Retries) + 1
	m.Headers[umbel.HeaderDeadQueue] = r.delivery.Queue
	m.Headers[umbel.HeaderDeadWorker] = w.node
	m.Headers[umbel.HeaderDeadTime] = time.Now().UTC().Format(time.RFC3339)
	if c.traceback != "" {
		m.Headers[umbel.HeaderDeadStack] = cut(c.traceback, deadStackMost)
	}
	err := w.publishPatiently(r, "dead letter", func(ctx context.Context) error { return w.app.Publish(ctx, m) })
	if err == nil {
		return settleAck
	}
	log := w.log.With("task", r.request.DisplayName(), "id", r.task.ID, "queue", to, "error", err, "reason", text)
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

// publishPatiently publishes what must not be lost, again and again while what keeps it passes: a lost connection, an alarm, a
// full queue, a queue whose node is going. It ends with that error only when the worker has to leave.
func (w *Worker) publishPatiently(r *run, what string, publish func(context.Context) error) error {
	for n := 1; ; n++ {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.base), publishWait)
		err := publish(ctx)
		cancel()
		if err == nil || !passing(err) {
			return err
		}
		wait := backoff(n)
		w.log.Warn(what+" is not taken for now; trying again", "task", r.request.DisplayName(), "id", r.task.ID, "error", err,
			"wait", wait.Round(time.Millisecond))
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
	switch exc.Type {
	case "WorkerLostError":
		return "worker lost"
	case "TimeLimitExceeded":
		return "time limit"
	case "Reject":
		return "rejected"
	}
	return "failed"
}

// cut shortens a text to n bytes without breaking a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
