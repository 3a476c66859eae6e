package amqp

import (
	"context"
	"fmt"
	"strconv"
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
)

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

	condemned error // why the supervisor shall leave the channel; its own
}

// firstChannel subscribes for the first time. A connection that is lost meanwhile is waited for as long as ctx allows; an
// exclusive queue that the lost one had declared may still be held for it, and comes free.
func (c *consumer) firstChannel(ctx context.Context, l *link) (*subscribed, error) {
	wait := backoff{first: restoreFirst, most: restoreMost}
	var lost time.Time
	for {
		s, err := l.session(ctx)
		if err != nil {
			return nil, err
		}
		sd, err := c.subscribe(ctx, s)
		switch {
		case err == nil || ctx.Err() != nil:
			return sd, err
		case s.isGone():
			lost = time.Now()
			l.sessions.clear(s)
		case !isLocked(err) || lost.IsZero() || time.Since(lost) > lockedMost || !pause(ctx, wait.next()):
			return sd, err
		}
	}
}

// lockedMost is how long a broker may take to let go of what a lost connection held: two heartbeats and more.
const lockedMost = 3 * time.Minute

// isLocked reports that another connection holds an exclusive queue.
func isLocked(err error) bool {
	e := said(err)
	return e != nil && e.Code == amqp091.ResourceLocked
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
	if err := declare(ch, c.sub.Declare); isForbidden(err) {
		// The refusal has closed the channel.
		if err := declareStanding(s.run, c.sub.Declare); err != nil {
			return nil, err
		}
		if ch, err = s.channel(); err != nil {
			return nil, err
		}
	} else if err != nil {
		if !ch.IsClosed() {
			_ = ch.Close()
		}
		return nil, err
	}
	sd := &subscribed{
		s: s, ch: ch, settler: newSettler(ch, s.t),
		cancels: ch.NotifyCancel(make(chan string, 16)),
		closes:  ch.NotifyClose(make(chan *amqp091.Error, 1)),
		gone:    make(chan struct{}),
	}
	if err := c.consume(sd); err != nil {
		if !ch.IsClosed() {
			_ = ch.Close()
		}
		return nil, err
	}
	c.broker.ways.note(c.sub.Declare)
	if err := c.broker.ways.welcome(c.ctx, c.sub.Declare); err != nil && c.ctx.Err() == nil {
		c.broker.config.Log.Error("what Celery's own senders delay cannot come to this queue", "queue", c.sub.Queue, "error", err)
	}
	sd.wg.Go(func() { sd.settler.run(sd.gone) })
	return sd, nil
}

// consume starts one more consumer on the channel, under the prefetch of now, and makes it the channel's own. Paused, the
// channel has none.
func (c *consumer) consume(sd *subscribed) error {
	prefetch, noAck := int(c.prefetch.Load()), false
	if prefetch == broker.Paused && !c.sub.NoAck {
		sd.tag = ""
		return nil
	}
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

// swap replaces the channel's consumer by one with the prefetch of now.
func (c *consumer) swap(sd *subscribed) error {
	old := sd.tag
	if old == "" { // it was paused
		return c.consume(sd)
	}
	if c.sub.Exclusive || c.prefetch.Load() == broker.Paused { // exclusive ones would refuse each other
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
}

// lost reports whether an operation failed because its channel or connection went away under it, and not because the
// broker refused it.
func (sd *subscribed) lost(err error) bool { return said(err) == nil || sd.s.isGone() }
