package amqp

import (
	"context"
	"math/rand/v2"
	"time"
)

// A backoff spaces attempts: full jitter under an exponentially growing ceiling, so that a thousand workers that lost
// the same broker do not come back in step.
type backoff struct {
	first, most time.Duration
	n           int
}

// next returns how long to wait before the next attempt: between 0 and the ceiling, which doubles each time.
func (b *backoff) next() time.Duration {
	ceiling := b.most
	if b.n < 30 {
		ceiling = min(b.first<<b.n, b.most)
	}
	b.n++
	return rand.N(ceiling + 1)
}

// pause waits d, or less when ctx ends; it reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
