package worker

// A task whose delivery was renewed (lease.go) is held by a parked copy, which its work queue's window does not count: the
// broker would send one message more for each. So the window becomes smaller by as many, until they end.
//
// On AMQP another window is another consumer, against which nothing counts that the old one has handed out. It is therefore
// asked for while nothing is delivered, less what is unsettled, and again until that is little.

import (
	"context"
	"time"

	"github.com/umbel-go/umbel/broker"
)

// narrowAgain is how soon a window that is too small, because of what was unsettled when it was asked for, is asked for again.
const narrowAgain = 250 * time.Millisecond

// narrow counts one renewed task in and stops deliveries until widenAgain. It returns when the broker has agreed, as long as
// ctx allows.
func (c *consumer) narrow(ctx context.Context) {
	h := &c.held
	h.mu.Lock()
	h.renewed++
	h.narrowing++
	h.exact = true
	h.mu.Unlock()
	c.ask(ctx)
}

// widenAgain lets deliveries go on after narrow.
func (c *consumer) widenAgain() {
	h := &c.held
	h.mu.Lock()
	h.narrowing--
	h.mu.Unlock()
	signal(h.changed)
}

// unrenewed counts one renewed task out: it has ended.
func (c *consumer) unrenewed() {
	h := &c.held
	h.mu.Lock()
	h.renewed = max(h.renewed-1, 0)
	h.mu.Unlock()
	signal(h.changed)
}

// noneRenewed says that the copies went back to the work queue with their connection.
func (c *consumer) noneRenewed() {
	h := &c.held
	h.mu.Lock()
	h.renewed = 0
	h.mu.Unlock()
	signal(h.changed)
}

// restored has an exact window asked for anew: what was unsettled when it was is the broker's again.
func (c *consumer) restored() {
	h := &c.held
	h.mu.Lock()
	exact := h.exact
	h.mu.Unlock()
	if exact {
		h.lost.Store(true)
		signal(h.changed)
	}
}

// askExactly asks for a window that lets no more than limit be held, with what is unsettled and what is renewed. While that is
// much the window is smaller than it will have to be when it is settled, and to be asked for again; what is little, a quarter
// at most, is let come on top. asking is held.
func (c *consumer) askExactly(ctx context.Context, limit, renewed int) (again bool) {
	h := &c.held
	aim := max(limit-renewed, 0)
	if h.lost.Swap(false) {
		h.aimed = -1
	}
	if aim == h.aimed && (h.left == 0 || h.left == c.unsettled()) {
		return h.left > 0 && aim > 0 // what was asked for is right still
	}
	c.setPrefetch(ctx, broker.Paused)
	h.aimed, h.left = aim, c.unsettled()
	switch {
	case 4*h.left <= aim:
		h.left = 0
		if aim > 0 {
			c.setPrefetch(ctx, aim)
		}
	case h.left < aim:
		c.setPrefetch(ctx, aim-h.left)
		return true
	default:
		return aim > 0
	}
	if renewed == 0 {
		h.mu.Lock()
		h.exact = h.renewed > 0
		h.mu.Unlock()
	}
	return false
}
