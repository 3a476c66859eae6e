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
	// One task, four attempts: here, in Python, here twice again. What ours left on the message is there at the end, in the request
	// and in the result, and Python reads the result as any other. Celery 5.2 sends no custom headers on, newer ones do.
	t.Run("from go to python and back", func(t *testing.T) {
		var leave context.CancelFunc
		first := w.newApp(t, nil)
		umbel.Register(first, "shared.relay", func(context.Context, umbel.Args) (any, error) {
			leave()
			return nil, umbel.RetryIn(100*time.Millisecond, errors.New("try elsewhere"))
		})
		r, err := w.app.Send(deadline(t), "shared.relay", umbel.Args{"relay.back"}, umbel.Queue("relay.py"), umbel.Priority(3), umbel.Header("tenant", "acme"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(deadline(t))
		leave = cancel
		if err := worker.New(first, worker.Config{Queues: []string{"relay.py"}, Concurrency: 1, Nodename: "first@go"}).Run(ctx); err != nil {
			t.Fatal(err)
		}
		w.startWorker(t, "relay.py", nil, "-P", "solo")
		type seen struct {
			retries  int
			attempts []umbel.Attempt
			passedOn bool
			priority uint8
			parent   string
		}
		got := make(chan seen, 1)
		last := w.newApp(t, nil)
		umbel.Register(last, "shared.relay", func(ctx context.Context, _ umbel.Args) (string, error) {
			q := umbel.RequestFrom(ctx)
			if q.Retries == 2 {
				return "", umbel.RetryIn(0, errors.New("once more"))
			}
			got <- seen{q.Retries, q.Attempts(), q.Headers()["tenant"] == "acme", q.Priority, q.ParentID}
			return "done", nil
		})
		startGo(t, last, worker.Config{Queues: []string{"relay.back"}, Nodename: "last@go"})
		if text := value[string](t, w.client, "get(given[0])", r.ID()); text != "done" {
			t.Errorf("Python reads %q", text)
		}
		s := <-got
		if s.retries != 3 || s.priority != 3 || s.parent != r.ID() {
			t.Errorf("the last attempt is %+v", s)
		}
		want := []string{"last@go: once more"}
		if s.passedOn {
			want = append([]string{"first@go: try elsewhere"}, want...)
		}
		var noted []string
		for _, a := range s.attempts {
			noted = append(noted, a.Worker+": "+a.Error)
			if age := time.Since(a.At); age < 0 || age > time.Hour {
				t.Errorf("an attempt ended %v ago", age)
			}
		}
		if d := cmp.Diff(want, noted); d != "" {
			t.Errorf("earlier attempts (-want +got):\n%s", d)
		}
		result := value[map[string]any](t, w.client, "__import__('json').loads(app.backend.get(app.backend.get_key_for_task(given[0])))", r.ID())
		list, _ := result["attempts"].([]any)
		if len(list) != len(want) || list[len(list)-1].(map[string]any)["worker"] != "last@go" || list[len(list)-1].(map[string]any)["error"] != "once more" {
			t.Errorf("the result tells of the attempts %v", result["attempts"])
		}
	})
}
