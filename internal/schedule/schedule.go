package schedule

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/internal/crontab"
	"github.com/umbel-go/umbel/internal/solar"
)

// A Schedule is a series of due times. It is safe for many goroutines, and never changes.
type Schedule interface {
	// After is the first due time later than t, where last was due (or was when the schedule began) and is not later
	// than t. It is zero when there is none.
	After(last, t time.Time) time.Time

	// String is the schedule as Parse reads it.
	String() string
}

// Parse reads a schedule. loc is where its clocks hang: the zone of crontabs, and of times and relative intervals without
// one. relative rounds the times of an interval down to its unit.
func Parse(text string, loc *time.Location, relative bool) (Schedule, error) {
	text = strings.TrimSpace(text)
	words := strings.Fields(text)
	s, err := parse(text, words, loc)
	if err != nil {
		return nil, err
	}
	if relative {
		i, ok := s.(*Interval)
		if !ok {
			return nil, fmt.Errorf("schedule %q: relative is for intervals: this one has its own times", text)
		}
		i.loc = loc
	}
	return s, nil
}

func parse(text string, words []string, loc *time.Location) (Schedule, error) {
	switch {
	case len(words) == 0:
		return nil, fmt.Errorf("the schedule is empty: want %s", forms)
	case slices.Contains(solar.Events(), words[0]):
		return parseSolar(text, words)
	case len(words) == 5:
		c, err := crontab.Line(text)
		if err != nil {
			return nil, err
		}
		return &Crontab{Crontab: c, loc: loc}, nil
	case len(words) == 1:
		if d, ok := duration(text); ok {
			return Every(d)
		}
	}
	if len(words) <= 2 {
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
			if t, err := time.Parse(layout, strings.Join(words, "T")); err == nil {
				return Once(t), nil
			}
		}
		for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
			if t, err := time.ParseInLocation(layout, strings.Join(words, "T"), loc); err == nil {
				return Once(t), nil
			}
		}
	}
	return nil, fmt.Errorf("schedule %q is not understood: want %s", text, forms)
}

const forms = `seconds (30), a duration (1h30m), five crontab fields (0 4 * * mon-fri), an event of the sun (sunset 52.52 13.405) or a time (2026-12-24T18:00:00Z)`

func parseSolar(text string, words []string) (Schedule, error) {
	var place [2]float64
	if len(words) != 3 {
		return nil, fmt.Errorf("schedule %q: want the event, latitude and longitude, as in %s 52.52 13.405", text, words[0])
	}
	for i, w := range words[1:] {
		v, err := strconv.ParseFloat(w, 64)
		if err != nil {
			return nil, fmt.Errorf("schedule %q: %q is not a number of degrees", text, w)
		}
		place[i] = v
	}
	s, err := solar.New(words[0], place[0], place[1])
	if err != nil {
		return nil, err
	}
	return Solar{s}, nil
}

// duration reads a number of seconds, or Go's way of writing a duration.
func duration(text string) (time.Duration, bool) {
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		ns := math.Round(f * 1e9)
		if math.IsNaN(f) || math.Abs(ns) >= math.MaxInt64 {
			return 0, false
		}
		return time.Duration(ns), true
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}
