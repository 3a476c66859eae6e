package crontab_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/crontab"
)

type golden struct {
	Expansions []struct {
		Min, Max    int
		Spec, Error string
		Values      []int
	}
	Next []run `json:"next_runs"`
	Due  []due `json:"is_due"`
}

type run struct {
	Crontab  map[string]any
	Timezone string
	Last     string   `json:"last_run_at"`
	Next     []string `json:"next_runs"`
	Error    string
}

type due struct {
	Crontab  map[string]any
	Last     time.Time `json:"last_run_at"`
	Now      time.Time
	Due      bool     `json:"is_due"`
	Next     float64  `json:"next"`
	Deadline *float64 `json:"starting_deadline"`
}

func load(t *testing.T) (g golden) {
	text, err := os.ReadFile("testdata/crontab.json")
	if err == nil {
		err = json.Unmarshal(text, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func fields(m map[string]any) (f crontab.Fields) {
	text := func(name string) string {
		if v, ok := m[name]; ok {
			return fmt.Sprint(v)
		}
		return ""
	}
	return crontab.Fields{Minute: text("minute"), Hour: text("hour"), DayOfWeek: text("day_of_week"), DayOfMonth: text("day_of_month"), MonthOfYear: text("month_of_year")}
}

// The values of a field are read off the minutes, hours or days on which a crontab with this field alone is due.
func TestFieldsExpandAsCelerysDo(t *testing.T) {
	for _, e := range load(t).Expansions {
		var f crontab.Fields
		var read func(time.Time) int
		begin := time.Date(2023, 12, 31, 23, 59, 0, 0, time.UTC) // a Sunday
		switch {
		case e.Max == 60:
			f, read = crontab.Fields{Minute: e.Spec, Hour: "0", DayOfMonth: "1", MonthOfYear: "1"}, time.Time.Minute
		case e.Max == 24:
			f, read = crontab.Fields{Minute: "0", Hour: e.Spec, DayOfMonth: "1", MonthOfYear: "1"}, time.Time.Hour
		case e.Max == 7:
			begin = begin.AddDate(0, 0, -1)
			f, read = crontab.Fields{Minute: "0", Hour: "0", DayOfWeek: e.Spec}, func(t time.Time) int { return int(t.Weekday()) }
		case e.Max == 31:
			f, read = crontab.Fields{Minute: "0", Hour: "0", DayOfMonth: e.Spec}, time.Time.Day
		default:
			f, read = crontab.Fields{Minute: "0", Hour: "0", DayOfMonth: "1", MonthOfYear: e.Spec}, func(t time.Time) int { return int(t.Month()) }
		}
		if e.Spec == "" {
			continue // Celery: empty part; here an empty field is one that was left out
		}
		c, err := crontab.New(f)
		if (err != nil) != (e.Error != "") {
			t.Errorf("%q of %d to %d: %v, Celery says %q", e.Spec, e.Min, e.Max, err, e.Error)
		}
		if err != nil {
			continue
		}
		seen := make(map[int]bool)
		var values []int
		for at := c.Next(begin, time.UTC); !seen[read(at)]; at = c.Next(at, time.UTC) {
			seen[read(at)] = true
			values = append(values, read(at))
		}
		slices.Sort(values)
		if !slices.Equal(values, e.Values) {
			t.Errorf("%q of %d to %d: %v, Celery has %v", e.Spec, e.Min, e.Max, values, e.Values)
		}
	}
}

func TestNextRunsAreCelerys(t *testing.T) {
	for _, r := range load(t).Next {
		loc, err := time.LoadLocation(r.Timezone)
		if err != nil {
			t.Fatal(err)
		}
		c, err := crontab.New(fields(r.Crontab))
		if (err != nil) != (r.Error != "") {
			t.Errorf("%v: %v, Celery says %q", r.Crontab, err, r.Error)
		}
		if err != nil {
			continue
		}
		last, err := time.ParseInLocation("2006-01-02T15:04:05", r.Last, loc)
		if err != nil {
			t.Fatal(err)
		}
		// Celery was asked for each with the wall time of the one before. Where the clocks jump, several are one moment.
		var want []time.Time
		for _, text := range r.Next {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, at)
		}
		slices.SortFunc(want, time.Time.Compare)
		want = slices.CompactFunc(want, time.Time.Equal)
		for i, w := range want {
			got := c.Next(last, loc)
			if !got.Equal(w) {
				t.Errorf("%v in %s, run %d: %v, Celery has %v", r.Crontab, r.Timezone, i, got, w.In(loc))
			}
			last = got
		}
	}
}

func TestCelerysIsDueFollows(t *testing.T) {
	for _, d := range load(t).Due {
		c, err := crontab.New(fields(d.Crontab))
		if err != nil {
			t.Fatal(err)
		}
		next := c.Next(d.Last, time.UTC)
		isDue := !next.After(d.Now)
		if isDue {
			latest := next
			for n := c.Next(next, time.UTC); !n.After(d.Now); n = c.Next(n, time.UTC) {
				latest = n
			}
			next = c.Next(d.Now, time.UTC)
			if d.Deadline != nil && d.Now.Sub(latest).Seconds() > *d.Deadline {
				isDue = false
			}
		}
		if got := next.Sub(d.Now).Seconds(); isDue != d.Due || got != d.Next {
			t.Errorf("%v after %v at %v: %v in %v s, Celery says %v in %v", d.Crontab, d.Last, d.Now, isDue, got, d.Due, d.Next)
		}
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	for line, want := range map[string]string{
		"60 * * * *":      `minute "60": 60 is out of range: it goes from 0 to 59`,
		"* * * * 7":       "7 is out of range: Sunday is 0",
		"5/10 * * * *":    "a step needs * or a range before it: */10, or 5-59/10",
		"*/0 * * * *":     `the step "0" is not a number from 1`,
		"1,,2 * * * *":    "nothing stands between two commas",
		"* * * * mom":     `"mom" is neither a number from 0 to 6 nor a name such as mon`,
		"mon * * * *":     `"mon" is not a number from 0 to 59`,
		"-5 * * * *":      `"" is not a number`,
		"1-5x * * * *":    `"5x" is not a number`,
		"* * * *":         "has 4 fields: want five",
		"0 0 31 2,4 *":    "is never due",
		"* * * * * *":     "has 6 fields",
		"0 0 * jam-dec *": `"jam"`,
	} {
		if c, err := crontab.Line(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %q", line, c, err, want)
		}
	}
	if c, err := crontab.New(crontab.Fields{Minute: "0, 30", DayOfWeek: "Mon, sunday"}); err != nil || c.String() != "0,30 * * * Mon,sunday" {
		t.Errorf("blanks beside commas: %v, %v", c, err)
	}
}
