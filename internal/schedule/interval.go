package schedule

import (
	"fmt"
	"time"
)

// Shortest is the least interval. A shorter one is a loop, and no schedule.
const Shortest = 10 * time.Millisecond

// An Interval is due again and again, the same time apart. Celery: schedule.
type Interval struct {
	every time.Duration
	loc   *time.Location // of a relative one; nil: it is counted from when it was last due
}

// Every makes an interval.
func Every(d time.Duration) (*Interval, error) {
	if d < Shortest {
		return nil, fmt.Errorf("an interval of %v is too short: the least is %v", d, Shortest)
	}
	return &Interval{every: d}, nil
}

// Length is the time between two due times.
func (s *Interval) Length() time.Duration { return s.every }

// After is the next due time of those that follow last, or of the whole days, hours or minutes after it.
func (s *Interval) After(last, t time.Time) time.Time {
	if s.loc == nil {
		return last.Add((t.Sub(last)/s.every + 1) * s.every)
	}
	if n := t.Sub(last)/s.every - 1; n > 0 {
		last = last.Add(n * s.every)
	}
	for {
		next := s.floor(last.Add(s.every))
		if !next.After(last) { // clocks went back meanwhile
			next = last.Add(s.every)
		}
		if next.After(t) {
			return next
		}
		last = next
	}
}

// floor is the whole day, hour or minute that a time lies in, by the size of the interval. Celery: delta_resolution.
func (s *Interval) floor(t time.Time) time.Time {
	t = t.In(s.loc)
	year, month, day := t.Date()
	switch {
	case s.every >= 24*time.Hour:
		return time.Date(year, month, day, 0, 0, 0, 0, s.loc)
	case s.every >= time.Hour:
		return t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	case s.every >= time.Minute:
		return t.Add(-time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	}
	return t.Truncate(time.Second)
}

func (s *Interval) String() string { return s.every.String() }
