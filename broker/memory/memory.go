// Package memory is a broker inside the process, for tests and for trying things out.
//
// It is the whole model: direct, topic and fanout exchanges, bindings between them, priorities, expiry, dead-lettering,
// length limits, exclusive and auto-delete queues, prefetch and redelivery, with RabbitMQ's arguments and headers. Beyond
// RabbitMQ it delays messages (Message.NotBefore) and orders every queue by priority, also without x-max-priority, which
// here only lowers the highest one.
//
// The URL names a space: brokers opened as memory://shop in one process share its queues, as separate processes share a
// server's; memory:// without a name is a space of its own. A space is gone, with its messages, when its last broker is
// closed. Nothing survives the process, and only x-max-length and x-max-length-bytes bound what a queue holds.
//
// It waits on package time and channels alone, so all of it runs inside testing/synctest; a space must then be opened and
// closed within the bubble that uses it.
//
//	space ── one lock ── graph of exchanges
//	                  └─ queue ─ levels of ready messages ─► consumer, a goroutine each ─► Deliver
//	                           └ due: delayed and mortal messages, one timer
package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/umbel-go/umbel/broker"
)

func init() { broker.Register(Open, "memory") }

// A Broker is one link to a space. It is what another process's connection would be: exclusive queues are its own.
type Broker struct {
	space *space
	once  sync.Once
	err   error // of Close; written within once
	done  chan struct{}

	// Guarded by space.mu.
	closed    bool
	consumers map[*consumer]struct{}
}

var _ broker.Broker = (*Broker)(nil)

// Open enters the space that the first URL names. The only error is a URL or option that means nothing here.
func Open(_ context.Context, c broker.Config) (broker.Broker, error) {
	if len(c.URLs) == 0 {
		return nil, fmt.Errorf("open broker: no URL: set broker_url")
	}
	name, err := spaceName(c.URLs[0])
	if err != nil {
		return nil, err
	}
	for k := range c.Options {
		return nil, &broker.OpenError{URL: broker.MaskURL(c.URLs[0]), Op: "read options", Err: fmt.Errorf("option %q means nothing to a broker in memory", k),
			Hint: "remove it from broker_transport_options"}
	}
	return &Broker{space: enter(name), done: make(chan struct{}), consumers: make(map[*consumer]struct{})}, nil
}

// spaceName reads memory://name. Kombu's memory://localhost// names the space localhost.
func spaceName(url string) (string, error) {
	_, name, _ := strings.Cut(url, "://")
	name = strings.Trim(name, "/")
	if strings.ContainsAny(name, "?#@/") {
		return "", &broker.OpenError{URL: broker.MaskURL(url), Op: "read URL", Err: errors.New("the name of a space holds no / ? # or @"),
			Hint: "write memory://name and nothing else"}
	}
	return name, nil
}

// Traits says what a broker in memory can do.
func (b *Broker) Traits() broker.Traits {
	return broker.Traits{Delay: true, MaxPriority: 255, Redelivery: true, VirtualTime: true}
}

// Publish routes one message into its queues. It never waits.
func (b *Broker) Publish(ctx context.Context, m *broker.Message) error {
	sealed, err := seal(ctx, m)
	if err != nil {
		return notSent(m, err)
	}
	b.space.mu.Lock()
	defer b.space.unlock()
	return b.send(sealed)
}

// PublishBatch publishes the messages one after the other, with nobody else's between them.
func (b *Broker) PublishBatch(ctx context.Context, batch []*broker.Message) []error {
	var errs []error
	fail := func(i int, err error) {
		if errs == nil {
			errs = make([]error, len(batch))
		}
		errs[i] = err
	}
	sealed := make([]*parcel, len(batch))
	for i, m := range batch {
		var err error
		if sealed[i], err = seal(ctx, m); err != nil {
			fail(i, notSent(m, err))
		}
	}
	b.space.mu.Lock()
	defer b.space.unlock()
	for i, m := range sealed {
		if m == nil {
			continue
		}
		if err := b.send(m); err != nil {
			fail(i, err)
		}
	}
	return errs
}

func notSent(m *broker.Message, why error) error {
	return fmt.Errorf("publish to exchange %q with routing key %q: %w: %w", m.Exchange, m.RoutingKey, broker.ErrNotSent, why)
}

// send puts a sealed message into the queues it is routed to. The caller holds space.mu.
func (b *Broker) send(m *parcel) error {
	if b.closed {
		return notSent(&m.Message, broker.ErrClosed)
	}
	return b.space.send(m, time.Now())
}

// Declare creates what does not exist, in the order exchanges, queues, bindings. What comes before an error stays.
func (b *Broker) Declare(ctx context.Context, t broker.Topology) error {
	return b.do(ctx, "declare", func() error { return b.declare(t) })
}

// Delete removes queues, with their messages, and exchanges.
func (b *Broker) Delete(ctx context.Context, t broker.Topology) error {
	return b.do(ctx, "delete", func() error {
		for _, d := range t.Queues {
			if b.space.queues[d.Name] == nil {
				continue
			}
			q, err := b.queue(d.Name)
			if err != nil {
				return err
			}
			b.space.deleteQueue(q, fmt.Errorf("queue %q was deleted: %w", q.name, broker.ErrNoQueue))
		}
		for _, x := range t.Exchanges {
			if predeclared(x.Name) {
				return fmt.Errorf("delete exchange %q: it is the broker's own", x.Name)
			}
			b.space.deleteExchange(x.Name)
		}
		return nil
	})
}

// Stat counts one queue. Delayed messages are not ready.
func (b *Broker) Stat(ctx context.Context, queue string) (s broker.QueueStat, err error) {
	err = b.do(ctx, "stat", func() error {
		q, err := b.queue(queue)
		if err == nil {
			q.catchUp()
			s = broker.QueueStat{Name: queue, Ready: q.ready, Unsettled: q.unsettled, Consumers: len(q.consumers)}
		}
		return err
	})
	return s, err
}

// Purge removes the ready messages of a queue. Delayed ones stay.
func (b *Broker) Purge(ctx context.Context, queue string) (n int, err error) {
	err = b.do(ctx, "purge", func() error {
		q, err := b.queue(queue)
		if err == nil {
			q.catchUp()
			n = q.purge()
		}
		return err
	})
	return n, err
}

// queue finds a queue that this broker may use. The caller holds space.mu.
func (b *Broker) queue(name string) (*queue, error) {
	q := b.space.queues[name]
	if q == nil {
		return nil, fmt.Errorf("queue %q: %w", name, broker.ErrNoQueue)
	}
	if q.owner != nil && q.owner != b {
		return nil, fmt.Errorf("queue %q is exclusive to another connection", name)
	}
	return q, nil
}

// do runs one operation under the lock of the space.
func (b *Broker) do(ctx context.Context, what string, f func() error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	b.space.mu.Lock()
	defer b.space.unlock()
	err := broker.ErrClosed
	if !b.closed {
		err = f()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Done is closed by Close; a broker in memory has no connection to lose.
func (b *Broker) Done() <-chan struct{} { return b.done }

// Err is always nil.
func (b *Broker) Err() error { return nil }

// closeTimeout bounds how long Close waits for a Deliver that does not return.
const closeTimeout = 10 * time.Second

// Close gives back what is unsettled, deletes this broker's exclusive queues and ends its goroutines. It waits for calls
// of Deliver to return, 10 s at most, and must not be called from one.
func (b *Broker) Close() error {
	b.once.Do(func() { b.err = b.close() })
	return b.err
}

func (b *Broker) close() error {
	b.space.mu.Lock()
	b.closed = true
	var running []*consumer
	for c := range b.consumers {
		running = append(running, c)
	}
	for _, c := range running {
		c.end()
	}
	for _, q := range b.space.owned(b) {
		b.space.deleteQueue(q, fmt.Errorf("queue %q went with its connection: %w", q.name, broker.ErrNoQueue))
	}
	b.space.unlock()
	close(b.done)

	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var stuck []string
	for _, c := range running {
		if c.await(ctx) != nil {
			stuck = append(stuck, c.sub.Tag)
		}
	}
	b.space.leave()
	if len(stuck) > 0 {
		slices.Sort(stuck)
		return fmt.Errorf("close broker: Deliver of %s has not returned after %v: its goroutine is left behind", strings.Join(stuck, ", "), closeTimeout)
	}
	return nil
}
