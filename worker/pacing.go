package worker

// Pacing: worker_prefetch_multiplier "auto". How many messages of a queue are held follows from how long its tasks take: of
// short ones so many that no slot waits for the broker, of long ones no more than can run, so that none lies here that another
// worker could run.
//
//	window = slots, if the queue's tasks ack late  +  slots × pacingAhead ÷ mean run time
//
// It begins with one message a slot, as multiplier 1 does, and moves when the two differ by half.

import (
	"math"
	"sync"
	"time"

	"github.com/umbel-go/umbel"
)

const (
	pacingAhead  = 250 * time.Millisecond // of work is held beyond what runs
	pacingEvery  = time.Second            // between two changes: each is two round trips
	pacingWeight = 0.1                    // of the newest task in the means

	// A window is at most a quarter of the limit. When it changes on AMQP, what the old one has handed out does not count
	// against the new one; and it changes only when no more is unsettled than one window. So there are never more than three.
	pacingParts      = 4
	pacingLimit      = 64 // messages a slot
	pacingLimitLeast = 512
)

// prefetchLimit is how many unsettled deliveries of a queue a worker with so many slots never exceeds at "auto".
func prefetchLimit(slots int) int { return min(max(pacingLimit*slots, pacingLimitLeast), maxPrefetch) }

// A pacing is a consumer's window. nil keeps a fixed one.
type pacing struct {
	slots func() int

	mu     sync.Mutex // guards what follows
	window int
	mean   float64   // run time of the queue's tasks, in seconds
	late   float64   // share of them that is acked late, from 0 to 1
	ended  time.Time // when the latest of them has ended
	moved  time.Time // when window changed
}

func newPacing(multiplier int, slots func() int) *pacing {
	if multiplier != umbel.AutoPrefetch {
		return nil
	}
	return &pacing{slots: slots, window: max(slots(), 1), late: 1}
}

// now is the window.
func (p *pacing) now() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.window
}

// note takes in a task that has ended, and reports whether the window is another now. held is how many deliveries are
// unsettled.
func (p *pacing) note(at time.Time, took time.Duration, late bool, held func() int) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	share := 0.0
	if late {
		share = 1
	}
	if p.ended.IsZero() {
		p.mean, p.late = took.Seconds(), share
	} else {
		p.mean += pacingWeight * (took.Seconds() - p.mean)
		p.late += pacingWeight * (share - p.late)
	}
	p.ended = at
	return p.move(at, held)
}

// silent takes in that every slot is busy and no task of the queue has ended for a while: they have become longer than the
// mean says. It reports whether the window is smaller now.
func (p *pacing) silent(at time.Time, held func() int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := p.ended
	if since.IsZero() || p.window <= p.slots() {
		return false
	}
	if quiet := at.Sub(since).Seconds(); quiet > p.mean {
		p.mean = quiet
	}
	before := p.window
	return p.move(at, held) && p.window < before
}

// move changes the window if it is far from what is wanted. mu is held.
func (p *pacing) move(at time.Time, held func() int) bool {
	want := p.want()
	if want < 2*p.window && 2*want > p.window || at.Sub(p.moved) < pacingEvery || held() > p.window {
		return false
	}
	p.window, p.moved = want, at
	return true
}

func (p *pacing) want() int {
	slots := max(p.slots(), 1)
	most := prefetchLimit(slots) / pacingParts
	ahead := float64(most)
	if p.mean > 0 {
		ahead = math.Min(ahead, math.Floor(float64(slots)*pacingAhead.Seconds()/p.mean))
	}
	base := 0
	if p.late > 0.05 {
		base = slots
	}
	return min(max(base+int(ahead), 1), most)
}

// paced tells the consumer of a run that it has ended.
func (w *Worker) paced(r *run, took time.Duration) {
	c := r.consumer.home
	if c.pacing.note(time.Now(), took, r.known.policy.AcksLate, c.unsettled) {
		signal(c.held.changed)
	}
}

// unsettled is how many deliveries the consumer holds, 0 where its driver counts them itself.
func (c *consumer) unsettled() int {
	if !c.started.Load() {
		return 0
	}
	if counts, ok := c.sub.(interface{ Unsettled() int }); ok {
		return counts.Unsettled()
	}
	return 0
}

// repace looks whether the queue's tasks have become long, and gives back what then waits here for nothing.
func (c *consumer) repace() {
	w := c.worker
	if w.pool.load.Load() < w.pool.size.Load() || !c.pacing.silent(time.Now(), c.unsettled) {
		return
	}
	c.ask(w.base) // first, or what goes back would come again
	if w.lease == nil {
		return
	}
	n := 0
	for _, r := range c.ledger.list() {
		if r.state.Load() == runWaiting && r.withdraw() {
			w.lease.handBack(w.base, r)
			n++
		}
	}
	if n > 0 {
		w.pool.sift()
		w.log.Info("tasks have become longer than they were; those that wait were handed back", "queue", c.queue.Name, "tasks", n)
	}
}

// prefetchNow is how many deliveries of the queue are held, 0 without limit.
func (c *consumer) prefetchNow() int {
	if c.pacing != nil {
		return c.pacing.now()
	}
	return c.worker.prefetchNow()
}
