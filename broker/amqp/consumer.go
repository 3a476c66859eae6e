package amqp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
)

const (
	// autoPrefetch is the window of a NoAck subscription. Taking deliveries without any acknowledgement would let the
	// broker push without limit into the library's buffer; instead each is acked by us as it is handed over.
	autoPrefetch = 256

	// directReply is RabbitMQ's pseudo-queue, which may only be consumed without acknowledgements.
	directReply = "amq.rabbitmq.reply-to"

	restoreFirst = 100 * time.Millisecond
	restoreMost  = 30 * time.Second
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

// A subscribed is one session of a consumer: one channel's life.
type subscribed struct {
	s       *session
	ch      *amqp091.Channel
	settler *settler
	tag     string // of the consumer that stands on this channel
	serial  int    // how many consumers the channel has had
	cancels chan string
	closes  chan *amqp091.Error
	gone    chan struct{} // closed by the supervisor when it leaves the channel
	wg      sync.WaitGroup
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
	return c, nil
}

func checkPrefetch(n int) error {
	if n < 0 || n > math.MaxUint16 {
		return fmt.Errorf("prefetch %d is not from 0 to %d", n, math.MaxUint16)
	}
	return nil
}

// firstChannel subscribes for the first time. A connection that is lost meanwhile is waited for as long as ctx allows.
func (c *consumer) firstChannel(ctx context.Context, l *link) (*subscribed, error) {
	for {
		s, err := l.session(ctx)
		if err != nil {
			return nil, err
		}
		sd, err := c.subscribe(ctx, s)
		if err == nil || ctx.Err() != nil || !s.isGone() {
			return sd, err
		}
		l.sessions.clear(s)
	}
}

// subscribe opens a channel, declares what the subscription asks for and starts the consumer, as long as ctx allows.
func (c *consumer) subscribe(ctx context.Context, s *session) (*subscribed, error) {
	type result struct {
		sd  *subscribed
		err error
	}
	done := make(chan result, 1)
	var decided atomic.Bool // set by whoever comes first: the result, or the end of ctx
	alive := s.spawn(func() {
		sd, err := c.subscribeNow(s)
		if decided.CompareAndSwap(false, true) {
			done <- result{sd, err}
		} else if err == nil {
			c.leave(sd) // nobody waits for it any more
		}
	})
	if !alive {
		return nil, s.lostError()
	}
	select {
	case r := <-done:
		return r.sd, r.err
	case <-ctx.Done():
		if decided.CompareAndSwap(false, true) {
			return nil, context.Cause(ctx)
		}
		r := <-done
		return r.sd, r.err
	}
}

func (c *consumer) subscribeNow(s *session) (*subscribed, error) {
	ch, err := s.channel()
	if err != nil {
		return nil, err
	}
	sd := &subscribed{
		s: s, ch: ch, settler: newSettler(ch, s.t),
		cancels: ch.NotifyCancel(make(chan string, 16)),
		closes:  ch.NotifyClose(make(chan *amqp091.Error, 1)),
		gone:    make(chan struct{}),
	}
	err = declare(ch, c.sub.Declare)
	if err == nil {
		err = c.consume(sd)
	}
	if err != nil {
		if !ch.IsClosed() {
			_ = ch.Close()
		}
		return nil, err
	}
	sd.wg.Go(func() { sd.settler.run(sd.gone) })
	return sd, nil
}

// consume starts one more consumer on the channel, under the prefetch of now, and makes it the channel's own.
func (c *consumer) consume(sd *subscribed) error {
	prefetch, noAck := int(c.prefetch.Load()), false
	if c.sub.NoAck {
		prefetch = autoPrefetch
		noAck = c.sub.Queue == directReply
	}
	// Not global: it then holds for consumers started after it, each by itself.
	if err := sd.ch.Qos(prefetch, 0, false); err != nil {
		return fmt.Errorf("set prefetch %d: %w", prefetch, plain(err))
	}
	tag := c.tag
	if sd.serial > 0 {
		tag += "." + strconv.Itoa(sd.serial)
	}
	in, err := sd.ch.Consume(c.sub.Queue, tag, noAck, c.sub.Exclusive, false, false, nil)
	if err != nil {
		return queueError("consume", c.sub.Queue, err)
	}
	sd.tag = tag
	sd.serial++
	c.feeds.push(&feed{in: in, settler: sd.settler, noAck: noAck, drained: make(chan struct{})})
	return nil
}

// leave closes the channel: the broker takes back what is unsettled on it.
func (c *consumer) leave(sd *subscribed) {
	close(sd.gone)
	sd.wg.Wait()
	if !sd.ch.IsClosed() {
		_ = sd.ch.Close()
	}
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
		c.broker.config.Log.Warn("consumer lost", "queue", c.sub.Queue, "reason", why)
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
				return plain(e)
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

// restore subscribes again: at once, then after growing pauses. The result is nil, nil when Stop was called meanwhile.
func (c *consumer) restore(l *link, why error) (*subscribed, error) {
	ctx, cancel := context.WithCancel(c.ctx)
	type result struct {
		sd  *subscribed
		err error
	}
	done := make(chan result, 1)
	c.broker.wg.Go(func() {
		sd, err := c.restoring(ctx, l, why)
		done <- result{sd, err}
	})
	defer cancel()
	for {
		select {
		case r := <-done:
			return r.sd, r.err
		case op := <-c.ops:
			err := op.run(nil)
			if c.stopped.Load() {
				cancel()
				if r := <-done; r.sd != nil {
					c.leave(r.sd)
				}
				op.done <- err
				return nil, nil
			}
			op.done <- err
		}
	}
}

func (c *consumer) restoring(ctx context.Context, l *link, why error) (*subscribed, error) {
	wait := backoff{first: restoreFirst, most: restoreMost}
	for {
		s, err := l.sessions.wait(ctx)
		if err != nil {
			return nil, err
		}
		sd, err := c.subscribe(ctx, s)
		if err == nil {
			return sd, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if s.isGone() {
			l.sessions.clear(s)
			continue
		}
		if isFinal(err) {
			return nil, fmt.Errorf("%w (it was lost because: %w)", err, why)
		}
		c.broker.config.Log.Error("cannot restore consumer", "queue", c.sub.Queue, "error", err)
		if !pause(ctx, wait.next()) {
			return nil, context.Cause(ctx)
		}
	}
}

// isFinal reports whether trying again cannot help: the queue is gone and not ours to declare, we may not use it, or it
// exists with other arguments. A queue whose node is down, or that a dying connection still holds, comes back.
func isFinal(err error) bool {
	var drift *broker.DriftError
	if errors.As(err, &drift) {
		return true
	}
	e := said(err)
	if e == nil {
		return false
	}
	switch e.Code {
	case amqp091.NotFound:
		return !strings.Contains(e.Reason, "home node") && !strings.Contains(e.Reason, "inaccessible")
	case amqp091.AccessRefused:
		return !strings.Contains(e.Reason, "exclusive use")
	}
	return false
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
	if err := checkPrefetch(n); err != nil {
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
		old := sd.tag
		if c.sub.Exclusive { // two would refuse each other
			if err := sd.ch.Cancel(old, false); err != nil {
				return fmt.Errorf("cancel consumer %q: %w", old, plain(err))
			}
			return c.consume(sd)
		}
		if err := c.consume(sd); err != nil {
			return err
		}
		if err := sd.ch.Cancel(old, false); err != nil {
			return fmt.Errorf("cancel consumer %q: %w", old, plain(err))
		}
		return nil
	})
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
		if err := sd.ch.Cancel(tag, false); err != nil && !sd.ch.IsClosed() {
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
	if err := s.flush(ctx); err != nil && !errors.Is(err, broker.ErrStale) {
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
