package amqp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/broker"
)

func init() { broker.Register(Open, "amqp", "amqps", "pyamqp") }

// A Broker is a process's link to RabbitMQ. It implements broker.Broker.
type Broker struct {
	config    broker.Config
	endpoints []*endpoint // of publishing, and of consuming unless that has its own

	publishing *link
	consuming  *link

	ctx    context.Context // ends when Close begins to end the links
	cancel context.CancelFunc
	wg     sync.WaitGroup // the links' supervisors and every consumer

	ways *ways // back from the delay queues

	answer time.Duration // guardAnswer, unless a test is in a hurry

	conditions conditions
	dialer     net.Dialer   // resolves anew at each attempt
	latest     atomic.Int32 // index into endpoints of the one that was reached last, by any link that has these
	back       bell         // rung when a link has connected: the other need not wait any longer

	opening chan struct{} // cap 1: one caller at a time opens the consuming link

	mu        sync.Mutex
	consumes  bool // the consuming link runs
	closed    bool
	consumers map[*consumer]struct{}

	done chan struct{}
	end  sync.Once
	err  error // read only after done
}

// Open connects to the first URL that answers. It makes one attempt per URL, each bounded by ConnectTimeout, and
// returns a *broker.OpenError that tells what failed and what to do.
func Open(ctx context.Context, c broker.Config) (broker.Broker, error) {
	c = c.WithDefaults()
	all, err := endpoints(c.URLs, c)
	if err != nil {
		return nil, err
	}
	reading := all
	if len(c.ReadURLs) > 0 {
		if reading, err = endpoints(c.ReadURLs, c); err != nil {
			return nil, err
		}
	}
	b := &Broker{
		config: c, endpoints: all,
		opening:   make(chan struct{}, 1),
		consumers: make(map[*consumer]struct{}),
		done:      make(chan struct{}),
		answer:    guardAnswer,
	}
	b.ways = newWays(b, cmp.Or(c.DelayQueueType, quorumQueue))
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	pauses := backoff{first: backoffFirst, most: backoffMost}
	b.publishing = &link{broker: b, role: "publish", endpoints: all, latest: &b.latest, log: c.Log, flap: flapMost, wait: pauses, open: openLanes}
	b.consuming = &link{broker: b, role: "consume", endpoints: reading, latest: &b.latest, log: c.Log, flap: flapMost, wait: pauses, open: func(context.Context, *session) error { return nil }}
	listed := all
	if len(c.ReadURLs) > 0 {
		b.consuming.latest = new(atomic.Int32)
		listed = slices.Concat(all, reading)
	}
	if c.TLS != nil {
		for _, e := range listed {
			if !e.secure.on {
				c.Log.Warn("TLS settings are given, but this URL's scheme is not encrypted: use amqps", "broker", e.masked)
			}
		}
	}
	s, err := b.publishing.first(ctx)
	if err != nil {
		b.cancel()
		return nil, err
	}
	b.wg.Go(func() { b.publishing.run(b.ctx, s) })
	return b, nil
}

// consumeLink returns the consuming link, opened by the first caller.
func (b *Broker) consumeLink(ctx context.Context) (*link, error) {
	select {
	case b.opening <- struct{}{}:
		defer func() { <-b.opening }()
	case <-b.done:
		return nil, b.endError()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	b.mu.Lock()
	running, closed := b.consumes, b.closed
	b.mu.Unlock()
	if closed {
		return nil, broker.ErrClosed
	}
	if running {
		return b.consuming, nil
	}
	s, err := b.firstConsuming(ctx)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		s.abort()
		return nil, broker.ErrClosed
	}
	b.consuming.sessions.set(s) // before its supervisor runs: callers after us must see it
	b.consumes = true
	b.wg.Go(func() { b.consuming.run(b.ctx, s) })
	return b.consuming, nil
}

// firstConsuming connects the consuming link. A broker that was there and cannot be reached now is waited for like any
// loss; what only a change of settings can mend is an error at once.
func (b *Broker) firstConsuming(ctx context.Context) (*session, error) {
	s, err := b.consuming.first(ctx)
	if err == nil || ctx.Err() != nil || b.config.NoReconnect || !isPassing(err) {
		return s, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	if s, again := b.consuming.again(ctx, false); again == nil {
		return s, nil
	}
	if b.ctx.Err() != nil {
		return nil, b.endError()
	}
	return nil, err
}

// Traits implements broker.Broker.
func (b *Broker) Traits() broker.Traits {
	return broker.Traits{Durable: true, Remote: true, Delay: true, DelayStep: delayStep, MaxPriority: 255, Redelivery: true,
		AckTimeout: true}
}

// Done implements broker.Broker.
func (b *Broker) Done() <-chan struct{} { return b.done }

// Err implements broker.Broker.
func (b *Broker) Err() error {
	select {
	case <-b.done:
		return b.err
	default:
		return nil
	}
}

// fail ends the broker for good; the first reason stays.
func (b *Broker) fail(err error) {
	b.end.Do(func() {
		b.err = err
		close(b.done)
	})
	b.cancel() // the other link is of no use alone
}

// endError is what calls get after the end.
func (b *Broker) endError() error {
	if err := b.Err(); err != nil {
		return fmt.Errorf("%w: %w", broker.ErrClosed, err)
	}
	return broker.ErrClosed
}

// Close cancels the consumers, writes gathered acknowledgements, gives unsettled deliveries back and ends every
// goroutine. Publishes in flight fail. It is idempotent; only a Deliver that does not return can hold it, for a few
// seconds.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		<-b.done
		return nil
	}
	b.closed = true
	open := make([]*consumer, 0, len(b.consumers))
	for c := range b.consumers {
		open = append(open, c)
	}
	b.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), goodbye)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(open))
	for i, c := range open {
		wg.Go(func() { errs[i] = c.Close(ctx) })
	}
	wg.Wait()
	b.end.Do(func() { close(b.done) })
	b.cancel()
	b.wg.Wait()
	return errors.Join(errs...)
}
