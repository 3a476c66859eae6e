package amqp

// The guard: a consumer that gets nothing although messages are ready and there is room for them is renewed. RabbitMQ has lost
// consumers without a word to their client, when a queue moved between nodes or a channel was closed half.
//
//	quiet for a while, room in the window ─► look at the queue ─► nothing ready: look again later, each time later than before
//	                                                 │
//	                                                 ▼ ready, and a moment later still quiet, still ready
//	                       renew: a new consumer on the channel → a new channel → a new connection
//
// A consumer that gets deliveries is never looked at, and one that gets none costs three frames, at first after guardFirst, in
// the end once in guardMost.

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	guardMost    = 60               // times the first wait: the longest one
	guardConfirm = 5 * time.Second  // between two looks, the second of which decides; less where the first wait is
	guardAnswer  = 20 * time.Second // how long the broker may take to answer
)

// errStarved is why a consumer is renewed that the broker seems to have forgotten.
var errStarved = errors.New("messages are ready and there is room for them, but the broker delivers none: it has lost the consumer")

// A footprint is how far a consumer's deliveries have come.
type footprint struct {
	settler *settler
	handed  uint64
}

// footprint also says whether the consumer could take a delivery now.
func (c *consumer) footprint() (now footprint, room bool) {
	s := c.feeds.latest()
	if s == nil || c.stopped.Load() {
		return now, false
	}
	handed, unsettled, idle := s.load()
	now = footprint{settler: s, handed: handed}
	window := c.prefetch.Load()
	if c.sub.NoAck {
		window = autoPrefetch
	}
	return now, idle && window >= 0 && (window == 0 || unsettled < window)
}

// guard watches over the consumer until it ends. first is how long it may be quiet before its queue is looked at.
func (c *consumer) guard(first time.Duration) {
	wait, tries := first, 0
	before, _ := c.footprint()
	for c.rest(wait) {
		now, room := c.footprint()
		if now != before {
			before, wait, tries = now, first, 0
			continue
		}
		if !room {
			continue
		}
		wait = min(2*wait, guardMost*first)
		ready, ok := c.starves(before)
		if !ok || !c.rest(min(first, guardConfirm)) {
			continue
		}
		if _, ok = c.starves(before); !ok {
			continue
		}
		c.broker.config.Log.Warn("a queue has messages and its consumer gets none; renewing the consumer", "queue", c.sub.Queue, "ready", ready,
			"attempt", tries+1)
		c.renew(before, tries)
		tries++
		before, _ = c.footprint()
	}
}

// rest waits; false when the consumer has ended.
func (c *consumer) rest(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return c.ctx.Err() == nil
	case <-c.ended:
	case <-c.ctx.Done():
	}
	return false
}

// starves reports whether nothing has come since before, though there is room and something ready. A broker that shows no
// consumer at all on the queue has lost this one, ready messages or not.
func (c *consumer) starves(before footprint) (ready int, yes bool) {
	ctx, cancel := context.WithTimeout(c.ctx, c.broker.answer)
	defer cancel()
	stat, err := c.broker.Stat(ctx, c.sub.Queue)
	if err != nil || stat.Ready == 0 && stat.Consumers > 0 {
		return 0, false
	}
	now, room := c.footprint()
	return stat.Ready, room && now == before
}

// renew gets the consumer going again: the first time by another consumer on its channel, which leaves alone what is unsettled
// there; if nothing is, or that did not help, by another channel; and when the channel does not answer, by another connection.
func (c *consumer) renew(before footprint, tries int) {
	ctx, cancel := context.WithTimeout(c.ctx, c.broker.answer)
	defer cancel()
	err := c.ask(ctx, func(sd *subscribed) error {
		if sd == nil || sd.settler != before.settler {
			return nil // it is being restored already
		}
		if _, unsettled, _ := sd.settler.load(); unsettled == 0 || tries > 0 || c.sub.NoAck {
			sd.condemned = errStarved
			return nil
		}
		if err := c.swap(sd); err != nil && !sd.lost(err) {
			sd.condemned = fmt.Errorf("%w, and refuses another: %w", errStarved, err)
		}
		return nil
	})
	if err == nil || c.ctx.Err() != nil || ctx.Err() == nil {
		return
	}
	if s := c.broker.consuming.sessions.get(); s != nil {
		c.broker.config.Log.Error("a consumer's channel does not answer, dropping the connection", "queue", c.sub.Queue)
		s.t.drop(fmt.Errorf("given up, for the channel of the consumer of queue %q does not answer", c.sub.Queue))
	}
}
