package interop

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// retries: attempts within one language, and from one to the other.
func retries(t *testing.T, w *world) {
	t.Run("go retries what python sent", func(t *testing.T) {
		if n := value[int](t, w.client, `get(send("go.retry", 3))`); n != 3 {
			t.Errorf("it took %d retries", n)
		}
		got := value[caught](t, w.client, `fails(send("go.retry", 99))`)
		if got.Type != "Exception" || got.State != "FAILURE" {
			t.Errorf("when its retries are used up: %v", got)
		}
	})
	t.Run("python retries what go sent", func(t *testing.T) {
		r, err := w.app.Send(deadline(t), "py.retry", umbel.Args{3})
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if err := r.Get(deadline(t), &n); err != nil || n != 3 {
			t.Errorf("it took %d retries, %v", n, err)
		}
	})
	t.Run("python's retry runs in go", func(t *testing.T) {
		app := w.newApp(t, nil)
		umbel.Register(app, "shared.flaky", func(ctx context.Context, first string) ([]any, error) {
			return []any{"go", umbel.RequestFrom(ctx).Retries, first}, nil
		})
		startGo(t, app, worker.Config{Queues: []string{"flaky.go"}})
		got := value[[]any](t, w.client, `get(app.send_task("shared.flaky", ("python", "flaky.go"), queue="py"))`)
		if d := cmp.Diff([]any{"go", 1., "python"}, got[:3]); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
	t.Run("our retry runs in python", func(t *testing.T) {
		app := w.newApp(t, nil)
		var leave context.CancelFunc
		umbel.Register(app, "shared.flaky", func(ctx context.Context, in umbel.Args) (any, error) {
			leave() // so that the next attempt is not ours
			return nil, umbel.RetryIn(100*time.Millisecond, errors.New("try elsewhere"))
		})
		id := value[string](t, w.client, `app.send_task("shared.flaky", ("go",), queue="flaky.py", priority=3, headers={"tenant": "acme"}).id`)
		ctx, cancel := context.WithCancel(deadline(t))
		leave = cancel
		if err := worker.New(app, worker.Config{Queues: []string{"flaky.py"}, Concurrency: 1}).Run(ctx); err != nil {
			t.Fatal(err)
		}
		if s, err := w.app.Result(id).State(deadline(t)); err != nil || s != umbel.Retrying {
			t.Errorf("between the attempts: %s, %v", s, err)
		}
		if got := value[[]any](t, w.client, "r = AsyncResult(given[0]); [r.state, type(r.result).__name__, str(r.result)]", id); got[0] != "RETRY" {
			t.Errorf("Python sees %v", got)
		}
		w.startWorker(t, "flaky.py", nil, "-P", "solo")
		got := value[[]any](t, w.client, "get(given[0])", id)
		if d := cmp.Diff([]any{"python", 1., "go"}, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}
