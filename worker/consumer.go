package worker

import (
	"context"
	"sync"
	"sync/atomic"

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

	mu      sync.Mutex // guards what follows; held across SetPrefetch so that changes keep their order
	held    int        // deliveries waiting for their ETA: they must not use up the prefetch
	applied int        // extra prefetch asked for because of them
}

func (c *consumer) start(ctx context.Context) (err error) {
	c.sub, err = c.worker.broker.Consume(ctx, broker.Subscription{
		Queue: c.queue.Name, Prefetch: c.worker.prefetch, Declare: c.queue.Topology,
		Deliver: c.deliver, Notify: c.notify,
	})
	return err
}

// deliver runs on the driver's goroutine for this queue.
func (c *consumer) deliver(d *broker.Delivery) { c.worker.admit(c, d) }

// notify runs on the driver's goroutine.
func (c *consumer) notify(s broker.ConsumerState, err error) {
	log := c.worker.log.With("queue", c.queue.Name)
	switch s {
	case broker.ConsumerLost:
		c.epoch.Add(1)
		c.worker.delay.drop(c)
		log.Warn("consumer lost; restoring it", "error", err)
	case broker.ConsumerRestored:
		log.Info("consumer restored")
	case broker.ConsumerFailed:
		c.epoch.Add(1)
		log.Error("consumer cannot be restored; this queue is no longer consumed", "error", err)
		c.worker.Stop(Warm)
	}
}

// hold counts deliveries that wait for their ETA and widens the prefetch by as many, in steps, so that they do not keep
// others from coming. Celery: the consumer's QoS increment for ETA tasks.
func (c *consumer) hold(delta int) {
	if c.worker.prefetch == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held += delta
	extra := c.applied
	switch {
	case c.held > extra:
		extra = 16
		for extra < c.held {
			extra *= 2
		}
	case c.held == 0:
		extra = 0
	case c.held < extra/4:
		extra /= 2
	}
	extra = min(extra, maxPrefetch-c.worker.prefetch)
	if extra == c.applied {
		return
	}
	c.applied = extra
	n := c.worker.prefetch + extra
	// Not on the driver's delivery goroutine: SetPrefetch may wait for the broker, which waits for us.
	go func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.applied != extra {
			return // a later change has overtaken this one
		}
		if err := c.sub.SetPrefetch(c.worker.base, n); err != nil {
			c.worker.log.Warn("cannot change prefetch", "queue", c.queue.Name, "prefetch", n, "error", err)
		}
	}()
}
