package memory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/broker"
)

// A consumer is a running subscription. Its goroutine takes one message at a time and calls Deliver; while it has nothing
// to take it is idle and waits for wake.
type consumer struct {
	broker *Broker
	sub    broker.Subscription
	wake   chan struct{} // one slot: whoever wakes up looks at everything
	exited chan struct{} // closed by the goroutine

	// Guarded by space.mu.
	session *session
	limit   int    // prefetch; 0: none
	idle    bool   // waiting for assign
	next    *item  // assigned and not yet delivered
	nextTag uint64 // its tag
	stopped bool
	ended   bool
	lost    error // why its queue went, until the goroutine has seen it
}

var _ broker.Consumer = (*consumer)(nil)

// Consume starts delivering. Stop, Close and the broker's Close wait for a running Deliver: it must not call them.
func (b *Broker) Consume(ctx context.Context, sub broker.Subscription) (broker.Consumer, error) {
	if sub.Deliver == nil {
		return nil, fmt.Errorf("consume from queue %q: Subscription.Deliver is not set", sub.Queue)
	}
	if sub.Prefetch < 0 {
		return nil, fmt.Errorf("consume from queue %q: prefetch %d is negative: 0 is no limit", sub.Queue, sub.Prefetch)
	}
	c := &consumer{broker: b, sub: sub, limit: sub.Prefetch, wake: make(chan struct{}, 1), exited: make(chan struct{})}
	err := b.do(ctx, fmt.Sprintf("consume from queue %q", sub.Queue), func() error {
		if c.sub.Tag == "" {
			b.space.tags++
			c.sub.Tag = fmt.Sprintf("ctag-%d", b.space.tags)
		}
		if err := c.begin(); err != nil {
			return err
		}
		b.consumers[c] = struct{}{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	go c.run() // ends by Stop, Close, Broker.Close or the loss of its queue
	return c, nil
}

// begin declares and attaches. The caller holds space.mu.
func (c *consumer) begin() error {
	if err := c.broker.declare(c.sub.Declare); err != nil {
		return err
	}
	q, err := c.broker.queue(c.sub.Queue)
	if err != nil {
		return err
	}
	for _, other := range q.consumers {
		if other.sub.Exclusive || c.sub.Exclusive {
			return fmt.Errorf("queue %q has consumer %q: it cannot be shared with an exclusive one", q.name, other.sub.Tag)
		}
	}
	c.session = &session{queue: q, consumer: c, held: make(map[uint64]*item)}
	q.consumers = append(q.consumers, c)
	q.unused = time.Time{} // in use: it does not expire
	return nil
}

// mayTake tells whether there is room in the window.
func (c *consumer) mayTake() bool {
	q := c.session.queue
	return (c.sub.NoAck || c.limit == 0 || len(c.session.held) < c.limit) && (!q.rules.singleActive || q.consumers[0] == c)
}

// assign gives an item to an idle consumer and wakes it.
func (c *consumer) assign(it *item) {
	c.idle = false
	c.claim(it)
	c.signal()
}

func (c *consumer) claim(it *item) {
	c.next, c.nextTag = it, c.session.tag(it, !c.sub.NoAck)
}

func (c *consumer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *consumer) run() {
	defer close(c.exited)
	for {
		d, lost := c.take()
		switch {
		case d != nil:
			c.sub.Deliver(d)
		case lost != nil:
			if !c.restore(lost) {
				return
			}
		default:
			return
		}
	}
}

// take waits for the next delivery, or for the loss of the queue; neither: the consumer has stopped.
func (c *consumer) take() (*broker.Delivery, error) {
	s := c.broker.space
	s.mu.Lock()
	for {
		if c.stopped {
			s.unlock()
			return nil, nil
		}
		if lost := c.lost; lost != nil {
			c.lost = nil
			s.unlock()
			return nil, lost
		}
		q := c.session.queue
		q.catchUp()
		if c.next == nil && q.ready > 0 && c.mayTake() {
			c.claim(q.take())
		}
		if it := c.next; it != nil {
			d := &broker.Delivery{Queue: q.name, Redelivered: it.handed > 0, Deliveries: it.handed, Tag: c.nextTag, Settler: c.session}
			it.handed++
			c.next, c.idle = nil, false
			s.unlock()
			d.Message = it.message.Message
			d.Headers = it.message.table()
			d.Body = d.Body[:len(d.Body):len(d.Body)] // appending to it must not reach the queue's copy
			return d, nil
		}
		c.idle = true
		s.unlock()
		<-c.wake
		s.mu.Lock()
	}
}

// lose tells the goroutine that the queue is gone. The caller holds space.mu.
func (c *consumer) lose(why error) {
	c.session.over = true // those deliveries can no longer be settled; the messages went with the queue
	c.lost, c.next, c.idle = why, nil, false
	c.signal()
}

// restore consumes anew after the queue was lost, if it can be declared or is there again.
func (c *consumer) restore(lost error) bool {
	c.notify(broker.ConsumerLost, lost)
	s := c.broker.space
	s.mu.Lock()
	if c.stopped {
		s.unlock()
		return false
	}
	err := c.begin()
	if err != nil {
		c.stopped, c.ended = true, true
		delete(c.broker.consumers, c)
	}
	s.unlock()
	if err != nil {
		c.notify(broker.ConsumerFailed, errors.Join(fmt.Errorf("consume from queue %q again: %w", c.sub.Queue, err), lost))
		return false
	}
	c.notify(broker.ConsumerRestored, nil)
	return true
}

func (c *consumer) notify(s broker.ConsumerState, err error) {
	if c.sub.Notify != nil {
		c.sub.Notify(s, err)
	}
}

// SetPrefetch changes the limit. It never waits.
func (c *consumer) SetPrefetch(ctx context.Context, n int) error {
	if n < 0 && n != broker.Paused {
		return fmt.Errorf("set prefetch of consumer %q: %d is negative: 0 is no limit", c.sub.Tag, n)
	}
	return c.broker.do(ctx, fmt.Sprintf("set prefetch of consumer %q", c.sub.Tag), func() error {
		if c.stopped {
			return errors.New("the consumer has stopped")
		}
		c.limit = n
		if c.idle {
			c.session.queue.dispatch()
		}
		return nil
	})
}

// Stop ends deliveries and waits for a running Deliver to return.
func (c *consumer) Stop(ctx context.Context) error {
	c.broker.space.mu.Lock()
	c.stop()
	c.broker.space.unlock()
	return c.await(ctx)
}

// Close stops and gives back what is unsettled at once, then waits for a running Deliver to return.
func (c *consumer) Close(ctx context.Context) error {
	c.broker.space.mu.Lock()
	c.end()
	c.broker.space.unlock()
	return c.await(ctx)
}

// stop takes the consumer off its queue. The caller holds space.mu.
func (c *consumer) stop() {
	if c.stopped {
		return
	}
	c.stopped, c.idle = true, false
	q := c.session.queue
	if it := c.next; it != nil && q.gone == nil { // assigned, and nobody has seen it
		c.next = nil
		c.session.release(c.nextTag)
		q.giveBack(it, false)
	}
	q.detach(c) // which dispatches to those who are left
	c.signal()
}

// end stops for good. The caller holds space.mu.
func (c *consumer) end() {
	c.stop()
	if !c.ended {
		c.ended = true
		c.session.giveBack()
		delete(c.broker.consumers, c)
	}
}

// Flush has nothing to do: settling is done when Ack and Reject return.
func (c *consumer) Flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("flush consumer %q: %w", c.sub.Tag, context.Cause(ctx))
	}
	return nil
}

// await waits for the goroutine to end.
func (c *consumer) await(ctx context.Context) error {
	select {
	case <-c.exited:
		return nil
	default:
	}
	select {
	case <-c.exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop consumer %q: Deliver has not returned: %w", c.sub.Tag, context.Cause(ctx))
	}
}
