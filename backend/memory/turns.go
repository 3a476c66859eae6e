package memory

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/umbel-go/umbel/backend"
)

var _ backend.Pacer = (*Backend)(nil)

// Turns: see backend.Pacer.
func (b *Backend) Turns(ctx context.Context, series string, interval time.Duration, n int) (time.Duration, error) {
	s := b.space
	if err := s.open(ctx, b); err != nil {
		return 0, fmt.Errorf("take turns of %q: %w", series, err)
	}
	defer s.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(s.turns, func(_ string, next time.Time) bool { return !next.After(now) })
	first := now
	if next, runs := s.turns[series]; runs {
		first = next
	}
	if s.turns == nil {
		s.turns = make(map[string]time.Time)
	}
	s.turns[series] = first.Add(time.Duration(n) * interval)
	return first.Sub(now), nil
}
