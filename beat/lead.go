package beat

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/umbel-go/umbel/backend"
)

// A term is one scheduler's time as leader. It renews the lease until it is lost.
type term struct {
	s     *Scheduler
	token int64

	mu    sync.Mutex
	until time.Time // by our own clocks; guarded by mu
}

var errLost = errors.New("the lease was lost")

// stand waits until this scheduler leads.
func (s *Scheduler) stand(ctx context.Context) (*term, error) {
	said := ""
	for failing := false; ; {
		s.meter.pass()
		asked := time.Now()
		l, err := s.lease(ctx)
		switch {
		case err == nil && l.Holder == s.Holder: // also when it is to end: then it gives the lease up
			t := &term{s: s, token: l.Token}
			t.extend(asked)
			return t, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil && !failing:
			s.Log.Error("beat: cannot ask for the lease; trying again", "error", err)
			failing = true
		case err == nil && l.Holder != said:
			s.Log.Info("beat: standing by", "schedule", s.Name, "leader", l.Holder)
			said, failing = l.Holder, false
		}
		// Soon after the lease runs out, or is given up.
		wait := min(s.Lease/4, time.Second)
		if err == nil {
			wait = max(min(wait, l.Left+time.Millisecond), 10*time.Millisecond)
		}
		if !sleep(ctx, wait) {
			return nil, ctx.Err()
		}
	}
}

// lease asks for the lease, for no longer than a third of it.
func (s *Scheduler) lease(ctx context.Context) (backend.Lease, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Lease/3, fmt.Errorf("no answer within a third of the lease, %v", s.Lease/3))
	defer cancel()
	l, err := s.store.Lead(ctx, s.Name, s.Holder, s.Lease)
	s.meter.refused.Store(err != nil)
	if err != nil {
		s.meter.unanswered.Inc()
	}
	return l, err
}

// extend notes that the lease was prolonged by a question asked then. A tenth is kept back for clocks that run apart.
func (t *term) extend(asked time.Time) {
	t.mu.Lock()
	t.until = asked.Add(t.s.Lease - t.s.Lease/10)
	t.mu.Unlock()
}

// left is how long the lease is certain to be ours. A process that was stopped, or a machine that slept, finds that it is
// over: either clock may have stood still meanwhile, so both must agree.
func (t *term) left() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	return min(t.until.Sub(now), t.until.Round(0).Sub(now.Round(0)))
}

// keep renews the lease until ctx ends or it is lost.
func (t *term) keep(ctx context.Context) error {
	for sleep(ctx, t.s.Lease/4) {
		asked := time.Now()
		l, err := t.s.lease(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && (l.Holder != t.s.Holder || l.Token != t.token):
			return fmt.Errorf("%w to %s", errLost, l.Holder)
		case err == nil:
			t.extend(asked)
		case t.left() <= 0:
			return fmt.Errorf("%w: it could not be renewed: %w", errLost, err)
		default:
			t.s.Log.Warn("beat: cannot renew the lease; trying again", "error", err, "left", t.left().Round(time.Millisecond))
		}
	}
	return nil
}

// sleep waits; it returns false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
