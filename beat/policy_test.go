package beat_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/beat"
	"github.com/umbel-go/umbel/broker"
)

func newBeat() beat.Config { return beat.Config{} }

// downtime runs a scheduler for a minute, none for an hour, and another for ten minutes; it returns what the second sent
// for the time before it.
func downtime(t *testing.T, e umbel.ScheduleEntry, change func(*umbel.Config)) (madeUp []time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store, err := backend.Open(t.Context(), backend.Config{URL: "memory://downtime"})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		c := umbel.Config{ResultBackend: "memory://downtime", BeatSchedule: []umbel.ScheduleEntry{e}}
		app, _ := setup(t, c)
		stop := start(t, app, newBeat())
		time.Sleep(time.Minute)
		stop()
		time.Sleep(time.Hour)
		if change != nil {
			change(&c)
		}
		app, ledger := setup(t, c)
		began := time.Now()
		stop = start(t, app, newBeat())
		time.Sleep(10 * time.Minute)
		stop()
		for _, s := range ledger.all() {
			due, err := time.Parse(time.RFC3339Nano, s.due)
			if err != nil {
				t.Fatal(err)
			}
			if due.Before(began) {
				madeUp = append(madeUp, began.Sub(due).Round(time.Second))
			}
		}
	})
	return madeUp
}

func TestMissedDueTimes(t *testing.T) {
	base := umbel.ScheduleEntry{Name: "e", Task: "t", Schedule: "*/5 * * * *"}
	with := func(f func(*umbel.ScheduleEntry)) umbel.ScheduleEntry { e := base; f(&e); return e }
	for name, tt := range map[string]struct {
		entry  umbel.ScheduleEntry
		change func(*umbel.Config)
		want   string
	}{
		"the latest is sent": {entry: base, want: "[1m0s]"},
		"none is sent":       {entry: with(func(e *umbel.ScheduleEntry) { e.Missed = "skip" }), want: "[]"},
		"each is sent": {entry: with(func(e *umbel.ScheduleEntry) { e.Missed = "all" }),
			want: "[56m0s 51m0s 46m0s 41m0s 36m0s 31m0s 26m0s 21m0s 16m0s 11m0s 6m0s 1m0s]"},
		"each within the deadline":               {entry: with(func(e *umbel.ScheduleEntry) { e.Missed = "all"; e.Deadline = 12 * time.Minute }), want: "[11m0s 6m0s 1m0s]"},
		"none is within the deadline":            {entry: with(func(e *umbel.ScheduleEntry) { e.Deadline = 30 * time.Second }), want: "[]"},
		"the setting's deadline is for crontabs": {entry: base, change: func(c *umbel.Config) { c.BeatCronStartingDeadline = 30 * time.Second }, want: "[]"},
		"and for crontabs only": {entry: with(func(e *umbel.ScheduleEntry) { e.Schedule = "7m" }),
			change: func(c *umbel.Config) { c.BeatCronStartingDeadline = 30 * time.Second }, want: "[5m0s]"},
		"a schedule that has changed makes up for nothing": {entry: base, change: func(c *umbel.Config) {
			c.BeatSchedule = []umbel.ScheduleEntry{{Name: "e", Task: "t", Schedule: "*/3 * * * *"}}
		}, want: "[]"},
		"a task that has changed does": {entry: base, change: func(c *umbel.Config) {
			c.BeatSchedule = []umbel.ScheduleEntry{{Name: "e", Task: "other", Schedule: base.Schedule}}
		}, want: "[1m0s]"},
		"who was disabled makes up for nothing": {entry: with(func(e *umbel.ScheduleEntry) { e.Disabled = true }), change: func(c *umbel.Config) {
			c.BeatSchedule = []umbel.ScheduleEntry{base}
		}, want: "[]"},
		"one time is made up for": {entry: with(func(e *umbel.ScheduleEntry) { e.Schedule = "2000-01-01T00:30:00Z" }), want: "[31m0s]"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fmt.Sprint(downtime(t, tt.entry, tt.change)); got != tt.want {
				t.Errorf("made up for what was due %s before, want %s", got, tt.want)
			}
		})
	}
}

func TestStartEndAndJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		app, ledger := setup(t, umbel.Config{BeatSchedule: []umbel.ScheduleEntry{
			{Name: "bounded", Task: "tasks.bounded", Schedule: "1m", Start: begun.Add(10*time.Minute + time.Second), End: begun.Add(15 * time.Minute)},
			{Name: "cron", Task: "tasks.cron", Schedule: "* * * * *", Start: begun.Add(10 * time.Minute), End: begun.Add(15 * time.Minute)},
			{Name: "jitter", Task: "tasks.jitter", Schedule: "* * * * *", Jitter: 30 * time.Second},
		}})
		stop := start(t, app, newBeat())
		time.Sleep(30*time.Minute + 45*time.Second)
		stop()
		if n := ledger.count("tasks.bounded"); n != 5 {
			t.Errorf("the bounded interval was sent %d times", n)
		}
		if n := ledger.count("tasks.cron"); n != 6 {
			t.Errorf("the bounded crontab was sent %d times", n)
		}
		if n := ledger.count("tasks.jitter"); n != 30 {
			t.Errorf("the one with jitter was sent %d times", n)
		}
		different := make(map[time.Duration]bool)
		for _, s := range ledger.all() {
			due, err := time.Parse(time.RFC3339Nano, s.due)
			if err != nil {
				t.Fatal(err)
			}
			late := s.at.Sub(due)
			if s.task == "tasks.jitter" {
				different[late] = true
			}
			if most := 30 * time.Second; late < 0 || late >= most || s.task != "tasks.jitter" && late > 0 {
				t.Errorf("%s: %v late", s.task, late)
			}
		}
		if len(different) < 20 {
			t.Errorf("30 times came with %d delays", len(different))
		}
	})
}

// While the broker is away a due task is tried again until it is sent, or its next due time takes its place; what the broker
// refuses is not.
func TestTheBrokerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, ledger := setup(t, umbel.Config{BeatSchedule: []umbel.ScheduleEntry{entry("e", "1h")}})
		begun := time.Now()
		ledger.fail = func(int) error {
			if time.Since(begun) < time.Hour+10*time.Minute {
				return fmt.Errorf("no route: %w", broker.ErrNotSent)
			}
			return nil
		}
		stop := start(t, app, newBeat())
		time.Sleep(2*time.Hour + time.Minute)
		stop()
		all := ledger.all()
		if len(all) != 2 || all[0].at.Sub(begun) < time.Hour+10*time.Minute || all[0].at.Sub(begun) > time.Hour+11*time.Minute {
			t.Errorf("sent %v", all)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		app, ledger := setup(t, umbel.Config{BeatSchedule: []umbel.ScheduleEntry{entry("e", "1h")}})
		ledger.fail = func(int) error { return &broker.RefusedError{Reason: broker.Unroutable} }
		stop := start(t, app, newBeat())
		time.Sleep(3*time.Hour + time.Minute)
		stop()
		if ledger.n != 3 {
			t.Errorf("what the broker refuses was tried %d times for 3 due times", ledger.n)
		}
	})
}

func TestAWatchedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "schedule.yaml")
		write := func(text string) {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1100 * time.Millisecond) // it takes effect within a second
		}
		app, ledger := setup(t, umbel.Config{BeatScheduleFile: path, BeatSchedule: []umbel.ScheduleEntry{entry("a", "1m")}})
		stop := start(t, app, newBeat())
		defer stop()
		time.Sleep(61 * time.Second)
		write("b: {task: tasks.b, schedule: 10}\na: {task: tasks.other, schedule: 60}\n")
		time.Sleep(time.Minute)
		if a, b, other := ledger.count("tasks.a"), ledger.count("tasks.b"), ledger.count("tasks.other"); a != 1 || b != 6 || other != 1 {
			t.Errorf("a %d, b %d, other %d", a, b, other)
		}
		write("b: {task: tasks.b, schedule: often}\n") // changes nothing
		time.Sleep(time.Minute)
		if b := ledger.count("tasks.b"); b < 11 {
			t.Errorf("b was sent %d times", b)
		}
		write("{}")
		b, other := ledger.count("tasks.b"), ledger.count("tasks.other")
		time.Sleep(5 * time.Minute)
		if ledger.count("tasks.b") != b || ledger.count("tasks.other") != other {
			t.Error("what is gone from the file is sent")
		}
	})
}

func TestChangesAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, ledger := setup(t, umbel.Config{BeatSchedule: []umbel.ScheduleEntry{entry("fixed", "10s")}})
		table, err := beat.OpenTimetable(t.Context(), app, newBeat())
		if err != nil {
			t.Fatal(err)
		}
		defer table.Close()
		stop := start(t, app, newBeat())
		defer stop()
		time.Sleep(500 * time.Millisecond) // so that nothing below happens at the very moment of a tick
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		sent := func(task string, d time.Duration) int {
			before := ledger.count(task)
			time.Sleep(d)
			return ledger.count(task) - before
		}
		if n := sent("tasks.fixed", time.Minute); n != 6 {
			t.Errorf("fixed was sent %d times", n)
		}
		must(table.Add(t.Context(), entry("added", "1s")))
		if n := sent("tasks.added", 10*time.Second); n < 9 || n > 10 {
			t.Errorf("what was added was sent %d times in 10 s", n)
		}
		if err := table.Add(t.Context(), entry("fixed", "1s")); !errors.Is(err, beat.ErrEntryExists) {
			t.Errorf("adding what is there: %v", err)
		}
		must(table.Pause(t.Context(), "added"))
		must(table.Pause(t.Context(), "fixed"))
		time.Sleep(time.Second)
		if n := sent("tasks.added", time.Minute) + sent("tasks.fixed", time.Minute); n != 0 {
			t.Errorf("what is paused was sent %d times", n)
		}
		must(table.Resume(t.Context(), "fixed"))
		if n := sent("tasks.fixed", time.Minute+time.Second); n != 6 {
			t.Errorf("fixed, resumed, was sent %d times", n)
		}
		must(table.Edit(t.Context(), "fixed", map[string]any{"schedule": int64(30), "task": "tasks.edited"}))
		if n := sent("tasks.edited", time.Minute); n != 2 {
			t.Errorf("fixed, edited, was sent %d times", n)
		}
		items, err := table.List(t.Context())
		must(err)
		if len(items) != 2 || items[0].Name != "added" || !items[0].Next.IsZero() || items[1].Next.Before(time.Now()) || !items[1].Edited || items[1].Count < 14 {
			t.Errorf("the list is %+v", items)
		}
		if restored, err := table.Remove(t.Context(), "fixed"); err != nil || !restored {
			t.Errorf("remove: %t, %v", restored, err)
		}
		if n := sent("tasks.fixed", time.Minute+time.Second); n < 5 || n > 6 {
			t.Errorf("fixed, as it was, was sent %d times", n)
		}
		if _, err := table.Remove(t.Context(), "fixed"); err == nil {
			t.Error("an entry of the settings was removed")
		}
		r, err := table.Run(t.Context(), "added")
		must(err)
		if all := ledger.all(); all[len(all)-1].id != r.ID() && all[len(all)-2].id != r.ID() {
			t.Error("run sent nothing")
		}
		if err := table.Edit(t.Context(), "fixd", nil); !errors.Is(err, beat.ErrNoEntry) {
			t.Errorf("editing what is not there: %v", err)
		}
		leader, err := table.Leader(t.Context())
		if err != nil || leader == "" {
			t.Errorf("led by %q, %v", leader, err)
		}
	})
}
