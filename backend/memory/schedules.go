package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/umbel-go/umbel/backend"
)

var _ backend.Schedules = (*Backend)(nil)

// A timetable is one schedule. Guarded by its space.
type timetable struct {
	holder   string
	token    int64
	until    time.Time
	revision int64
	records  map[backend.ScheduleKind]map[string][]byte
}

// A tick is a task id that a message has claimed.
type tick struct {
	message string
	until   time.Time
}

func (t *timetable) lease(now time.Time) backend.Lease {
	if t.holder == "" || !now.Before(t.until) {
		return backend.Lease{Token: t.token}
	}
	return backend.Lease{Holder: t.holder, Token: t.token, Left: t.until.Sub(now)}
}

// timetable calls f with a schedule, which it makes where there is none.
func (b *Backend) timetable(ctx context.Context, what, schedule string, f func(*timetable, time.Time) error) error {
	s := b.space
	err := s.open(ctx, b)
	if err == nil {
		defer s.mu.Unlock()
		t := s.timetables[schedule]
		if t == nil {
			t = &timetable{records: make(map[backend.ScheduleKind]map[string][]byte)}
			if s.timetables == nil {
				s.timetables = make(map[string]*timetable)
			}
			s.timetables[schedule] = t
		}
		err = f(t, time.Now())
	}
	if err != nil {
		return fmt.Errorf("%s schedule %q: %w", what, schedule, err)
	}
	return nil
}

// Lead: see backend.Schedules.
func (b *Backend) Lead(ctx context.Context, schedule, holder string, ttl time.Duration) (l backend.Lease, err error) {
	err = b.timetable(ctx, "lead", schedule, func(t *timetable, now time.Time) error {
		if l = t.lease(now); l.Holder == "" {
			t.holder = holder
			t.token++
		}
		if t.holder == holder {
			t.until = now.Add(ttl)
			l = t.lease(now)
		}
		return nil
	})
	return l, err
}

// Leader: see backend.Schedules.
func (b *Backend) Leader(ctx context.Context, schedule string) (l backend.Lease, err error) {
	err = b.timetable(ctx, "read the leader of", schedule, func(t *timetable, now time.Time) error {
		l = t.lease(now)
		return nil
	})
	return l, err
}

// Resign: see backend.Schedules.
func (b *Backend) Resign(ctx context.Context, schedule, holder string) error {
	return b.timetable(ctx, "resign from", schedule, func(t *timetable, _ time.Time) error {
		if t.holder == holder {
			t.holder = ""
		}
		return nil
	})
}

// WriteSchedule: see backend.Schedules.
func (b *Backend) WriteSchedule(ctx context.Context, schedule string, kind backend.ScheduleKind, token int64, records map[string][]byte) error {
	return b.timetable(ctx, "write", schedule, func(t *timetable, now time.Time) error {
		if l := t.lease(now); token != 0 && (l.Holder == "" || l.Token != token) {
			return backend.ErrFenced
		}
		if t.records[kind] == nil {
			t.records[kind] = make(map[string][]byte)
		}
		for name, v := range records {
			if v == nil {
				delete(t.records[kind], name)
			} else {
				t.records[kind][name] = slices.Clone(v)
			}
		}
		if kind == backend.ScheduleEntries {
			t.revision++
		}
		return nil
	})
}

// ReadSchedule: see backend.Schedules.
func (b *Backend) ReadSchedule(ctx context.Context, schedule string, kind backend.ScheduleKind) (records map[string][]byte, err error) {
	err = b.timetable(ctx, "read", schedule, func(t *timetable, _ time.Time) error {
		records = maps.Clone(t.records[kind]) // values are never written in place
		return nil
	})
	return records, err
}

// ScheduleRevision: see backend.Schedules.
func (b *Backend) ScheduleRevision(ctx context.Context, schedule string) (revision int64, err error) {
	err = b.timetable(ctx, "read the revision of", schedule, func(t *timetable, _ time.Time) error {
		revision = t.revision
		return nil
	})
	return revision, err
}

// ClaimTick: see backend.Schedules.
func (b *Backend) ClaimTick(ctx context.Context, id, message string, keep time.Duration) (string, error) {
	s := b.space
	if err := s.open(ctx, b); err != nil {
		return "", fmt.Errorf("claim task %q: %w", id, err)
	}
	defer s.mu.Unlock()
	now := time.Now()
	if len(s.ticks) >= s.tickSweep {
		maps.DeleteFunc(s.ticks, func(_ string, t tick) bool { return !now.Before(t.until) })
		s.tickSweep = max(1024, 2*len(s.ticks))
	}
	if t, ok := s.ticks[id]; ok && now.Before(t.until) {
		return t.message, nil
	}
	if s.ticks == nil {
		s.ticks = make(map[string]tick)
	}
	s.ticks[id] = tick{message, now.Add(keep)}
	return message, nil
}
