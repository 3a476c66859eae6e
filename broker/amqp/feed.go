package amqp

import (
	"context"
	"sync"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/amqpwire"
)

// A feed is what the library hands us of one consumer tag.
type feed struct {
	in      <-chan amqp091.Delivery // closed by the library when the consumer is cancelled or the channel over
	settler *settler
	noAck   bool          // the broker has settled them itself
	drained chan struct{} // closed by the deliverer when in is exhausted
}

// feeds is the line in front of a consumer's deliverer. It is short: feeds of lost channels leave it, and a channel
// gets a new feed only when its old one is drained.
type feeds struct {
	mu     sync.Mutex
	queue  []*feed // not begun yet
	now    *feed   // being drained by the deliverer
	last   *settler
	closed bool

	headers amqpwire.Decoder // of what comes from the queue; the deliverer's own

	more  chan struct{} // cap 1: queue or closed has changed
	ended chan struct{} // closed when the deliverer has ended
}

func (f *feeds) init() {
	f.more = make(chan struct{}, 1)
	f.ended = make(chan struct{})
}

// push adds a feed; those of channels that are gone are dropped.
func (f *feeds) push(n *feed) {
	f.mu.Lock()
	kept := f.queue[:0]
	for _, old := range f.queue {
		if old.settler.isStale() {
			close(old.drained) // the library delivers nothing more of it
			continue
		}
		kept = append(kept, old)
	}
	f.queue = append(kept, n)
	f.last = n.settler
	f.mu.Unlock()
	f.signal()
}

func (f *feeds) signal() {
	select {
	case f.more <- struct{}{}:
	default:
	}
}

// close ends the deliverer once it has drained what is left, which the library has closed.
func (f *feeds) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.signal()
}

// run is the deliverer: the one goroutine that calls Deliver.
func (f *feeds) run(c *consumer) {
	defer close(f.ended)
	for {
		f.mu.Lock()
		if len(f.queue) == 0 {
			closed := f.closed
			f.now = nil
			f.mu.Unlock()
			if closed {
				return
			}
			<-f.more
			continue
		}
		f.now, f.queue = f.queue[0], f.queue[1:]
		now := f.now
		f.mu.Unlock()
		now.settler.window.Store(c.prefetch.Load())
		for d := range now.in {
			now.take(c, &d)
		}
		close(now.drained)
	}
}

// take hands one delivery over, or back.
func (f *feed) take(c *consumer, d *amqp091.Delivery) {
	if f.noAck {
		if !c.stopped.Load() {
			c.sub.Deliver(received(d, &c.feeds.headers, c.sub.Queue, settledAlready{}))
		}
		return
	}
	if !f.settler.hand(d.DeliveryTag) {
		return // its channel is gone: the broker hands it out again
	}
	defer f.settler.returned.Add(1)
	if c.stopped.Load() {
		_ = f.settler.Reject(d.DeliveryTag, true)
		return
	}
	if c.sub.NoAck {
		_ = f.settler.Ack(d.DeliveryTag)
	}
	c.sub.Deliver(received(d, &c.feeds.headers, c.sub.Queue, f.settler))
}

// settled waits until no cancelled consumer has deliveries left: at most the newest feed is open.
func (f *feeds) settled(ctx context.Context) error {
	for {
		f.mu.Lock()
		var old *feed
		if f.now != nil && len(f.queue) > 0 {
			old = f.now
		} else if len(f.queue) > 1 {
			old = f.queue[0]
		}
		f.mu.Unlock()
		if old == nil {
			return nil
		}
		if err := f.wait(ctx, old); err != nil {
			return err
		}
	}
}

// idle waits until nothing is left to deliver. The consumer must have been cancelled.
func (f *feeds) idle(ctx context.Context) error {
	for {
		f.mu.Lock()
		next := f.now
		if len(f.queue) > 0 {
			next = f.queue[len(f.queue)-1]
		}
		f.mu.Unlock()
		if next == nil {
			return nil
		}
		if err := f.wait(ctx, next); err != nil {
			return err
		}
	}
}

func (f *feeds) wait(ctx context.Context, x *feed) error {
	select {
	case <-x.drained:
	case <-f.ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	// The deliverer forgets a drained feed only when it looks for the next one.
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now == x {
		f.now = nil
	}
	return nil
}

// latest returns the settler of the newest session.
func (f *feeds) latest() *settler {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// settledAlready settles deliveries that the broker took as settled when it sent them.
type settledAlready struct{}

func (settledAlready) Ack(uint64) error          { return broker.ErrSettled }
func (settledAlready) Reject(uint64, bool) error { return broker.ErrSettled }
