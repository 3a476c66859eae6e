package amqp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"sync/atomic"

	"github.com/umbel-go/umbel/broker"
)

var consumerSerial atomic.Uint64

// A consumer is one subscription. Two goroutines work for it as long as it lives: its supervisor, the only one that
// talks to the broker on its channel, and its deliverer, the only one that calls Deliver.
type consumer struct {
	broker *Broker
	sub    broker.Subscription
	tag    string

	ctx    context.Context // ends when Close begins
	cancel context.CancelFunc
	ops    chan operation // callers send, the supervisor receives; unbuffered
	ended  chan struct{}  // closed when the supervisor has ended

	prefetch atomic.Int64
	stopped  atomic.Bool // Deliver must not be called again

	feeds feeds
}

// An operation is work for the supervisor on the channel that stands, nil when none does.
type operation struct {
	run  func(*subscribed) error
	done chan error // cap 1: the caller may have left
}

// Consume implements broker.Broker.
func (b *Broker) Consume(ctx context.Context, sub broker.Subscription) (broker.Consumer, error) {
	if sub.Deliver == nil {
		return nil, fmt.Errorf("consume queue %q: Deliver is not set", sub.Queue)
	}
	if err := cmp.Or(checkPrefetch(sub.Prefetch), nameable(sub.Queue, sub.Tag+".999999"), checkTopology(sub.Declare)); err != nil {
		return nil, fmt.Errorf("consume queue %.64q: %w", sub.Queue, err)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("consume queue %q: %w", sub.Queue, context.Cause(ctx))
	}
	l, err := b.consumeLink(ctx)
	if err != nil {
		return nil, fmt.Errorf("consume queue %q: %w", sub.Queue, err)
	}
	c := &consumer{broker: b, sub: sub, tag: sub.Tag, ops: make(chan operation), ended: make(chan struct{})}
	if c.tag == "" {
		c.tag = "umbel-" + strconv.FormatUint(consumerSerial.Add(1), 10)
	}
	c.prefetch.Store(int64(sub.Prefetch))
	c.feeds.init()
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))

	first, err := c.firstChannel(ctx, l)
	if err != nil {
		c.cancel()
		return nil, fmt.Errorf("consume queue %q: %w", sub.Queue, err)
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		c.cancel()
		c.leave(first)
		return nil, broker.ErrClosed
	}
	b.consumers[c] = struct{}{}
	b.mu.Unlock()
	go c.feeds.run(c) // owned by the consumer: ends after the supervisor, which Close waits for
	b.wg.Go(func() { c.run(l, first) })
	if wait := b.config.ConsumerCheck; wait > 0 && sub.Queue != directReply {
		b.wg.Go(func() { c.guard(wait) })
	}
	return c, nil
}

func checkPrefetch(n int) error {
	if n < 0 || n > math.MaxUint16 {
		return fmt.Errorf("prefetch %d is not from 0 to %d", n, math.MaxUint16)
	}
	return nil
}

// run is the supervisor.
func (c *consumer) run(l *link, sd *subscribed) {
	defer close(c.ended)
	defer c.feeds.close()
	defer func() {
		c.broker.mu.Lock()
		delete(c.broker.consumers, c)
		c.broker.mu.Unlock()
	}()
	for {
		why := c.watch(sd)
		c.leave(sd)
		if c.ctx.Err() != nil {
			return
		}
		if c.stopped.Load() {
			// Nothing to restore; only a Close can follow.
			c.serveNone(c.ctx)
			return
		}
		level := slog.LevelWarn
		if errors.Is(why, broker.ErrMaintenance) {
			level = slog.LevelInfo
		}
		c.broker.config.Log.Log(c.ctx, level, "consumer lost", "queue", c.sub.Queue, "reason", why)
		c.notify(broker.ConsumerLost, why)
		var err error
		if sd, err = c.restore(l, why); err != nil {
			if c.ctx.Err() != nil {
				return
			}
			c.broker.config.Log.Error("consumer is given up", "queue", c.sub.Queue, "error", err)
			c.notify(broker.ConsumerFailed, err)
			c.stopped.Store(true)
			c.serveNone(c.ctx)
			return
		}
		if sd == nil {
			c.serveNone(c.ctx) // stopped meanwhile
			return
		}
		c.broker.config.Log.Info("consumer restored", "queue", c.sub.Queue)
		c.notify(broker.ConsumerRestored, nil)
	}
}

func (c *consumer) notify(state broker.ConsumerState, err error) {
	if c.sub.Notify != nil {
		c.sub.Notify(state, err)
	}
}

// watch serves operations until the channel is over, and says why it is.
func (c *consumer) watch(sd *subscribed) error {
	closes := sd.closes
	for {
		select {
		case op := <-c.ops:
			op.done <- op.run(sd)
			if sd.condemned != nil {
				return sd.condemned
			}
		case tag, open := <-sd.cancels:
			if !open {
				sd.cancels = nil
				continue
			}
			if tag == sd.tag {
				return fmt.Errorf("the broker cancelled the consumer: queue %q was deleted or has moved", c.sub.Queue)
			}
		case e, ok := <-closes:
			if ok && e != nil {
				return ackTimeout(plain(e))
			}
			return errClosedHere
		case <-c.ctx.Done():
			return errClosedHere
		}
	}
}

// serveNone answers operations while there is no channel, until ctx ends.
func (c *consumer) serveNone(ctx context.Context) {
	for {
		select {
		case op := <-c.ops:
			op.done <- op.run(nil)
		case <-ctx.Done():
			return
		}
	}
}

// ask has the supervisor run f and waits as long as ctx allows.
func (c *consumer) ask(ctx context.Context, f func(*subscribed) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	op := operation{run: f, done: make(chan error, 1)}
	select {
	case c.ops <- op:
	case <-c.ended:
		return broker.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-op.done:
		return err
	case <-c.ended:
		return broker.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// SetPrefetch implements broker.Consumer. AMQP fixes a consumer's window when it starts, so a new consumer is started
// on the same channel and the old one cancelled; what the old one has handed out stays valid, and does not count
// against the new window.
func (c *consumer) SetPrefetch(ctx context.Context, n int) error {
	if err := checkPrefetch(n); err != nil && n != broker.Paused {
		return fmt.Errorf("queue %q: %w", c.sub.Queue, err)
	}
	if c.sub.NoAck || c.prefetch.Load() == int64(n) {
		c.prefetch.Store(int64(n))
		return nil
	}
	if c.sub.Exclusive {
		for _, q := range c.sub.Declare.Queues {
			if q.Name == c.sub.Queue && q.AutoDelete {
				return fmt.Errorf("queue %q: the prefetch of an exclusive consumer of an auto-delete queue cannot change: the queue would be deleted between its consumers", c.sub.Queue)
			}
		}
	}
	// One old consumer at a time: its buffered deliveries must be through before the next is started.
	if err := c.feeds.settled(ctx); err != nil {
		return fmt.Errorf("queue %q: waiting for the deliveries of the previous prefetch: %w", c.sub.Queue, err)
	}
	return c.ask(ctx, func(sd *subscribed) error {
		c.prefetch.Store(int64(n))
		if sd == nil || c.stopped.Load() {
			return nil // the next session starts with it
		}
		err := c.swap(sd)
		if err != nil && sd.lost(err) {
			return nil // so does this one's successor
		}
		return err
	})
}

// Unsettled is how many deliveries were handed to Deliver in the session that stands and are not settled.
func (c *consumer) Unsettled() int {
	s := c.feeds.latest()
	if s == nil {
		return 0
	}
	_, n, _ := s.load()
	return int(n)
}

// Stop implements broker.Consumer. Deliveries that the broker has sent but Deliver has not seen go back to the queue.
// It must not be called from Deliver, whose end it waits for.
func (c *consumer) Stop(ctx context.Context) error {
	c.stopped.Store(true)
	err := c.ask(ctx, func(sd *subscribed) error {
		if sd == nil || sd.tag == "" {
			return nil
		}
		tag := sd.tag
		sd.tag = ""
		if err := sd.ch.Cancel(tag, false); err != nil && !sd.lost(plain(err)) {
			return fmt.Errorf("cancel consumer %q: %w", tag, plain(err))
		}
		return nil
	})
	if err != nil && !errors.Is(err, broker.ErrClosed) {
		return fmt.Errorf("stop consuming queue %q: %w", c.sub.Queue, err)
	}
	if err := c.feeds.idle(ctx); err != nil {
		return fmt.Errorf("stop consuming queue %q: Deliver has not returned: %w", c.sub.Queue, err)
	}
	return nil
}

// Flush implements broker.Consumer. What was settled in a session that is gone needs no flush: it is the broker's again.
func (c *consumer) Flush(ctx context.Context) error {
	s := c.feeds.latest()
	if s == nil {
		return nil
	}
	if err := s.flush(ctx); err != nil && ctx.Err() != nil {
		return fmt.Errorf("flush acknowledgements of queue %q: %w", c.sub.Queue, err)
	}
	return nil
}

// Close implements broker.Consumer.
func (c *consumer) Close(ctx context.Context) error {
	select {
	case <-c.ended:
		return nil
	default:
	}
	err := c.Stop(ctx)
	if e := c.Flush(ctx); err == nil {
		err = e
	}
	c.cancel()
	select {
	case <-c.ended:
	case <-ctx.Done():
		if err == nil {
			err = fmt.Errorf("close consumer of queue %q: %w", c.sub.Queue, context.Cause(ctx))
		}
	}
	return err
}
