package umbel

// Dead letters: what fails for good in a queue with the option dead_letter is kept in another, and can be looked at and run
// again.
//
//	work queue ── rejected, expired, over its limit (by the broker) ──► exchange dlx ──► <queue>.dlq
//	worker     ── failed, with the reason in headers ───────────────►

import (
	"maps"

	"github.com/umbel-go/umbel/broker"
)

// DeadLetterExchange is the exchange that dead letters of queues with the option dead_letter pass; its routing keys are the
// names of the queues that keep them.
const DeadLetterExchange = "dlx"

// Headers of a dead letter that a worker has sent. What the broker dead-lettered has its x-death alone.
const (
	HeaderDeadReason   = "umbel-dead-reason"   // failed, rejected, time limit or worker lost
	HeaderDeadError    = "umbel-dead-error"    // the error's type and text
	HeaderDeadStack    = "umbel-dead-stack"    // the traceback, if there was one
	HeaderDeadAttempts = "umbel-dead-attempts" // how many attempts were made, retries included
	HeaderDeadQueue    = "umbel-dead-queue"    // the queue it came from
	HeaderDeadWorker   = "umbel-dead-worker"   // node that sent it here
	HeaderDeadTime     = "umbel-dead-time"     // when, RFC 3339 in UTC
)

func withDeadLetter(arguments map[string]any, to string) map[string]any {
	arguments = maps.Clone(arguments)
	if arguments == nil {
		arguments = make(map[string]any, 2)
	}
	arguments["x-dead-letter-exchange"] = DeadLetterExchange
	arguments["x-dead-letter-routing-key"] = to
	return arguments
}

// addDeadLetter declares the other end: as durable as can be, and replicated if the work queue is.
func addDeadLetter(t *broker.Topology, q QueueConfig) {
	keep := broker.Queue{Name: q.DeadLetter, Durable: true}
	if q.Arguments["x-queue-type"] == "quorum" {
		keep.Arguments = map[string]any{"x-queue-type": "quorum"}
	}
	t.Exchanges = append(t.Exchanges, broker.Exchange{Name: DeadLetterExchange, Type: broker.Direct, Durable: true})
	t.Queues = append(t.Queues, keep)
	t.Bindings = append(t.Bindings, broker.Binding{Source: DeadLetterExchange, Queue: q.DeadLetter, RoutingKey: q.DeadLetter})
}
