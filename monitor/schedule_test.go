package monitor_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/api"
)

// A desk stands for beat: package cli has the real one, and its test.
type desk struct {
	mu   sync.Mutex // guards list
	list []api.Schedule
}

func newDesk() *desk {
	now := time.Now()
	return &desk{list: []api.Schedule{
		{Name: "cleanup", Task: "apps.stock.tasks.reserve", When: "1h", Source: "file", Next: now.Add(25 * time.Minute), Last: now.Add(-35 * time.Minute), Sent: now.Add(-35 * time.Minute), ID: "f10a-root", Count: 812},
		{Name: "nightly-report", Task: "apps.reports.tasks.build_report", When: "0 4 * * mon-fri", Source: "settings", Next: now.Add(9 * time.Hour), Last: now.Add(-15 * time.Hour), Sent: now.Add(-15 * time.Hour), ID: "f10a-pay", Count: 211},
		{Name: "sunset-lights", Task: "apps.house.tasks.lights", When: "sunset 52.52 13.405", Source: "store", Edited: true, Paused: true},
		{Name: "misspelt", Task: "apps.reports.tasks.build_report", When: "0 25 * * *", Source: "settings", Problem: "hour: 25 is not between 0 and 23"},
	}}
}

func (d *desk) List(context.Context) ([]api.Schedule, string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list), "beat@shop-1", nil
}

func (d *desk) set(name string, f func(*api.Schedule)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.list {
		if d.list[i].Name == name {
			f(&d.list[i])
			return nil
		}
	}
	return api.ErrNoSchedule
}

func (d *desk) Pause(_ context.Context, name string) error {
	return d.set(name, func(s *api.Schedule) { s.Paused = true })
}

func (d *desk) Resume(_ context.Context, name string) error {
	return d.set(name, func(s *api.Schedule) { s.Paused = false })
}

func (d *desk) Run(_ context.Context, name string) (string, error) {
	return "run-1", d.set(name, func(s *api.Schedule) { s.Count++ })
}

func TestSchedulesAreListedPausedAndRun(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users}, Schedules: newDesk()})
	ann, bob := as("ann", "ann's password"), as("bob", "bob's password")
	var got struct {
		Leader    string
		Known     bool
		Schedules []struct {
			Name, When, Problem string
			Paused              bool
			Next                *float64
			Count               int
		}
	}
	list := func() {
		r.send("GET", "/api/v1/schedules", nil, bob).into(t, &got)
	}
	list()
	if !got.Known || got.Leader != "beat@shop-1" || len(got.Schedules) != 4 || got.Schedules[0].When != "1h" || got.Schedules[0].Next == nil || got.Schedules[3].Problem == "" {
		t.Errorf("%+v", got)
	}
	for _, c := range []struct {
		path string
		who  func(*http.Request)
		want int
		text string
	}{
		{"cleanup/pause", bob, 403, ""}, {"cleanup/run", bob, 403, ""}, {"cleanup/pause", ann, 200, "paused cleanup"}, {"cleanup/run", ann, 200, "sent cleanup as run-1"},
		{"nobody/run", ann, 404, "no such entry"}, {"cleanup/resume", ann, 200, "resumed"}, {"cleanup/pause", ann, 200, "paused"},
	} {
		if a := r.send("POST", "/api/v1/schedules/"+c.path, map[string]any{}, c.who); a.StatusCode != c.want || !strings.Contains(string(a.body), c.text) {
			t.Errorf("%s: %s %s", c.path, a.Status, a.body)
		}
	}
	if list(); !got.Schedules[0].Paused || got.Schedules[0].Count != 813 {
		t.Errorf("%+v", got.Schedules[0])
	}
}
