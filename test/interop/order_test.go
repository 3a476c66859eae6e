package interop

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// TestPrioritiesOrderOneQueue: messages of both languages wait in one queue with x-max-priority, and each side's worker
// takes them by priority.
func TestPrioritiesOrderOneQueue(t *testing.T) {
	w := newWorld(t)
	priorities := []uint8{1, 5, 0, 9, 3, 7}
	want := []string{"go 9", "python 9", "go 7", "python 7", "go 5", "python 5", "go 3", "python 3", "go 1", "python 1", "go 0", "python 0"}
	send := func(name string) (last *umbel.AsyncResult) {
		for _, p := range priorities {
			w.client.run(t, nil, `app.send_task(given[0], ("python %d" % given[1],), queue="prio", priority=given[1])`, name, p)
		}
		for _, p := range priorities {
			r, err := w.app.Send(deadline(t), name, umbel.Args{fmt.Sprintf("go %d", p)}, umbel.Queue("prio"), umbel.Priority(p))
			if err != nil {
				t.Fatal(err)
			}
			if p == 0 {
				last = r
			}
		}
		return last
	}
	t.Run("in go", func(t *testing.T) {
		app := w.newApp(t, nil)
		var mu sync.Mutex
		var order []string
		umbel.Register(app, "note.go", func(_ context.Context, what string) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, what)
			return nil, nil
		})
		last := send("note.go")
		// Message by message: what is prefetched is out of the broker's order.
		stop := startGo(t, app, worker.Config{Queues: []string{"prio"}, Concurrency: 1, PrefetchMultiplier: 1})
		if err := last.Get(deadline(t), nil); err != nil {
			t.Fatal(err)
		}
		stop()
		checkOrder(t, want, order)
	})
	t.Run("in python", func(t *testing.T) {
		last := send("py.note")
		w.startWorker(t, "prio", map[string]any{"worker_prefetch_multiplier": 1, "task_acks_late": true}, "-P", "solo")
		if err := last.Get(deadline(t), nil); err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, v := range w.redis.Do("LRANGE", "notes", "0", "-1").([]any) {
			order = append(order, v.(string))
		}
		checkOrder(t, want, order)
	})
}

// checkOrder compares by priority: messages of one priority keep the order in which they were sent, python's first.
func checkOrder(t *testing.T, want, got []string) {
	t.Helper()
	priority := func(all []string) (digits []string) {
		for _, s := range all {
			digits = append(digits, s[len(s)-1:])
		}
		return digits
	}
	// The last one to be sent is the last of priority 0, and everything has run before it.
	if d := cmp.Diff(priority(want), priority(got)); d != "" {
		t.Errorf("order of priorities (-want +got):\n%s\n%v", d, got)
	}
}
