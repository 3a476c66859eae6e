package beat_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel"
	_ "github.com/umbel-go/umbel/backend/memory"
	"github.com/umbel-go/umbel/beat"
	"github.com/umbel-go/umbel/broker"
	_ "github.com/umbel-go/umbel/broker/memory"
	"github.com/umbel-go/umbel/protocol"
)

// A sent task, as it would reach the broker.
type sent struct {
	at   time.Time
	id   string
	task string
	due  string // header umbel_tick, up to the blank
	m    *protocol.Task
}

// A ledger takes messages in place of a broker.
type ledger struct {
	mu   sync.Mutex
	sent []sent
	fail func(n int) error // n counts from 1
	n    int
}

func (l *ledger) take(_ context.Context, m *broker.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	if l.fail != nil {
		if err := l.fail(l.n); err != nil {
			return err
		}
	}
	t, err := protocol.DecodeTask(&m.Envelope, protocol.DecodeOptions{})
	if err != nil {
		return err
	}
	due, _ := t.CustomHeaders()[umbel.TickHeader].(string)
	if len(due) > 37 {
		due = due[:len(due)-37]
	}
	l.sent = append(l.sent, sent{time.Now(), t.ID, t.Name, due, t})
	return nil
}

func (l *ledger) all() []sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.sent)
}

func (l *ledger) count(task string) (n int) {
	for _, s := range l.all() {
		if s.task == task {
			n++
		}
	}
	return n
}

// setup is an app on memory, within a bubble.
func setup(t *testing.T, c umbel.Config) (*umbel.App, *ledger) {
	t.Helper()
	c.BrokerURL = []string{"memory://"}
	if c.ResultBackend == "" {
		c.ResultBackend = "memory://"
	}
	app := umbel.New("shop", umbel.WithConfig(c), umbel.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	l := &ledger{}
	app.Intercept(l.take)
	t.Cleanup(func() { app.Close() })
	return app, l
}

// start runs a scheduler until stop is called.
func start(t *testing.T, app *umbel.App, c beat.Config) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- beat.New(app, c).Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func entry(name, schedule string) umbel.ScheduleEntry {
	return umbel.ScheduleEntry{Name: name, Task: "tasks." + name, Schedule: schedule}
}

func TestWhatIsDueIsSentOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(90 * time.Second)
		app, ledger := setup(t, umbel.Config{BeatSchedule: []umbel.ScheduleEntry{
			entry("interval", "7s"), entry("crontab", "*/5 * * * *"), entry("once", at.Format(time.RFC3339)),
		}})
		stop := start(t, app, beat.Config{})
		defer stop()
		begun := time.Now()
		time.Sleep(10*time.Minute + time.Second)
		stop()
		counts := map[string]int{"tasks.interval": 85, "tasks.crontab": 2, "tasks.once": 1}
		for _, task := range slices.Sorted(maps.Keys(counts)) {
			if n := ledger.count(task); n != counts[task] {
				t.Errorf("%s was sent %d times, want %d", task, n, counts[task])
			}
		}
		for _, s := range ledger.all() {
			if due, err := time.Parse(time.RFC3339Nano, s.due); err != nil || !s.at.Equal(due) {
				t.Errorf("%s is due at %s and was sent at %v, %v", s.task, s.due, s.at.Sub(begun), err)
			}
			due, _ := time.Parse(time.RFC3339Nano, s.due)
			if s.id != beat.TaskID("shop", s.task[len("tasks."):], due) {
				t.Errorf("%s has id %s", s.task, s.id)
			}
		}
	})
}

func TestAYearInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		berlin := "Europe/Berlin"
		app, ledger := setup(t, umbel.Config{Timezone: berlin, BeatLease: 24 * time.Hour, BeatSchedule: []umbel.ScheduleEntry{
			entry("hourly", "0 * * * *"), entry("daily", "30 2 * * *"), entry("workdays", "0 9 * * mon-fri"), entry("monthly", "0 0 1 * *"),
			entry("sunset", "sunset 52.52 13.405"), entry("six", "6h"), entry("leap", "0 0 29 2 *"),
			{Name: "tokyo", Task: "tasks.tokyo", Schedule: "0 0 * * *", Timezone: "Asia/Tokyo"},
		}})
		loc, err := time.LoadLocation(berlin)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now() // 2000-01-01 00:00 UTC, a Saturday
		stop := start(t, app, beat.Config{Poll: 24 * time.Hour, MaxInterval: 24 * time.Hour})
		defer stop()
		time.Sleep(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).Sub(begun) - time.Second)
		stop()
		for task, want := range map[string]int{
			// A year of hours, but the one that autumn repeats is sent once. New year in Berlin is an hour earlier.
			"hourly": 366*24 - 1 - 1, "daily": 366, "workdays": 260, "monthly": 12, "sunset": 366, "six": 366*4 - 1, "leap": 1, "tokyo": 366,
		} {
			if n := ledger.count("tasks." + task); n != want {
				t.Errorf("%s was sent %d times in a year, want %d", task, n, want)
			}
		}
		seen := make(map[string]bool)
		for _, s := range ledger.all() {
			if seen[s.id] {
				t.Errorf("%s was sent twice for %s", s.task, s.due)
			}
			seen[s.id] = true
			local := s.at.In(loc)
			if shown := local.Format("15:04"); s.task == "tasks.daily" && shown != "02:30" && (shown != "03:30" || local.Month() != time.March) {
				t.Errorf("daily was sent at %v", local)
			}
		}
	})
}

func ExampleTaskID() {
	due := time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC)
	fmt.Println(beat.TaskID("shop", "report", due) == beat.TaskID("shop", "report", due.Local()))
	// Output: true
}
