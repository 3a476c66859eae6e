package interop

import (
	"errors"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// TestResultsByRPC: rpc:// both ways. Each client's replies come to a queue of its own.
func TestResultsByRPC(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(t, func(c *umbel.Config) { c.ResultBackend = "rpc://" })
	startGo(t, app, worker.Config{Queues: []string{"go"}})
	t.Run("python asks go", func(t *testing.T) {
		got := value[[]any](t, w.client, `
r = rpc.send_task("go.order", (7, 42.5), queue="go")
first = r.get(timeout=20)
bad = rpc.send_task("go.fail", ("own",), queue="go")
try:
    bad.get(timeout=20)
except Exception as e:
    caught = [type(e).__name__, str(e), bad.state, "order 7 is closed" in bad.traceback]
many = [rpc.send_task("go.retry", (0,), queue="go") for _ in range(50)]
[first["order"], r.state, *caught, sum(m.get(timeout=20) == 0 for m in many)]`)
		want := []any{7., "SUCCESS", "OrderError", "processing: order 7 is closed", "FAILURE", true, 50.}
		if len(got) != len(want) {
			t.Fatalf("got %v", got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%d: got %v, want %v", i, got[i], want[i])
			}
		}
	})
	t.Run("a refused task is answered, too", func(t *testing.T) {
		got := value[[]string](t, w.client, `
answers = []
for bad in (rpc.send_task("go.nobody", queue="go"), rpc.send_task("go.order", ("seven",), queue="go")):
    try:
        bad.get(timeout=20)
    except Exception as e:
        answers.append(type(e).__name__)
answers`)
		if len(got) != 2 || got[0] != "NotRegistered" || got[1] != "TypeError" {
			t.Errorf("caught %v", got)
		}
	})
	t.Run("go asks python", func(t *testing.T) {
		w.startWorker(t, "pyrpc", map[string]any{"result_backend": "rpc://"}, "-P", "solo")
		var rs []*umbel.AsyncResult
		for i := range 20 {
			r, err := app.Send(deadline(t), "py.add", umbel.Args{i, 1}, umbel.Queue("pyrpc"))
			if err != nil {
				t.Fatal(err)
			}
			rs = append(rs, r)
		}
		for i, r := range rs {
			var sum int
			if err := r.Get(deadline(t), &sum); err != nil || sum != i+1 {
				t.Errorf("%d: %d, %v", i, sum, err)
			}
		}
		r, err := app.Send(deadline(t), "py.fail", umbel.Args{"own"}, umbel.Queue("pyrpc"))
		if err != nil {
			t.Fatal(err)
		}
		var failed *umbel.TaskError
		if err := r.Get(deadline(t), nil); !errors.As(err, &failed) || failed.Type != "OrderError" || failed.Message != "order 7 is closed" {
			t.Errorf("got %v", err)
		}
	})
}
