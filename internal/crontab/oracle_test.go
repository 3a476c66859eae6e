package crontab_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/crontab"
	"github.com/umbel-go/umbel/internal/testenv"
)

// Ten thousand random crontabs over forty years and twenty zones: the next due time is Celery's, but for what
// docs/schedules.md lists.
func TestDueTimesAreCelerys(t *testing.T) {
	if testing.Short() {
		t.Skip("asks Celery for 50,000 times")
	}
	script, err := os.ReadFile("testdata/oracle.py")
	if err != nil {
		t.Fatal(err)
	}
	var asked, skipped, westward int
	for line := range strings.Lines(testenv.RunPython(t, string(script), "1", "10000", "5")) {
		var row struct {
			Minute      string `json:"minute"`
			Hour        string `json:"hour"`
			DayOfWeek   string `json:"day_of_week"`
			DayOfMonth  string `json:"day_of_month"`
			MonthOfYear string `json:"month_of_year"`
			Zone, Error string
			Runs        [][4]any
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		loc, err := time.LoadLocation(row.Zone)
		if err != nil {
			t.Fatal(err)
		}
		c, err := crontab.New(crontab.Fields{Minute: row.Minute, Hour: row.Hour, DayOfWeek: row.DayOfWeek, DayOfMonth: row.DayOfMonth, MonthOfYear: row.MonthOfYear})
		if row.Error != "" {
			// Celery gives up when there is no such day; also on 29 February, when it meets eight years without one.
			if err == nil && !(strings.Contains(c.String(), "29") && strings.Contains(row.Error, "rollover")) {
				t.Errorf("%s: Celery says %q, we nothing", line, row.Error)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		for _, run := range row.Runs {
			at := func(i int) time.Time { return time.Unix(int64(run[i].(float64)), 0).In(loc) }
			asked++
			got, want, plain := c.Next(at(0), loc), at(1), at(2)
			if got.Equal(want) && plain.Equal(want) {
				continue
			}
			if got.Equal(want) {
				// 5.2 compares midnight in UTC: west of Greenwich it then skips the rest of a month.
				if _, offset := at(0).Zone(); offset >= 0 || plain.Before(want) {
					t.Errorf("%s after %v: Celery 5.2 says %v, we %v", line, at(0), plain, got)
				}
				westward++
				continue
			}
			// The clocks skip the time: 5.2 is due when they have jumped, newer versions and we as if they had not.
			wall, err := time.ParseInLocation("2006-01-02T15:04:05", run[3].(string), time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			jump, _ := want.ZoneBounds()
			_, before := jump.Add(-time.Second).Zone()
			shown := got.Format("2006-01-02T15:04:05")
			if !jump.Equal(want) || !got.Equal(wall.Add(-time.Duration(before)*time.Second)) || shown == run[3] {
				t.Errorf("%s after %v: got %v, Celery says %v (wall %v)", line, at(0), got, want, run[3])
				continue
			}
			skipped++
		}
	}
	t.Logf("%d due times; at a time that the clocks skip: %d, where 5.2 west of Greenwich skips days: %d", asked, skipped, westward)
	if asked < 40_000 || skipped == 0 || westward == 0 {
		t.Errorf("asked for %d, %d, %d: the oracle is not what it was", asked, skipped, westward)
	}
}
