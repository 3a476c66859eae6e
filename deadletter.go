package umbel

// Dead letters: what fails for good in a queue with the option dead_letter is kept in another, and can be looked at and run
// again.
//
//	work queue ── rejected, expired, over its limit (by the broker) ──► exchange dlx ──► <queue>.dlq
//	worker     ── failed, with the reason in headers ───────────────►

import (
	"maps"
	"strings"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// DeadLetterExchange is the exchange that dead letters of queues with the option dead_letter pass; its routing keys are the
// names of the queues that keep them.
const DeadLetterExchange = "dlx"

// Headers of a dead letter that a worker has sent. What the broker dead-lettered has its x-death alone.
const (
	HeaderDeadReason   = "umbel-dead-reason"   // one of the Dead… words
	HeaderDeadError    = "umbel-dead-error"    // the error's type and text
	HeaderDeadStack    = "umbel-dead-stack"    // the traceback, if there was one
	HeaderDeadAttempts = "umbel-dead-attempts" // how many attempts were made, retries included
	HeaderDeadQueue    = "umbel-dead-queue"    // the queue it came from
	HeaderDeadWorker   = "umbel-dead-worker"   // node that sent it here
	HeaderDeadTime     = "umbel-dead-time"     // when, RFC 3339 in UTC
)

// Why a message is a dead letter. Those that the broker has dead-lettered itself say it in its words: rejected, expired,
// maxlen or delivery_limit.
const (
	DeadFailed       = "failed"          // the task returned an error and has no retries left
	DeadRejected     = "rejected"        // by the task
	DeadTimeLimit    = "time limit"      // hard
	DeadWorkerLost   = "worker lost"     // its process died, or too many did
	DeadExpired      = "expired"         // before it could start
	DeadUndecodable  = "undecodable"     // header or body cannot be read
	DeadNotAccepted  = "not accepted"    // its content type is not in accept_content
	DeadUnknown      = "unknown message" // it is no task
	DeadUnregistered = "unregistered"    // no such task on the worker
)

// Dead notes on a dead letter why it is one. Workers call it.
func Dead(h protocol.Table, reason, text, stack, queue, worker string, attempts int, at time.Time) {
	h[HeaderDeadReason], h[HeaderDeadError] = reason, cutText(text, deadErrorMost)
	h[HeaderDeadQueue], h[HeaderDeadWorker] = queue, worker
	h[HeaderDeadAttempts], h[HeaderDeadTime] = int64(attempts), at.UTC().Format(time.RFC3339)
	delete(h, HeaderDeadStack)
	if stack != "" {
		h[HeaderDeadStack] = cutText(stack, deadStackMost)
	}
}

// Longest texts in the headers of a dead letter, bytes: all headers must fit into one frame.
const (
	deadErrorMost = 4 << 10
	deadStackMost = 16 << 10
)

// cutText shortens a text to n bytes without breaking a character.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func withDeadLetter(arguments map[string]any, to string) map[string]any {
	arguments = maps.Clone(arguments)
	if arguments == nil {
		arguments = make(map[string]any, 2)
	}
	arguments["x-dead-letter-exchange"] = DeadLetterExchange
	arguments["x-dead-letter-routing-key"] = to
	return arguments
}

// addDeadLetter declares the other end.
func addDeadLetter(t *broker.Topology, q QueueConfig) {
	keep := deadQueue(q.DeadLetter, q.Arguments)
	t.Exchanges = append(t.Exchanges, broker.Exchange{Name: DeadLetterExchange, Type: broker.Direct, Durable: true})
	t.Queues = append(t.Queues, keep)
	t.Bindings = append(t.Bindings, broker.Binding{Source: DeadLetterExchange, Queue: q.DeadLetter, RoutingKey: q.DeadLetter})
}

// deadQueue keeps dead letters: as durable as can be, and replicated if the work queue is.
func deadQueue(name string, work map[string]any) broker.Queue {
	keep := broker.Queue{Name: name, Durable: true}
	if work["x-queue-type"] == "quorum" {
		// RabbitMQ 4 drops from a quorum queue what was handed out more than 20 times, and looking at it hands it out.
		keep.Arguments = map[string]any{"x-queue-type": "quorum", "x-delivery-limit": int64(1<<31 - 1)}
	}
	return keep
}
