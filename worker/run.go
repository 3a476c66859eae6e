package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// A run is one delivery that is a task we know, from admission to its end. One goroutine at a time owns it: the consumer's,
// then delay's or the pool's, then finish's; ended settles the one race, between a handler and its hard time limit.
type run struct {
	delivery *broker.Delivery
	consumer *consumer
	epoch    uint32       // of the consumer, when delivered
	came     uint32       // the same, and never changed
	at       time.Time    // when it was delivered
	narrows  bool         // a parked copy that its work queue's window is smaller for; set before it is anybody's bearer
	parkedAt time.Time    // when its copy was parked before it started; zero: it was not
	state    atomic.Int32 // waiting, taken, over: see ledger.go
	task     *protocol.Task
	known    *known
	request  *umbel.Request // from admission on
	due      time.Time      // when delay hands it on
	print    uint64         // fingerprint of the message
	again    bool           // it was in a worker's hands before
	limited  bool           // it has been given its turn under the task's rate limit
	paces    []series       // the limits that it must keep, where they are more than that; set with limited; see pace.go
	paced    bool           // it has its turn by these; guarded by delay.mu

	chair uint64 // in waiting

	view    sync.Mutex     // guards what follows, and task and delivery until it has ended, against panel
	stands  stand          // where it stands
	body    *protocol.Body // once it runs
	started time.Time
	early   bool                    // acked before it ran
	stop    context.CancelCauseFunc // of its context, while it runs

	termination atomic.Pointer[termination] // not nil once it was told to end by remote control

	slot      *slot               // that runs it
	seat      seat                // where it runs
	reports   sync.RWMutex        // held for reading while the handler reports a state
	life      context.Context     // of a handler with a hard time limit: over when that has ended it; else nil
	ended     atomic.Bool         // the outcome has been taken; a later one is dropped
	clocks    *clocks             // its time limits, while it runs; nil: it has none
	got       *umbel.Outcome      // what the handler returned
	death     *death              // how the handler's process died instead
	back      bool                // the handler has returned
	acked     bool                // settled early
	verdict   verdict             // what metrics count when it is settled
	fault     *protocol.Exception // of a failure
	outcome   protocol.EventBody  // to be told when it is settled; nil: nothing to tell, or nobody wants to know
	successor *run                // a copy that came while this ran, whose delivery is settled in its stead; guarded by inflight.mu
	attached  []*run              // further messages of the same attempt, settled with this one; guarded by inflight.mu
}

// known is a registered task with its policy resolved, looked up once per delivery.
type known struct {
	def    *umbel.Definition
	policy umbel.Policy
	limit  *limiter
	meter  *taskMeter                 // nil: nobody asks for metrics
	starts atomic.Int64               // of this worker
	limits atomic.Pointer[timeLimits] // nil: the policy's
}

// stale reports that the delivery's connection is gone: the broker will hand the message out again, so this copy must
// not start.
func (r *run) stale() bool { return r.consumer.epoch.Load() != r.epoch }

// mark is how this attempt is known when its message comes again.
func (r *run) mark() finishedTask {
	return finishedTask{id: r.task.ID, retries: r.task.Retries, print: r.print}
}

// ignored reports whether this run's result is not wanted: the message says, or else the task.
func (r *run) ignored() bool {
	if r.task.IgnoreResult != nil {
		return *r.task.IgnoreResult
	}
	return r.known.policy.IgnoreResult
}

// release lets go of the message behind a run that is settled: ten thousand may wait in their handlers. Its queue and what
// a next attempt carries on stay; of a queue with dead letters everything does, for they are the message as it came.
func (r *run) release() {
	if r.consumer.queue.DeadLetter != "" {
		return
	}
	r.task.Trim()
	if c := r.consumer; r.delivery.Queue == c.settled.Queue {
		r.delivery = &c.settled
		return
	}
	r.delivery.Headers, r.delivery.Body = nil, nil // a parked one: the queue it came from is not its consumer's
}

// since is how long the run has had the delivery that it has now. Only for a run in flight.
func (r *run) since() time.Time {
	if r.parkedAt.IsZero() {
		return r.at
	}
	return r.parkedAt
}

// isParked reports whether the run's delivery is a parked copy. Only for a run in flight.
func (r *run) isParked() bool {
	_, is := r.delivery.Settler.(*parkedSettler)
	return is
}
