package cli

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/monitor/api"
)

// The monitor's page of schedules is drawn from beat's own timetable.
func TestTheMonitorSeesAndSteersBeatsSchedule(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	app := umbel.New("shop")
	c := umbel.Config{BrokerURL: []string{"memory://"}, BeatScheduleFilename: filepath.Join(dir, "schedule.db"),
		BeatSchedule: []umbel.ScheduleEntry{{Name: "nightly", Task: "shop.report", Schedule: "0 4 * * *"}}}
	if err := app.Configure(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close() })
	s := &schedules{app: app}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	nightly := func() api.Schedule {
		t.Helper()
		list, leader, err := s.List(ctx)
		if err != nil || leader != "" {
			t.Fatal(leader, err)
		}
		for _, e := range list {
			if e.Name == "nightly" {
				return e
			}
		}
		t.Fatalf("%+v has no nightly", list)
		return api.Schedule{}
	}
	if e := nightly(); e.Task != "shop.report" || e.When != "0 4 * * *" || e.Paused || e.Next.Before(time.Now()) || e.Source != "settings" {
		t.Errorf("%+v", e)
	}
	if err := s.Pause(ctx, "nightly"); err != nil {
		t.Fatal(err)
	}
	if e := nightly(); !e.Paused || !e.Next.IsZero() {
		t.Errorf("paused: %+v", e)
	}
	if err := s.Resume(ctx, "nightly"); err != nil {
		t.Fatal(err)
	}
	if e := nightly(); e.Paused || e.Next.IsZero() {
		t.Errorf("resumed: %+v", e)
	}
	id, err := s.Run(ctx, "nightly")
	if err != nil || id == "" {
		t.Errorf("run: %q %v", id, err)
	}
	if err := s.Pause(ctx, "nobody"); !errors.Is(err, api.ErrNoSchedule) {
		t.Errorf("an entry that is not there: %v", err)
	}
}
