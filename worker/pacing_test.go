package worker

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/umbel-go/umbel"
)

// Whatever tasks do: the window is never beyond its part of the limit, changes at most once a second, never while more is
// unsettled than it says, and so three windows, the most that can be unsettled at once, stay within the limit.
func TestAWindowStaysWithinItsLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(1, 2000).Draw(t, "slots")
		p := newPacing(umbel.AutoPrefetch, func() int { return slots })
		if p.now() != slots {
			t.Fatalf("begins with %d", p.now())
		}
		at, moved := time.Unix(1_000_000, 0), time.Time{}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			at = at.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "pause")))
			before, held := p.now(), rapid.IntRange(0, 2*p.now()).Draw(t, "held")
			changed := false
			if rapid.Bool().Draw(t, "ends") {
				took := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "took"))
				changed = p.note(at, took, rapid.Bool().Draw(t, "late"), func() int { return held })
			} else {
				p.silent(at, func() int { return held })
				changed = p.now() != before
			}
			now := p.now()
			if changed != (now != before) {
				t.Fatalf("said changed %v from %d to %d", changed, before, now)
			}
			if now != before {
				if held > before || !moved.IsZero() && at.Sub(moved) < pacingEvery {
					t.Fatalf("changed from %d to %d with %d held, %v after the last change", before, now, held, at.Sub(moved))
				}
				moved = at
			}
			if now < 1 || now != slots && 3*now > prefetchLimit(slots) {
				t.Fatalf("window %d, limit %d", now, prefetchLimit(slots))
			}
		}
	})
}

func TestAWindowFollowsTheLengthOfTasks(t *testing.T) {
	t.Parallel()
	none := func() int { return 0 }
	for name, tt := range map[string]struct {
		took time.Duration
		late bool
		want int
	}{
		"a millisecond":         {time.Millisecond, true, 128},
		"a tenth of a second":   {100 * time.Millisecond, true, 8 + 20},
		"ten minutes, late":     {10 * time.Minute, true, 8},
		"ten minutes, early":    {10 * time.Minute, false, 1}, // what runs is acked
		"half a second":         {500 * time.Millisecond, true, 12},
		"half a second, early":  {500 * time.Millisecond, false, 4},
		"no time that is known": {0, true, 128},
		"a microsecond, early":  {time.Microsecond, false, 128},
	} {
		p := newPacing(umbel.AutoPrefetch, func() int { return 8 })
		at := time.Unix(1_000_000, 0)
		for range 100 {
			at = at.Add(time.Second)
			p.note(at, tt.took, tt.late, none)
		}
		if got := p.now(); got < (tt.want+1)/2 || got > 2*tt.want {
			t.Errorf("%s: window %d, want about %d", name, got, tt.want)
		}
		if p.want() != tt.want {
			t.Errorf("%s: wants %d, want %d", name, p.want(), tt.want)
		}
	}
	// Tasks that become long show by their silence.
	p := newPacing(umbel.AutoPrefetch, func() int { return 8 })
	at := time.Unix(1_000_000, 0)
	for range 100 {
		at = at.Add(time.Second)
		p.note(at, time.Millisecond, true, none)
	}
	if !p.silent(at.Add(time.Minute), none) || p.now() != 8 {
		t.Errorf("after a minute of silence the window is %d", p.now())
	}
	if newPacing(4, nil) != nil || newPacing(umbel.NoLimit, nil) != nil {
		t.Error("a fixed prefetch is paced")
	}
}
