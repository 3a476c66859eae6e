package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/broker"
)

// held counts a consumer's deliveries that wait for their ETA. The prefetch is widened by as many, in steps, so that they
// do not keep others from coming. Celery: the consumer's QoS increment for ETA tasks.
type held struct {
	mu    sync.Mutex // guards what follows
	n     int        // deliveries held for their ETA
	turns int        // deliveries held for their turn under a rate limit
	extra int        // prefetch wanted on top because of them
	pause pauses     // why nothing is to be delivered; 0: it is

	renewed   int  // see renewed.go
	narrowing int  // renewals on their way: nothing is to be delivered meanwhile
	exact     bool // the window follows from what is unsettled

	asking sync.Mutex // held while the broker is asked for another prefetch; guards what follows
	aimed  int        // what the latest exact window was for; -1: none stands
	left   int        // what was unsettled then, if it was much

	lost atomic.Bool // the consumer was, since the latest exact window

	changed chan struct{} // 1: extra or pause is another
	stopped chan struct{} // closed when widen has ended
}

// turnsMost is how many deliveries that wait for their turn under a rate limit widen the prefetch. More of them take up
// the prefetch itself, as in Celery: else one worker would draw a whole queue of limited tasks to itself.
const turnsMost = 64

// hold counts delta more deliveries that wait for their ETA. It never waits: it runs on the driver's goroutine, for which SetPrefetch may wait.
func (c *consumer) hold(delta int) { c.holdBoth(delta, 0) }

// holdTurn is hold for deliveries that wait for their turn.
func (c *consumer) holdTurn(delta int) { c.holdBoth(0, delta) }

func (c *consumer) holdBoth(etas, turns int) {
	if c.worker.prefetch == 0 {
		return
	}
	h := &c.held
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n += etas
	h.turns += turns
	n := h.n + min(h.turns, turnsMost)
	extra := h.extra
	switch {
	case n > extra:
		extra = max(extra, 16)
		for extra < n {
			extra *= 2
		}
	case n == 0:
		extra = 0
	case n < extra/4:
		extra /= 2
	}
	extra = min(extra, maxPrefetch-c.worker.prefetch)
	if extra == h.extra {
		return
	}
	h.extra = extra
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// widen asks the broker for the prefetch wanted, until ctx ends.
func (c *consumer) widen(ctx context.Context) {
	h := &c.held
	defer close(h.stopped)
	var look, again <-chan time.Time
	if c.pacing != nil {
		ticker := time.NewTicker(pacingEvery)
		defer ticker.Stop()
		look = ticker.C
	}
	for {
		select {
		case <-h.changed:
		case <-look:
			if c.repace(); int64(c.prefetchNow()) == c.asked.Load() {
				continue
			}
		case <-again:
		case <-ctx.Done():
			return
		}
		if again = nil; c.ask(ctx) {
			again = time.After(narrowAgain)
		}
	}
}

// ask asks the broker for the prefetch that is wanted now. It reports whether it should be asked again soon.
func (c *consumer) ask(ctx context.Context) (again bool) {
	h := &c.held
	h.asking.Lock()
	defer h.asking.Unlock()
	h.mu.Lock()
	n := c.prefetchNow()
	c.asked.Store(int64(n))
	if n > 0 {
		n = min(n+h.extra, maxPrefetch)
	}
	n = c.window(n)
	paused, exact, renewed := h.pause != 0 || h.narrowing > 0, h.exact && n > 0, h.renewed
	h.mu.Unlock()
	switch {
	case paused:
		h.aimed = -1
		c.setPrefetch(ctx, broker.Paused)
	case exact:
		return c.askExactly(ctx, n, renewed)
	default:
		c.setPrefetch(ctx, n)
	}
	return false
}

func (c *consumer) setPrefetch(ctx context.Context, n int) {
	if err := c.sub.SetPrefetch(ctx, n); err != nil && ctx.Err() == nil {
		c.worker.log.Warn("cannot change prefetch", "queue", c.queue.Name, "prefetch", n, "error", err)
	}
}

// window is the prefetch that the broker is asked for. No limit is one all the same where the lease must see every delivery.
func (c *consumer) window(prefetch int) int {
	if prefetch == 0 && c.worker.lease != nil {
		return maxPrefetch
	}
	return prefetch
}

// pauses are the reasons for which a consumer takes nothing, each by its own.
type pauses uint8

const pausedByLease pauses = 1 << iota // every slot has a long task

// pauseNow stops deliveries and returns when the broker has agreed, as long as ctx allows.
func (c *consumer) pauseNow(ctx context.Context, why pauses) {
	if c.setPause(why, true) {
		c.ask(ctx)
	}
}

// resume lets deliveries go on, soon, unless there is another reason.
func (c *consumer) resume(why pauses) {
	if c.setPause(why, false) {
		signal(c.held.changed)
	}
}

// setPause reports whether it changed whether deliveries are wanted.
func (c *consumer) setPause(why pauses, on bool) bool {
	h := &c.held
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.pause
	if on {
		h.pause |= why
	} else {
		h.pause &^= why
	}
	return (was == 0) != (h.pause == 0)
}
