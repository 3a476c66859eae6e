package worker_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

func TestThePoolGrowsWithItsLoadAndShrinksAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp(t, umbel.Config{WorkerAutoscale: "2,8", WorkerAutoscaleKeepalive: 30 * time.Second})
		release := make(chan struct{})
		var running, most atomic.Int64
		task := umbel.Register(app, "t", func(context.Context, int) (int, error) {
			n := running.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			<-release
			running.Add(-1)
			return 0, nil
		})
		w, stop := start(t, app, worker.Config{})
		size := func() int { return worker.PoolSize(w) }
		if size() != 2 {
			t.Errorf("%d slots at the start, want 2", size())
		}
		for n, want := range []int{2, 2, 2, 3, 4, 5, 6, 7, 8, 8, 8} { // after so many tasks
			if n > 0 {
				if _, err := task.Send(t.Context(), n); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			if want = max(want, min(n, 8)); size() != want {
				t.Errorf("%d slots for %d tasks, want %d", size(), n, want)
			}
		}
		if running.Load() != 8 {
			t.Errorf("%d tasks run, want 8", running.Load())
		}
		for range 6 {
			release <- struct{}{}
		}
		synctest.Wait()
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if size() != 8 {
			t.Errorf("%d slots before the keepalive is over, want 8", size())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if size() != 4 {
			t.Errorf("%d slots while 4 tasks run, want 4", size())
		}
		close(release)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if size() != 2 {
			t.Errorf("%d slots with nothing to do, want 2", size())
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if most.Load() != 8 {
			t.Errorf("%d tasks ran at once, want 8", most.Load())
		}
	})
}

func TestTheRangeIsChangedByRemoteControl(t *testing.T) {
	app := newApp(t, umbel.Config{WorkerAutoscale: "4,1"})
	w, stop := start(t, app, worker.Config{Nodename: "w@host"})
	if got := fmt.Sprint(ask(t, app, "w@host", "autoscale", map[string]any{"max": 6, "min": 3})); !strings.Contains(got, "autoscale now max=6 min=3") {
		t.Errorf("autoscale: %v", got)
	}
	if n := worker.PoolSize(w); n != 3 {
		t.Errorf("%d slots, want 3", n)
	}
	stats := ask(t, app, "w@host", "stats", nil).(map[string]any)
	if got := fmt.Sprint(stats["autoscaler"], stats["prefetch_count"]); got != "map[current:3 max:6 min:3 qty:0] 24" {
		t.Errorf("stats: %v", got)
	}
	if got := fmt.Sprint(ask(t, app, "w@host", "pool_grow", map[string]any{"n": 1})); !strings.Contains(got, "pool_grow is not supported with autoscale. Adjust autoscale range instead.") {
		t.Errorf("pool_grow: %v", got)
	}
	if got := fmt.Sprint(ask(t, app, "w@host", "autoscale", map[string]any{"max": 0})); !strings.Contains(got, "error") {
		t.Errorf("a range that makes no sense: %v", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestChildrenComeAndGoWithTheLoad(t *testing.T) {
	space := fmt.Sprintf("memory://autoscale-%d", spaces.Add(1))
	app := processApp(space, space, slow(umbel.Config{WorkerAutoscale: "3,1", WorkerAutoscaleKeepalive: 500 * time.Millisecond}))
	t.Cleanup(func() { _ = app.Close() })
	w, stop := start(t, app, inProcesses(space, space, worker.Config{}))
	file := t.TempDir() + "/notes"
	for n := range 2000 {
		if _, err := app.Send(patient(t), "note", umbel.Kwargs{"file": file, "n": n}); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, func() bool { return worker.PoolSize(w) == 3 && len(worker.PoolProcesses(w)) == 4 }, "three children and a spare")
	waitFor(t, func() bool { return worker.PoolSize(w) == 1 && len(worker.PoolProcesses(w)) == 2 }, "one child and a spare")
	if err := stop(); err != nil {
		t.Error(err)
	}
}
