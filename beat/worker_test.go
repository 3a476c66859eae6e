package beat_test

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// fleet is an app whose worker runs beside the test, within a bubble.
func fleet(t *testing.T, c umbel.Config, register func(*umbel.App)) (app *umbel.App, stop func()) {
	t.Helper()
	c.BrokerURL, c.ResultBackend = []string{"memory://"}, "memory://"
	app = umbel.New("shop", umbel.WithConfig(c), umbel.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	register(app)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- worker.New(app, worker.Config{}).Run(ctx) }()
	synctest.Wait()
	return app, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("worker: %v", err)
		}
		app.Close()
	}
}

func TestATickThatWasSentTwiceRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran atomic.Int32
		app, stop := fleet(t, umbel.Config{}, func(app *umbel.App) {
			umbel.Register(app, "tasks.count", func(context.Context, umbel.Args) (any, error) { ran.Add(1); return nil, nil })
		})
		defer stop()
		send := func(id, header string) {
			if _, err := app.Send(t.Context(), "tasks.count", nil, umbel.TaskID(id), umbel.Header(umbel.TickHeader, header)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		send("tick", "2026-01-01T00:00:00Z one")
		send("tick", "2026-01-01T00:00:00Z two")
		if n := ran.Load(); n != 1 {
			t.Errorf("the tick ran %d times", n)
		}
		send("tick", "2026-01-01T00:00:00Z one") // the same message once more, as after a lost connection
		if n := ran.Load(); n != 2 {
			t.Errorf("the first message, handed out again, ran %d times", n-1)
		}
		send("another", "2026-01-01T00:00:01Z three")
		if n := ran.Load(); n != 3 {
			t.Errorf("another tick ran %d times", n-2)
		}
	})
}

// A task of a minute every 10 s: what each policy makes of it within ten minutes.
func TestOverlap(t *testing.T) {
	for policy, want := range map[string]struct{ least, most int32 }{
		"allow": {58, 61}, "skip": {9, 10}, "queue": {9, 10}, "cancel": {58, 61},
	} {
		t.Run(policy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var began, atOnce, most, cancelled atomic.Int32
				app, stop := fleet(t, umbel.Config{WorkerConcurrency: 100, BeatSchedule: []umbel.ScheduleEntry{
					{Name: "long", Task: "tasks.long", Schedule: "10s", Overlap: policy},
				}}, func(app *umbel.App) {
					umbel.Register(app, "tasks.long", func(ctx context.Context, _ umbel.Args) (any, error) {
						began.Add(1)
						most.Store(max(most.Load(), atOnce.Add(1)))
						defer atOnce.Add(-1)
						select {
						case <-time.After(time.Minute):
						case <-ctx.Done():
							cancelled.Add(1)
						}
						return nil, context.Cause(ctx)
					})
				})
				stopBeat := start(t, app, newBeat())
				time.Sleep(10 * time.Minute)
				stopBeat()
				stop()
				if n := began.Load(); n < want.least || n > want.most {
					t.Errorf("it began %d times, want %d to %d", n, want.least, want.most)
				}
				switch n := most.Load(); {
				case policy == "allow" && n < 6:
					t.Errorf("%d ran at once", n)
				case (policy == "skip" || policy == "queue") && n != 1:
					t.Errorf("%d ran at once", n)
				case policy == "cancel" && (n > 2 || cancelled.Load() < 50):
					t.Errorf("%d ran at once, %d were cancelled", n, cancelled.Load())
				}
			})
		})
	}
}
