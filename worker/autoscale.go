package worker

// Autoscaling: the pool grows at once with the tasks that are reserved, and shrinks when it has not grown for a while.
// Celery: celery/worker/autoscale.py.

import (
	"fmt"
	"sync"
	"time"
)

// An Autoscale is the range in which a pool's size follows its load. The zero value is none: the pool keeps its size.
// Celery: --autoscale=max,min.
type Autoscale struct {
	Max, Min int
}

func (a Autoscale) check(most int) error {
	if a.Max < 1 || a.Max > most || a.Min < 0 || a.Min > a.Max {
		return fmt.Errorf("autoscale is %d,%d: want MAX,MIN with MAX from 1 to %d and MIN from 0 to MAX", a.Max, a.Min, most)
	}
	return nil
}

// An autoscaler changes the pool's size.
type autoscaler struct {
	worker    *Worker
	keepalive time.Duration
	poke      chan struct{} // 1: there may be more to do than slots
	stop      chan struct{}
	stopped   chan struct{}

	mu    sync.Mutex // guards what follows
	scale Autoscale
	grown time.Time // when it grew last; zero: never
}

func newAutoscaler(w *Worker, a Autoscale, keepalive time.Duration) *autoscaler {
	return &autoscaler{worker: w, scale: a, keepalive: keepalive, poke: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{})}
}

// noticed is called for each task that is reserved. It is nil for pools that keep their size.
func (s *autoscaler) noticed(load, size int64) {
	if s == nil || load <= size {
		return
	}
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// run scales until close is called. It sleeps without a timer while the pool is as small as it may be.
func (s *autoscaler) run() {
	defer close(s.stopped)
	var later *time.Timer
	for {
		wait := s.adjust()
		var due <-chan time.Time
		if wait > 0 {
			later = time.NewTimer(wait)
			due = later.C
		}
		select {
		case <-s.poke:
		case <-due:
		case <-s.stop:
		}
		if later != nil {
			later.Stop()
		}
		select {
		case <-s.stop:
			return
		default:
		}
	}
}

// adjust scales once, and says when to look again; 0 is when there is more to do.
func (s *autoscaler) adjust() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.worker.pool
	now, wanted := p.limit(), int(p.load.Load())
	switch up, down := min(wanted, s.scale.Max), max(wanted, s.scale.Min, 1); {
	case up > now:
		s.worker.log.Info("scaling up", "by", up-now, "concurrency", up)
		s.set(up)
		s.grown = time.Now()
		now = up
	case down < now && time.Since(s.grown) >= s.keepalive:
		s.worker.log.Info("scaling down", "by", now-down, "concurrency", down)
		s.set(down)
		now = down
	}
	switch {
	case now <= max(s.scale.Min, 1):
		return 0
	case time.Since(s.grown) < s.keepalive:
		return s.keepalive - time.Since(s.grown)
	}
	return s.keepalive // it was busy: once more
}

// set resizes the pool. The prefetch stays what the largest size wants.
func (s *autoscaler) set(size int) {
	s.worker.pool.resize(size)
	s.worker.seats.resize(size)
}

// update changes the range; a negative number leaves its end as it is. The largest size decides about the prefetch.
func (s *autoscaler) update(most, least int) (Autoscale, error) {
	s.mu.Lock()
	next := s.scale
	if most >= 0 {
		next.Max = most
		next.Min = min(next.Min, next.Max)
	}
	if least >= 0 {
		next.Min = least
		next.Max = max(next.Max, next.Min)
	}
	if err := next.check(s.worker.mostAtOnce()); err != nil {
		s.mu.Unlock()
		return Autoscale{}, err
	}
	s.scale = next
	size := min(max(s.worker.pool.limit(), next.Min, 1), next.Max)
	s.set(size)
	s.mu.Unlock()
	s.worker.prefetchFor(next.Max)
	select {
	case s.poke <- struct{}{}:
	default:
	}
	return next, nil
}

// limits are the range now.
func (s *autoscaler) limits() Autoscale {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scale
}

func (s *autoscaler) close() {
	if s != nil {
		close(s.stop)
		<-s.stopped
	}
}
