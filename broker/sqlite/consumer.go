package sqlite

import (
	"context"
	"fmt"
	"sync"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/envelope"
)

// phase is how far a consumer is in its life; it only goes up.
type phase int

const (
	running  phase = iota
	stopping       // deliver nothing more, give back what was not delivered
	closing        // give back everything
	ended          // its goroutines are done or about to be
)

// A consumer is a running subscription: it has a session, and after a loss another one.
//
//	run:     settlements, rings ─► round ─► session.ahead
//	deliver: session.ahead ─► Deliver
type consumer struct {
	b   *Broker
	sub broker.Subscription

	wake    chan struct{} // cap 1: run has something to look at
	arrived chan struct{} // cap 1: deliver has something to look at
	hand    chan struct{} // cap 1: holds a token while Deliver runs
	stopped chan struct{} // closed by run: nothing is delivered any more, what was ahead is given back
	quit    chan struct{} // closed by run as it ends
	done    chan struct{} // closed when both goroutines are over

	mu       sync.Mutex // guards the rest; taken before session.mu
	s        *session
	phase    phase
	prefetch int
	look     bool // the queue may hold messages for us
	check    bool // the session may be over
	busy     bool // a round is being written
	flushers []chan error
	err      error // why closing failed
}

func newConsumer(b *Broker, sub broker.Subscription) *consumer {
	return &consumer{b: b, sub: sub, prefetch: sub.Prefetch, look: true,
		wake: make(chan struct{}, 1), arrived: make(chan struct{}, 1), hand: make(chan struct{}, 1),
		stopped: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{})}
}

// start runs both goroutines. They end after Close, or when the consumer has failed.
func (c *consumer) start() {
	hush := c.b.file.Listen(queueTopic(c.sub.Queue), c.ring)
	unwatch := c.b.file.Listen(goneTopic(c.sub.Queue), c.verify)
	var both sync.WaitGroup
	both.Go(c.run)
	both.Go(c.deliver)
	go func() {
		both.Wait()
		hush()
		unwatch()
		c.b.remove(c)
		close(c.done)
	}()
}

func (c *consumer) nudge() { signal(c.wake) }

// verify makes the next round find out whether the session still stands.
func (c *consumer) verify() {
	c.mu.Lock()
	c.check = true
	c.mu.Unlock()
	c.nudge()
}

// ring is called by the file: there may be messages in the queue.
func (c *consumer) ring() {
	c.mu.Lock()
	c.look = true
	c.mu.Unlock()
	c.nudge()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// rise moves the phase up.
func (c *consumer) rise(p phase) {
	c.mu.Lock()
	c.phase = max(c.phase, p)
	c.mu.Unlock()
	c.nudge()
	signal(c.arrived)
}

// SetPrefetch implements broker.Consumer.
func (c *consumer) SetPrefetch(ctx context.Context, n int) error {
	if n < 0 && n != broker.Paused {
		return fmt.Errorf("set prefetch of consumer %q: %d is negative", c.sub.Tag, n)
	}
	c.mu.Lock()
	c.prefetch, c.look = n, true
	c.mu.Unlock()
	c.nudge()
	return nil
}

// Stop implements broker.Consumer. It waits for a Deliver that is running, so Deliver must not call it.
func (c *consumer) Stop(ctx context.Context) error {
	c.rise(stopping)
	if err := c.await(ctx, c.stopped); err != nil {
		return fmt.Errorf("stop consumer %q: %w", c.sub.Tag, err)
	}
	select {
	case c.hand <- struct{}{}:
		<-c.hand
		return nil
	case <-c.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop consumer %q: a Deliver is still running: %w", c.sub.Tag, ctx.Err())
	}
}

func (c *consumer) await(ctx context.Context, event <-chan struct{}) error {
	select {
	case <-event:
	case <-c.quit:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Flush implements broker.Consumer.
func (c *consumer) Flush(ctx context.Context) error {
	c.mu.Lock()
	c.s.mu.Lock()
	idle := !c.busy && len(c.s.acks)+len(c.s.drops)+len(c.s.backs)+len(c.s.unseen) == 0
	c.s.mu.Unlock()
	if idle || c.phase == ended {
		c.mu.Unlock()
		return nil
	}
	flushed := make(chan error, 1)
	c.flushers = append(c.flushers, flushed)
	c.mu.Unlock()
	c.nudge()
	select {
	case err := <-flushed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("flush consumer %q: %w", c.sub.Tag, ctx.Err())
	}
}

// Close implements broker.Consumer. It waits for a Deliver that is running, so Deliver must not call it.
func (c *consumer) Close(ctx context.Context) error {
	c.rise(closing)
	select {
	case <-c.done:
	case <-ctx.Done():
		return fmt.Errorf("close consumer %q: %w", c.sub.Tag, ctx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// deliver hands messages to the subscription, one at a time.
func (c *consumer) deliver() {
	for {
		c.hand <- struct{}{}
		c.mu.Lock()
		var h *held
		s, p := c.s, c.phase
		if p == running {
			h = s.pop()
		}
		c.mu.Unlock()
		if h != nil {
			c.deliverOne(s, h)
			<-c.hand
			continue
		}
		<-c.hand
		select {
		case <-c.arrived:
		case <-c.quit:
			return
		}
	}
}

func (c *consumer) deliverOne(s *session, h *held) {
	d := &broker.Delivery{Queue: c.sub.Queue, Redelivered: h.deliveries > 0, Deliveries: int(h.deliveries), Tag: h.tag, Settler: s}
	if err := envelope.Decode(h.envelope, &d.Message); err != nil {
		c.b.log.Error("a stored message cannot be read and is dropped", "queue", c.sub.Queue, "message", h.id, "error", err)
		s.Reject(h.tag, false)
		return
	}
	d.Body = h.body
	h.envelope, h.body = nil, nil // in the file still, should they be needed
	c.sub.Deliver(d)
}
