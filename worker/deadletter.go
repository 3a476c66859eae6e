package worker

import (
	"context"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/protocol"
)

// Longest texts in the headers of a dead letter: all headers must fit into one frame.
const (
	deadErrorMost = 4 << 10
	deadStackMost = 16 << 10
)

// bury sends what has failed for good to its queue's dead letters, with the reason, and returns what is left to be done with
// the delivery. It is confirmed before anything else is told. When it cannot be sent, a late-acked message is rejected, so
// that the broker dead-letters it itself, without the reason.
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.base), publishWait)
	defer cancel()
	err := w.app.Publish(ctx, m)
	if err == nil {
		return settleAck
	}
	log := w.log.With("task", r.request.DisplayName(), "id", r.task.ID, "queue", to, "error", err, "reason", text)
	if r.acked {
		log.Error("dead letter cannot be sent; the message was acked early and is not kept")
		return how
	}
	log.Error("dead letter cannot be sent; its message is rejected, for the broker to do it")
	return settleReject
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
