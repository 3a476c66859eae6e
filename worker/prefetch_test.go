package worker_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// What a worker holds unacked never exceeds its limit, by the counts of the memory broker and in virtual time: short tasks,
// then long ones.
func TestUnackedNeverExceedsTheLimit(t *testing.T) {
	for name, tt := range map[string]struct{ multiplier, limit int }{
		"fixed at 4": {4, 16},
		"fixed at 1": {1, 4},
		"auto":       {umbel.AutoPrefetch, worker.PrefetchLimit(4)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newApp(t, umbel.Config{})
				var long atomic.Bool
				task := umbel.Register(app, "t", func(ctx context.Context, _ int) (int, error) {
					d := time.Millisecond
					if long.Load() {
						d = 10 * time.Minute
					}
					select {
					case <-time.After(d):
					case <-ctx.Done(): // none may be left behind when the bubble ends
					}
					return 0, nil
				}, umbel.AcksLate())
				const tasks = 1200
				for n := range tasks {
					if _, err := task.Send(t.Context(), n); err != nil {
						t.Fatal(err)
					}
				}
				w, stop := start(t, app, worker.Config{Concurrency: 4, PrefetchMultiplier: tt.multiplier})
				broker, err := app.Broker(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				most := 0
				look := func() int {
					synctest.Wait()
					stat, err := broker.Stat(t.Context(), "celery")
					if err != nil {
						t.Fatal(err)
					}
					if most = max(most, stat.Unsettled); stat.Unsettled > tt.limit {
						t.Fatalf("%d messages are unacked, the limit is %d", stat.Unsettled, tt.limit)
					}
					return stat.Unsettled
				}
				for w.Stats().Succeeded < tasks/2 {
					look()
					time.Sleep(500 * time.Microsecond)
				}
				if tt.multiplier == umbel.AutoPrefetch {
					if most < 64 {
						t.Errorf("%d messages of short tasks were held at most: the window did not grow", most)
					}
				} else if most != tt.limit {
					t.Errorf("%d messages were held at most, want %d", most, tt.limit)
				}
				long.Store(true)
				for range 4 { // as many rounds of long tasks
					time.Sleep(10 * time.Minute)
					look()
				}
				if n := worker.PrefetchCount(w); tt.multiplier == umbel.AutoPrefetch && n != 4 {
					t.Errorf("the window for tasks of ten minutes is %d, want one a slot", n)
				}
				cancelled := make(chan struct{})
				go func() { defer close(cancelled); w.Stop(worker.Cold) }()
				<-cancelled
				_ = stop()
			})
		})
	}
}

// The same on RabbitMQ, by its own counts, which lag a little behind. Tasks that become long are given back.
func TestUnackedFollowsTheLengthOfTasksOnRabbitMQ(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	app := rabbitApp(t, rabbit.URL(), umbel.Config{WorkerPrefetchMultiplier: umbel.AutoPrefetch})
	hold := make(chan struct{})
	task := umbel.Register(app, "t", func(ctx context.Context, n int) (int, error) {
		if n < 0 {
			<-hold
		}
		return n, nil
	}, umbel.AcksLate())
	w, _ := start(t, app, worker.Config{Concurrency: 2})
	var release sync.Once
	t.Cleanup(func() { release.Do(func() { close(hold) }) })
	if n := worker.PrefetchCount(w); n != 2 {
		t.Errorf("the window is %d at the start", n)
	}
	sent := 0
	testenv.Await(t, "a window for short tasks", func() bool {
		calls := make([]umbel.Call, 200)
		for i := range calls {
			calls[i] = umbel.Call{Name: task.Name(), Input: i}
		}
		if _, err := app.SendMany(t.Context(), calls); err != nil {
			t.Fatal(err)
		}
		sent += len(calls)
		return worker.PrefetchCount(w) >= 32
	}, nil)
	testenv.Await(t, "short tasks run", func() bool { return w.Stats().Succeeded == int64(sent) }, nil)
	for range 100 {
		if _, err := task.Send(t.Context(), -1); err != nil {
			t.Fatal(err)
		}
	}
	most := 0
	rabbit.AwaitQueue("celery", func(q testenv.RabbitQueue) bool {
		if most = max(most, q.Unacked); q.Unacked > worker.PrefetchLimit(2) {
			t.Fatalf("%d messages are unacked, the limit is %d", q.Unacked, worker.PrefetchLimit(2))
		}
		return q.Messages == 100 && q.Unacked <= 4 // two that run, and the new window
	})
	release.Do(func() { close(hold) })
	testenv.Await(t, "all run", func() bool { return w.Stats().Succeeded == int64(sent+100) }, nil)
}
