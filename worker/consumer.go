package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
)

// A consumer is this worker's hold on one queue.
type consumer struct {
	worker *Worker
	queue  umbel.QueuePlan
	sub    broker.Consumer

	// epoch counts the connections this consumer has had: what was delivered under an earlier one is stale.
	epoch atomic.Uint32
	away  atomic.Bool // the consumer is lost, and not restored yet
	meter *queueMeter // nil: nobody asks for metrics

	settled broker.Delivery // stands for every delivery of the queue that is settled; never changed

	ledger   *ledger       // nil: the broker has no ack timeout
	ownLimit time.Duration // the queue's own ack timeout; 0: none
	home     *consumer     // of a parking queue: the consumer of its work queue; else itself

	acked     recent
	postponed recent // sent back until their ETA
	held      held
	pacing    *pacing // nil: the prefetch is fixed
	tally     tally
	asked     atomic.Int64 // prefetch that the broker was asked for last, but for what is held
	started   atomic.Bool  // sub is there
	endWiden  context.CancelFunc

	parkingMu    sync.Mutex // guards what follows
	parking      *parking   // nil until the first message is parked
	parkingEnded bool
}

func newConsumer(w *Worker, q umbel.QueuePlan) *consumer {
	size := w.prefetch
	switch {
	case size == 0:
		size = recentMost
	case w.PrefetchMultiplier == umbel.AutoPrefetch:
		size = prefetchLimit(w.Concurrency)
	}
	c := &consumer{worker: w, queue: q, settled: broker.Delivery{Queue: q.Name}, ownLimit: ownAckLimit(q),
		acked: recent{size: size}, postponed: recent{size: size},
		meter: w.meter.queue(q.Name), held: held{changed: make(chan struct{}, 1), stopped: make(chan struct{})}}
	c.home = c
	c.pacing = newPacing(w.PrefetchMultiplier, w.pool.limit)
	if w.lease != nil {
		c.ledger = &ledger{consumer: c}
	}
	return c
}

func (c *consumer) start(ctx context.Context) (err error) {
	if err := c.queue.DeclareDeadEnd(func(t broker.Topology) error { return c.worker.broker.Declare(ctx, t) }); err != nil {
		c.worker.log.Warn("the queue of dead letters cannot be declared; it is left as it is", "queue", c.queue.Name,
			"dead_letter", c.queue.DeadLetter, "error", err)
	}
	c.sub, err = c.worker.broker.Consume(ctx, broker.Subscription{
		Queue: c.queue.Name, Prefetch: c.window(c.prefetchNow()), Declare: c.queue.Topology,
		Deliver: c.deliver, Notify: c.notify,
	})
	if err == nil {
		c.started.Store(true)
		ctx, c.endWiden = context.WithCancel(c.worker.base)
		go c.widen(ctx)
	}
	return err
}

// close gives back what is unsettled.
func (c *consumer) close(ctx context.Context) error {
	c.endWiden()
	<-c.held.stopped
	return errors.Join(c.endParking(ctx), c.sub.Close(ctx))
}

// deliver runs on the driver's goroutine for this queue.
func (c *consumer) deliver(d *broker.Delivery) { c.worker.admit(c, d) }

// notify runs on the driver's goroutine.
func (c *consumer) notify(s broker.ConsumerState, err error) {
	log := c.worker.log.With("queue", c.queue.Name)
	switch s {
	case broker.ConsumerLost:
		c.epoch.Add(1)
		c.away.Store(true)
		c.meter.parted()
		c.worker.parted(c, err)
		c.worker.delay.drop(c)
		for _, t := range c.acked.drain() {
			c.worker.finished.add(t)
		}
		for _, t := range c.postponed.drain() {
			c.worker.postponed.add(t)
		}
		level := slog.LevelWarn
		if errors.Is(err, broker.ErrMaintenance) {
			level = slog.LevelInfo
		}
		log.Log(context.Background(), level, "consumer lost; restoring it", "error", err)
	case broker.ConsumerRestored:
		c.restored()
		c.away.Store(false)
		log.Info("consumer restored")
	case broker.ConsumerFailed:
		c.epoch.Add(1)
		c.away.Store(true)
		log.Error("consumer cannot be restored; this queue is no longer consumed", "error", err)
		c.worker.fail(fmt.Errorf("worker: queue %q is no longer consumed: %w", c.queue.Name, err))
	}
}

// parted takes note of a lost consumer of any kind.
func (w *Worker) parted(c *consumer, err error) {
	w.twins.lost()
	if w.lease != nil {
		w.lease.learn(c.queue.Name, err)
	}
}
