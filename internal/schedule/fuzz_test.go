package schedule_test

import (
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/schedule"
)

// What is read is written so that it reads the same, and time goes on.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"30", "1h30m", "0.5", "0 4 * * mon-fri", "sunset 52.52 13.405", "dawn_civil -90 180", "2026-12-24T18:00:00Z", "2026-12-24 18:00"} {
		f.Add(s, false, int64(1767225600))
		f.Add(s, true, int64(1767225600))
	}
	f.Fuzz(func(t *testing.T, text string, relative bool, unix int64) {
		s, err := schedule.Parse(text, time.UTC, relative)
		if err != nil {
			return
		}
		last := time.Unix(unix%(1<<32), 0).UTC()
		next := s.After(last, last)
		again, err := schedule.Parse(s.String(), time.UTC, relative)
		if err != nil || !again.After(last, last).Equal(next) {
			t.Fatalf("%q is written %q, which is read as %v, %v", text, s, again, err)
		}
		for range 5 {
			if next.IsZero() {
				return
			}
			if !next.After(last) {
				t.Fatalf("%q: after %v comes %v", text, last, next)
			}
			last, next = next, s.After(next, next)
		}
		later := last.Add(1000 * time.Hour)
		if next := s.After(last, later); !next.IsZero() && !next.After(later) {
			t.Fatalf("%q: after %v comes %v", text, later, next)
		}
	})
}
