package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/broker"
)

// pauses between attempts while the file refuses.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
	closeTries = 4
)

// run writes rounds until the consumer ends.
func (c *consumer) run() {
	defer close(c.quit)
	defer c.finish()
	pause, tries := firstPause, 0
	for {
		last, again, err := c.round()
		var lost *lostError
		switch {
		case errors.As(err, &lost):
			if !c.restore(lost.why) {
				return
			}
		case err != nil:
			if c.at(closing) {
				if tries++; tries == closeTries || errors.Is(err, broker.ErrClosed) {
					c.mu.Lock()
					c.err = fmt.Errorf("close consumer %q: what it held comes back when its broker is closed: %w", c.sub.Tag, err)
					c.mu.Unlock()
					return
				}
			}
			c.b.log.Warn("cannot write to the broker's file; trying again", "queue", c.sub.Queue, "in", pause, "error", err)
			c.sleep(pause)
			pause = min(2*pause, lastPause)
		default:
			pause = firstPause
			if last {
				return
			}
			if !again {
				<-c.wake
			}
		}
	}
}

func (c *consumer) at(p phase) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase >= p
}

// sleep waits, but no longer than until the consumer begins to close.
func (c *consumer) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	was := c.at(closing)
	for {
		select {
		case <-t.C:
			return
		case <-c.wake:
			if !was && c.at(closing) {
				return
			}
		}
	}
}

// finish answers whoever still waits.
func (c *consumer) finish() {
	c.mu.Lock()
	c.phase = ended
	flushers := c.flushers
	c.flushers = nil
	s := c.s
	c.mu.Unlock()
	s.end()
	for _, f := range flushers {
		f <- nil
	}
}

// A lostError ends a session.
type lostError struct{ why error }

func (e *lostError) Error() string { return e.why.Error() }

// round writes one round if there is anything to write. It reports whether it was the last one, which gave everything
// back, and whether another one may follow at once.
func (c *consumer) round() (last, again bool, err error) {
	c.mu.Lock()
	s, p, look := c.s, c.phase, c.look
	r, room, work := s.gather(p, c.prefetch, look)
	flushers := c.flushers
	c.flushers = nil
	c.look = look && room == 0 // look again when there is room
	first := p >= stopping && !c.hasStopped() || p >= closing || c.check
	c.check = false
	if !work && len(flushers) == 0 && !first {
		c.mu.Unlock()
		return false, false, nil
	}
	c.busy = true
	c.mu.Unlock()

	err = closed(c.b.file.Write(context.Background(), r.write))
	if err == nil && r.lost != nil {
		err = &lostError{r.lost}
	}
	var lost *lostError
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	switch {
	case errors.As(err, &lost):
		for _, f := range flushers {
			f <- broker.ErrStale
		}
		return false, false, err
	case err != nil:
		r.undo()
		c.look = c.look || look
		c.flushers = append(flushers, c.flushers...)
		return false, false, err
	}
	r.done()
	for _, f := range flushers {
		f <- nil
	}
	if p >= stopping && !c.hasStopped() {
		close(c.stopped)
	}
	if len(r.taken.live) > 0 {
		signal(c.arrived)
	}
	c.look = c.look || r.taken.more
	return p >= closing, c.look || c.phase > p, nil
}

// hasStopped reports whether stopped is closed. Only run closes it.
func (c *consumer) hasStopped() bool {
	select {
	case <-c.stopped:
		return true
	default:
		return false
	}
}

// restore begins a new session after a loss. It reports false when the consumer has ended.
func (c *consumer) restore(why error) bool {
	c.mu.Lock()
	old := c.s
	c.mu.Unlock()
	old.end()
	if c.at(stopping) {
		return false // nothing to restore: what it held is given out by others
	}
	if errors.Is(why, errOwnerGone) {
		c.b.disown(old.owner)
	}
	c.b.log.Warn("consumer lost", "queue", c.sub.Queue, "error", why)
	c.notify(broker.ConsumerLost, why)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		s, err := c.b.register(context.Background(), c)
		switch {
		case err == nil:
			c.mu.Lock()
			c.s, c.look = s, true
			c.mu.Unlock()
			c.b.log.Info("consumer restored", "queue", c.sub.Queue)
			c.notify(broker.ConsumerRestored, nil)
			return true
		case errors.Is(err, broker.ErrClosed):
			return false
		case !errors.Is(err, errPassing):
			c.b.log.Error("consumer cannot be restored", "queue", c.sub.Queue, "error", err)
			c.notify(broker.ConsumerFailed, err)
			return false
		}
		c.sleep(pause)
		if c.at(stopping) {
			return false
		}
	}
}

func (c *consumer) notify(s broker.ConsumerState, err error) {
	if c.sub.Notify != nil {
		c.sub.Notify(s, err)
	}
}
