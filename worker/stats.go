package worker

import "sync/atomic"

// stats count what the worker has done since it started.
type stats struct {
	received, started, succeeded, failed, retried, revoked, rejected atomic.Int64

	active atomic.Int64 // running now
}

// Stats is a copy of a worker's counters.
type Stats struct {
	Received  int64 // deliveries taken from queues
	Started   int64 // tasks begun
	Active    int64 // tasks running now
	Succeeded int64
	Failed    int64
	Retried   int64
	Revoked   int64 // expired included
	Rejected  int64 // messages that never became a task
}

// Stats are the worker's counters now.
func (w *Worker) Stats() Stats {
	s := &w.stats
	return Stats{
		Received: s.received.Load(), Started: s.started.Load(), Active: s.active.Load(), Succeeded: s.succeeded.Load(),
		Failed: s.failed.Load(), Retried: s.retried.Load(), Revoked: s.revoked.Load(), Rejected: s.rejected.Load(),
	}
}
