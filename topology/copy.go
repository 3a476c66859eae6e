package topology

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/umbel-go/umbel/broker"
)

const (
	// batchMost is how many messages are on their way at once, unacked.
	batchMost = 256

	// calm is how long the first message is waited for before the broker is asked whether there are any.
	calm = 50 * time.Millisecond

	// closeWait bounds giving back what was not copied.
	closeWait = 10 * time.Second
)

// copyAll moves all messages of a queue that gets no more.
func (v *move) copyAll(ctx context.Context, from, to string) (n int, err error) {
	for {
		more, err := v.copy(ctx, from, to)
		n += more
		if err != nil {
			return n, err
		}
		s, err := v.broker.Stat(ctx, from) // what was on its way here at the end has gone back
		if err != nil || s.Ready == 0 {
			return n, err
		}
	}
}

// copy moves the messages of one queue to the end of another, in their order, until it finds the queue empty. A message is acked when
// the other queue has it.
func (v *move) copy(ctx context.Context, from, to string) (n int, err error) {
	arrived := make(chan *broker.Delivery, batchMost)
	over := make(chan struct{})
	c, err := v.broker.Consume(ctx, broker.Subscription{Queue: from, Prefetch: batchMost, Deliver: func(d *broker.Delivery) {
		select {
		case arrived <- d:
		case <-over:
		}
	}})
	if err != nil {
		return 0, fmt.Errorf("consume from %q: %w", from, err)
	}
	defer func() {
		close(over)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
		defer cancel()
		err = errors.Join(err, c.Close(end))
	}()
	look := time.NewTimer(calm)
	defer look.Stop()
	for {
		var batch []*broker.Delivery
		select {
		case d := <-arrived:
			batch = gather(d, arrived)
		case <-look.C:
			s, err := v.broker.Stat(ctx, from)
			if err != nil || s.Ready == 0 && len(arrived) == 0 {
				return n, err
			}
			look.Reset(calm)
			continue
		case <-ctx.Done():
			return n, context.Cause(ctx)
		}
		if err := v.send(ctx, batch, to); err != nil {
			return n, err
		}
		n += len(batch)
		if _, err := v.step(Copied, "%d messages are in %s", n, to); err != nil {
			return n, err
		}
		for _, d := range batch {
			if err := d.Ack(); err != nil && !errors.Is(err, broker.ErrStale) { // stale: it will come again, and be there twice
				return n, err
			}
		}
		if err := c.Flush(ctx); err != nil {
			return n, err
		}
		look.Reset(0) // asked between two batches: a queue that is sent to never falls silent
	}
}

// gather takes what has arrived.
func gather(first *broker.Delivery, arrived <-chan *broker.Delivery) []*broker.Delivery {
	batch := []*broker.Delivery{first}
	for len(batch) < batchMost {
		select {
		case d := <-arrived:
			batch = append(batch, d)
		default:
			return batch
		}
	}
	return batch
}

// send publishes a batch and waits until all of it is confirmed.
func (v *move) send(ctx context.Context, batch []*broker.Delivery, to string) error {
	out := make([]*broker.Message, len(batch))
	for i, d := range batch {
		m := d.Message
		m.Exchange, m.RoutingKey, m.NotBefore = "", to, time.Time{}
		if _, counted := m.Headers["x-delivery-count"]; counted { // of the old queue
			m.Headers = maps.Clone(m.Headers)
			delete(m.Headers, "x-delivery-count")
		}
		out[i] = &m
	}
	for _, err := range v.broker.PublishBatch(ctx, out) {
		if err != nil {
			return fmt.Errorf("copy to %q: %w", to, err)
		}
	}
	return nil
}
