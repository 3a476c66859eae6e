package amqp

import (
	"context"
	"sync"
	"sync/atomic"
)

// A latch holds a value that comes and goes, such as the session of a connection that is lost and made again. Reading
// it while it is there costs one atomic load.
type latch[T any] struct {
	cur atomic.Pointer[T]

	mu    sync.Mutex
	ready chan struct{} // closed by the next set or end; nil while nobody waits
	end   error         // set once: no value will come again
}

// get returns the value, nil when it is away.
func (l *latch[T]) get() *T { return l.cur.Load() }

// set brings a value.
func (l *latch[T]) set(v *T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end != nil {
		return
	}
	l.cur.Store(v)
	l.wakeLocked()
}

// clear takes the value away if it is still v. Whoever sees first that v is broken may call it.
func (l *latch[T]) clear(v *T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cur.CompareAndSwap(v, nil)
}

// finish says that no value will come again; waiters get err.
func (l *latch[T]) finish(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end == nil {
		l.end = err
	}
	l.cur.Store(nil)
	l.wakeLocked()
}

func (l *latch[T]) wakeLocked() {
	if l.ready != nil {
		close(l.ready)
		l.ready = nil
	}
}

// wait returns the value as soon as it is there, the error of finish, or ctx's cause.
func (l *latch[T]) wait(ctx context.Context) (*T, error) {
	for {
		if v := l.cur.Load(); v != nil {
			return v, nil
		}
		l.mu.Lock()
		if v := l.cur.Load(); v != nil || l.end != nil {
			err := l.end
			l.mu.Unlock()
			if v != nil {
				return v, nil
			}
			return nil, err
		}
		if l.ready == nil {
			l.ready = make(chan struct{})
		}
		ready := l.ready
		l.mu.Unlock()
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
