package worker

import (
	"context"
	"sync"
)

// held counts a consumer's deliveries that wait for their ETA. The prefetch is widened by as many, in steps, so that they
// do not keep others from coming. Celery: the consumer's QoS increment for ETA tasks.
type held struct {
	mu    sync.Mutex // guards what follows
	n     int        // deliveries held
	extra int        // prefetch wanted on top because of them

	changed chan struct{} // 1: extra is another
	stopped chan struct{} // closed when widen has ended
}

// hold counts delta more deliveries. It never waits: it runs on the driver's goroutine, for which SetPrefetch may wait.
func (c *consumer) hold(delta int) {
	if c.worker.prefetch == 0 {
		return
	}
	h := &c.held
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n += delta
	extra := h.extra
	switch {
	case h.n > extra:
		extra = max(extra, 16)
		for extra < h.n {
			extra *= 2
		}
	case h.n == 0:
		extra = 0
	case h.n < extra/4:
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
	for {
		select {
		case <-h.changed:
		case <-ctx.Done():
			return
		}
		h.mu.Lock()
		n := c.worker.prefetch + h.extra
		h.mu.Unlock()
		if err := c.sub.SetPrefetch(ctx, n); err != nil && ctx.Err() == nil {
			c.worker.log.Warn("cannot change prefetch", "queue", c.queue.Name, "prefetch", n, "error", err)
		}
	}
}
