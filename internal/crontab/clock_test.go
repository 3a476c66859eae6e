package crontab_test

import (
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/crontab"
)

func TestChangesOfTheClocks(t *testing.T) {
	for _, tt := range []struct {
		name, zone, line, after string
		want                    []string
	}{
		{"a skipped time is due as if the clocks had not jumped", "America/New_York", "30 2 * * *", "2024-03-09T12:00:00-05:00",
			[]string{"2024-03-10T03:30:00-04:00", "2024-03-11T02:30:00-04:00"}},
		{"a skipped time that is another due time as well is due once", "Europe/Berlin", "*/30 * * * *", "2024-03-31T01:30:00+01:00",
			[]string{"2024-03-31T03:00:00+02:00", "2024-03-31T03:30:00+02:00", "2024-03-31T04:00:00+02:00"}},
		{"a repeated time is due the first time", "America/New_York", "30 1 * * *", "2024-11-02T12:00:00-04:00",
			[]string{"2024-11-03T01:30:00-04:00", "2024-11-04T01:30:00-05:00"}},
		{"a repeated hour is passed over", "Europe/Berlin", "*/30 * * * *", "2024-10-27T02:00:00+02:00",
			[]string{"2024-10-27T02:30:00+02:00", "2024-10-27T03:00:00+01:00"}},
		{"who begins in the second pass is due in it, and not in the past", "Europe/Berlin", "*/30 * * * *", "2024-10-27T02:10:00+01:00",
			[]string{"2024-10-27T02:30:00+01:00", "2024-10-27T03:00:00+01:00"}},
		{"half an hour", "Australia/Lord_Howe", "15 2 * * *", "2024-10-05T12:00:00+10:30",
			[]string{"2024-10-06T02:45:00+11:00", "2024-10-07T02:15:00+11:00"}},
		{"midnight that does not come", "America/Sao_Paulo", "0 0 * * *", "2018-11-03T12:00:00-03:00",
			[]string{"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"}},
		{"a day that does not come", "Pacific/Apia", "0 12 30 12 *", "2011-12-29T00:00:00-10:00",
			[]string{"2011-12-31T12:00:00+14:00", "2012-12-30T12:00:00+14:00"}},
		{"29 February across a century", "UTC", "0 0 29 2 *", "2096-03-01T00:00:00Z", []string{"2104-02-29T00:00:00Z"}},
		{"29 February on a Monday", "UTC", "0 0 29 2 mon", "2024-03-01T00:00:00Z", []string{"2044-02-29T00:00:00Z"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			loc, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			c, err := crontab.Line(tt.line)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, tt.after)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range tt.want {
				at = c.Next(at, loc)
				if got := at.Format(time.RFC3339); got != w {
					t.Errorf("got %s, want %s", got, w)
				}
			}
		})
	}
}

// Walking any crontab through any time never stands still, and each due time matches the crontab's own words.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"* * * * *", "*/15 22-2 * * mon-fri", "0 0 29 2 *", "1,13,30-45,50-59/2 8-10 1-7 */3 fri-mon", "60 * * * *", "0 0 31 jan,dec sun"} {
		f.Add(s, int64(1711846800), uint8(1))
	}
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"}
	f.Fuzz(func(t *testing.T, line string, unix int64, zone uint8) {
		c, err := crontab.Line(line)
		if err != nil {
			return
		}
		again, err := crontab.Line(c.String())
		if err != nil || again.String() != c.String() {
			t.Fatalf("%q is written %q, which reads as %v, %v", line, c, again, err)
		}
		loc, err := time.LoadLocation(zones[int(zone)%len(zones)])
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(unix%(1<<33), int64(zone)).In(loc)
		for range 20 {
			next := c.Next(at, loc)
			if next.IsZero() {
				return // such as 29 February on a weekday that does not come
			}
			if !next.After(at) || next.Second() != 0 {
				t.Fatalf("%q: after %v comes %v", line, at, next)
			}
			at = next
		}
	})
}
