package interop

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/worker"
)

// states: custom states, PROGRESS and STARTED while a task runs, ignored and extended results.
func states(t *testing.T, w *world) {
	t.Run("python watches a go task", func(t *testing.T) {
		id := value[string](t, w.client, `
r = send("go.progress")
r.id`)
		look := func(state string) any {
			var info any
			testenv.Await(t, "state "+state, func() bool {
				s := value[[]any](t, w.client, "[r.state, r.info]")
				info = s[1]
				return s[0] == state
			}, nil)
			return info
		}
		if d := cmp.Diff(map[string]any{"done": 3., "of": 10.}, look("PROGRESS")); d != "" {
			t.Errorf("info of PROGRESS (-want +got):\n%s", d)
		}
		w.goOn(id)
		if d := cmp.Diff([]any{"box", 7.}, look("PACKING")); d != "" {
			t.Errorf("info of PACKING (-want +got):\n%s", d)
		}
		w.goOn(id)
		if got := value[string](t, w.client, "get(r)"); got != "packed" {
			t.Errorf("it ended with %q", got)
		}
	})
	t.Run("go watches a python task", func(t *testing.T) {
		r, err := w.app.Send(deadline(t), "py.progress", nil)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		seen := map[umbel.State]bool{}
		var told []string
		err = r.Watch(deadline(t), func(d *protocol.Result) {
			mu.Lock()
			defer mu.Unlock()
			if seen[d.Status] {
				return // the store may tell of one state more than once
			}
			seen[d.Status] = true
			told = append(told, string(d.Status)+" "+string(d.Result.Raw()))
			if !d.Status.Ready() {
				w.goOn(r.ID())
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{`PROGRESS {"done": 3, "of": 10}`, `PACKING ["box", 7]`, `SUCCESS "packed"`}
		if d := cmp.Diff(want, told); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
	t.Run("STARTED", func(t *testing.T) {
		id := value[string](t, w.client, `
r = send("go.started")
r.id`)
		var info map[string]any
		testenv.Await(t, "state STARTED", func() bool {
			d := value[map[string]any](t, w.client, "{'state': r.state, 'info': r.info if r.state == 'STARTED' else None}")
			info, _ = d["info"].(map[string]any)
			return d["state"] == "STARTED"
		}, nil)
		if _, ok := info["pid"].(float64); !ok || !strings.Contains(info["hostname"].(string), "@") {
			t.Errorf("info of STARTED is %v", info)
		}
		w.goOn(id)
		if got := value[string](t, w.client, "get(r)"); got != "done" {
			t.Errorf("it ended with %q", got)
		}
	})
	t.Run("a go task whose result is ignored", func(t *testing.T) {
		got := value[[]any](t, w.client, `
r = send("go.fail", "ignore")
get(send("go.echo", 1))
[r.state, r.result]`)
		if d := cmp.Diff([]any{"PENDING", nil}, got); d != "" {
			t.Errorf("after umbel.Ignore (-want +got):\n%s", d)
		}
	})
	t.Run("a python task whose result is ignored", func(t *testing.T) {
		r, err := w.app.Send(deadline(t), "py.fail", umbel.Args{"ignore"})
		if err != nil {
			t.Fatal(err)
		}
		second, err := w.app.Send(deadline(t), "py.add", umbel.Args{1, 1}, umbel.IgnoreResult())
		if err != nil {
			t.Fatal(err)
		}
		for range 4 { // both processes of the pool have gone past it
			if err := w.call(t, "py.add", umbel.Args{1, 1}); err != nil {
				t.Fatal(err)
			}
		}
		if s, err := r.State(deadline(t)); err != nil || s != umbel.Pending {
			t.Errorf("after Python's Ignore: %s, %v", s, err)
		}
		if s, err := w.app.Result(second.ID()).State(deadline(t)); err != nil || s != umbel.Unknown {
			t.Errorf("after IgnoreResult: %s, %v", s, err)
		}
	})
	t.Run("extended", func(t *testing.T) {
		app := w.newApp(t, func(c *umbel.Config) { c.ResultExtended = true })
		startGo(t, app, worker.Config{Queues: []string{"extended"}})
		got := value[[]any](t, w.client, `
r = send("go.echo", 1, kwargs={"k": [2]}, queue="extended", retries=1)
get(r)
[r.name, list(r.args), r.kwargs, r.worker is not None, r.retries, r.queue]`)
		if d := cmp.Diff([]any{"go.echo", []any{1.}, map[string]any{"k": []any{2.}}, true, 1., "extended"}, got); d != "" {
			t.Errorf("Python reads (-want +got):\n%s", d)
		}
		w.startWorker(t, "pyext", map[string]any{"result_extended": true}, "-P", "solo")
		r, err := w.app.Send(deadline(t), "py.add", umbel.Args{1, 2, umbel.Kwargs{"scale": 3}}, umbel.Queue("pyext"))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := r.Wait(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		x := doc.Extended
		if x == nil || x.Name != "py.add" || string(x.Args.Raw()) != "[1, 2]" || string(x.Kwargs.Raw()) != `{"scale": 3}` || x.Worker != "pyext@py" || x.Queue != "pyext" {
			t.Errorf("we read %+v", x)
		}
	})
}

// goOn tells a task that it may go on. It is called from callbacks, too.
func (w *world) goOn(id string) {
	if _, err := w.redis.Try("RPUSH", "go-on-"+id, "yes"); err != nil {
		panic(err) // Redis of the test is gone
	}
}

// call sends a task and waits for its end.
func (w *world) call(t *testing.T, name string, in any, options ...umbel.SendOption) error {
	t.Helper()
	r, err := w.app.Send(deadline(t), name, in, options...)
	if err != nil {
		t.Fatal(err)
	}
	return r.Get(deadline(t), nil)
}
