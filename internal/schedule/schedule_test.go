package schedule_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/schedule"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestIntervalsAreCelerys(t *testing.T) {
	text, err := os.ReadFile("testdata/interval.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Cases []struct {
			Every    json.Number `json:"run_every"`
			Relative bool
			Last     time.Time `json:"last_run_at"`
			Now      time.Time
			Due      bool    `json:"is_due"`
			Next     float64 `json:"next"`
		}
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	for _, c := range g.Cases {
		s, err := schedule.Parse(c.Every.String(), time.UTC, c.Relative)
		if err != nil {
			t.Fatal(err)
		}
		next := s.After(c.Last, c.Last)
		if due := !next.After(c.Now); due != c.Due {
			t.Errorf("%v after %v at %v: due %v, Celery says %v", s, c.Last, c.Now, due, c.Due)
		} else if due {
			next = s.After(c.Last, c.Now)
		}
		if got := next.Sub(c.Now).Seconds(); got != c.Next {
			t.Errorf("%v after %v at %v: next in %v s, Celery says %v", s, c.Last, c.Now, got, c.Next)
		}
	}
}

func TestWhatASchedulesTextMeans(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	last := at(t, "2026-03-28T12:00:00+01:00")
	for text, want := range map[string]string{
		"30":                   "2026-03-28T12:00:30+01:00",
		"0.5":                  "2026-03-28T12:00:00.5+01:00",
		"1h30m":                "2026-03-28T13:30:00+01:00",
		"30 2 * * *":           "2026-03-29T03:30:00+02:00",
		"0  4 *  * mon":        "2026-03-30T04:00:00+02:00",
		"sunset 52.52 13.405":  "2026-03-28T18:33:",
		"2026-04-01T10:00:00Z": "2026-04-01T12:00:00+02:00",
		"2026-04-01 10:00":     "2026-04-01T10:00:00+02:00",
		"2026-04-01T10:00:30":  "2026-04-01T10:00:30+02:00",
	} {
		s, err := schedule.Parse(text, berlin, false)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		next := s.After(last, last).In(berlin)
		if got := next.Format(time.RFC3339Nano); !strings.HasPrefix(got, want) {
			t.Errorf("%s is due at %s, want %s", text, got, want)
		}
		again, err := schedule.Parse(s.String(), berlin, false)
		if err != nil || !again.After(last, last).Equal(next) {
			t.Errorf("%s is written %s, which is read as %v, %v", text, s, again, err)
		}
	}
	for text, want := range map[string]string{
		"": "is empty", "0": "too short", "-5": "too short", "1e30": "not understood", "nan": "not understood", "often": "want seconds (30)",
		"60 * * * *": `minute "60"`, "sunset 1": "want the event, latitude", "sunset a b": `"a" is not a number`, "sunset 99 0": "latitude 99",
		"* * * *": "not understood",
	} {
		if s, err := schedule.Parse(text, time.UTC, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, s, err, want)
		}
	}
	if _, err := schedule.Parse("0 4 * * *", time.UTC, true); err == nil || !strings.Contains(err.Error(), "relative is for intervals") {
		t.Errorf("a relative crontab: %v", err)
	}
}

func TestIntervalsKeepToTheirGrid(t *testing.T) {
	s, err := schedule.Parse("7s", time.UTC, false)
	if err != nil {
		t.Fatal(err)
	}
	last := at(t, "2026-01-01T00:00:00Z")
	for _, d := range []time.Duration{0, time.Nanosecond, 6999 * time.Millisecond, 7 * time.Second, 365*24*time.Hour + 3*time.Second} {
		next := s.After(last, last.Add(d))
		if next.Sub(last)%(7*time.Second) != 0 || !next.After(last.Add(d)) || next.Sub(last.Add(d)) > 7*time.Second {
			t.Errorf("%v after its beginning it is next due at %v", d, next.Sub(last))
		}
	}
}

func TestARelativeIntervalStaysOnWholeUnits(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]string{
		"24h": {"2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", "2026-03-31T00:00:00+02:00"},
		"2h":  {"2026-03-28T14:00:00+01:00", "2026-03-28T16:00:00+01:00", "2026-03-28T18:00:00+01:00"},
		"90s": {"2026-03-28T12:21:00+01:00", "2026-03-28T12:22:00+01:00", "2026-03-28T12:23:00+01:00"},
		"30s": {"2026-03-28T12:20:47+01:00", "2026-03-28T12:21:17+01:00"},
	} {
		s, err := schedule.Parse(text, berlin, true)
		if err != nil {
			t.Fatal(err)
		}
		last := at(t, "2026-03-28T12:20:17+01:00")
		for _, w := range want {
			next := s.After(last, last)
			if got := next.In(berlin).Format(time.RFC3339); got != w {
				t.Errorf("%s after %v: %s, want %s", text, last, got, w)
			}
			last = next
		}
		year := last.AddDate(1, 0, 0)
		if next := s.After(last, year); !next.After(year) || next.Sub(year) > 25*time.Hour {
			t.Errorf("%s a year later: %v", text, next)
		}
	}
}
