package interop

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
)

// goSends: every option of Send, as the Python task sees it.
func goSends(t *testing.T, w *world) {
	for name, c := range map[string]struct {
		options []umbel.SendOption
		want    map[string]any
	}{
		"nothing": {nil, map[string]any{"retries": 0., "eta": nil, "expires": nil, "parent_id": nil, "group": nil, "shadow": nil,
			"timelimit": []any{nil, nil}, "argsrepr": "(1, 'two')", "kwargsrepr": "{'z': [3]}", "ignore_result": false,
			"routing_key": "py", "args": []any{1., "two"}, "kwargs": map[string]any{"z": []any{3.}}, "task": "py.request"}},
		"TaskID":        {[]umbel.SendOption{umbel.TaskID("order:8/é")}, map[string]any{"id": "order:8/é", "root_id": "order:8/é", "correlation_id": "order:8/é"}},
		"Countdown":     {[]umbel.SendOption{umbel.Countdown(200 * time.Millisecond)}, nil},
		"ETA":           {[]umbel.SendOption{umbel.ETA(time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC))}, map[string]any{"eta": "2020-01-02T03:04:05+00:00"}},
		"ExpiresAt":     {[]umbel.SendOption{umbel.ExpiresAt(time.Date(2099, 1, 2, 3, 4, 5, 600000000, time.UTC))}, map[string]any{"expires": "2099-01-02T03:04:05.600000+00:00"}},
		"ExpiresIn":     {[]umbel.SendOption{umbel.ExpiresIn(time.Hour)}, nil},
		"Priority":      {[]umbel.SendOption{umbel.Priority(7)}, map[string]any{"priority": 7.}},
		"json":          {[]umbel.SendOption{umbel.Serializer("json")}, nil},
		"yaml":          {[]umbel.SendOption{umbel.Serializer("yaml")}, map[string]any{"args": []any{1., "two"}}},
		"Queue":         {[]umbel.SendOption{umbel.Queue("py")}, nil},
		"Exchange":      {[]umbel.SendOption{umbel.Exchange("py"), umbel.RoutingKey("py")}, map[string]any{"exchange": "py", "routing_key": "py"}},
		"Transient":     {[]umbel.SendOption{umbel.Transient()}, nil},
		"Header":        {[]umbel.SendOption{umbel.Header("tenant", "acme")}, map[string]any{"tenant": "acme"}},
		"Header, deep":  {[]umbel.SendOption{umbel.Header("tenant", map[string]any{"a": []any{1, "b", nil, true}})}, map[string]any{"tenant": map[string]any{"a": []any{1., "b", nil, true}}}},
		"Stamp":         {[]umbel.SendOption{umbel.Stamp("tenant", "acme")}, map[string]any{"stamps": map[string]any{"tenant": "acme"}, "stamped_headers": []any{"tenant"}}},
		"Shadow":        {[]umbel.SendOption{umbel.Shadow("a nickname")}, map[string]any{"shadow": "a nickname", "task": "py.request"}},
		"TimeLimits":    {[]umbel.SendOption{umbel.TimeLimit(30 * time.Second), umbel.SoftTimeLimit(20500 * time.Millisecond)}, map[string]any{"timelimit": []any{30., 20.5}}},
		"Retries":       {[]umbel.SendOption{umbel.Retries(3)}, map[string]any{"retries": 3.}},
		"ReprArgs":      {[]umbel.SendOption{umbel.ReprArgs("<secret>", "<hidden>")}, map[string]any{"argsrepr": "<secret>", "kwargsrepr": "<hidden>"}},
		"gzip":          {[]umbel.SendOption{umbel.Compression("gzip")}, nil},
		"bzip2":         {[]umbel.SendOption{umbel.Compression("bzip2")}, nil},
		"lzma":          {[]umbel.SendOption{umbel.Compression("lzma")}, nil},
		"lzma and yaml": {[]umbel.SendOption{umbel.Compression("xz"), umbel.Serializer("yaml")}, nil},
		"StoreResult":   {[]umbel.SendOption{umbel.StoreResult()}, map[string]any{"ignore_result": false}},
	} {
		t.Run("option "+name, func(t *testing.T) {
			got := sendRequest(t, w.app, c.options...)
			for key, want := range c.want {
				if d := cmp.Diff(want, got[key]); d != "" {
					t.Errorf("%s (-want +got):\n%s", key, d)
				}
			}
		})
	}
	for _, c := range []struct {
		module string
		option umbel.SendOption
	}{
		{"msgpack", umbel.Serializer("msgpack")}, {"brotli", umbel.Compression("brotli")}, {"zstandard", umbel.Compression("zstd")},
	} {
		t.Run("option for "+c.module, func(t *testing.T) {
			w.needs(t, c.module)
			if got := sendRequest(t, w.app, c.option); got["task"] != "py.request" {
				t.Errorf("Python saw %v", got)
			}
		})
	}

	t.Run("a struct is keyword arguments", func(t *testing.T) {
		r, err := w.app.Send(deadline(t), "py.add", struct {
			X int `json:"x"`
			Y int `json:"y"`
		}{2, 40})
		if err != nil {
			t.Fatal(err)
		}
		var sum int
		if err := r.Get(deadline(t), &sum); err != nil || sum != 42 {
			t.Errorf("sum is %d, %v", sum, err)
		}
	})
	t.Run("arguments raw", func(t *testing.T) {
		r, err := w.app.Send(deadline(t), "py.add", umbel.Args{2, 2, umbel.Kwargs{"scale": 10}})
		if err != nil {
			t.Fatal(err)
		}
		var sum int
		if err := r.Get(deadline(t), &sum); err != nil || sum != 40 {
			t.Errorf("sum is %d, %v", sum, err)
		}
	})
	t.Run("protocol 1", func(t *testing.T) {
		old := w.newApp(t, func(c *umbel.Config) { c.TaskProtocol = 1 })
		got := sendRequest(t, old, umbel.TaskID("first"), umbel.Retries(2), umbel.TimeLimit(9*time.Second), umbel.SoftTimeLimit(8*time.Second),
			umbel.ETA(time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)))
		for key, want := range map[string]any{"id": "first", "retries": 2., "args": []any{1., "two"}, "kwargs": map[string]any{"z": []any{3.}}} {
			if d := cmp.Diff(want, got[key]); d != "" {
				t.Errorf("%s (-want +got):\n%s", key, d)
			}
		}
		if limits, ok := got["timelimit"].([]any); !ok || len(limits) != 2 {
			t.Errorf("timelimit is %v", got["timelimit"])
		}
	})
	t.Run("many in one batch", func(t *testing.T) {
		calls := make([]umbel.Call, 200)
		for i := range calls {
			calls[i] = umbel.Call{Name: "py.add", Input: umbel.Args{i, 1}}
		}
		rs, err := w.app.SendMany(deadline(t), calls)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range rs {
			var sum int
			if err := r.Get(deadline(t), &sum); err != nil || sum != i+1 {
				t.Fatalf("%d: %d, %v", i, sum, err)
			}
		}
	})
	t.Run("a python signature finds its result by our id", func(t *testing.T) {
		r, err := w.app.Send(deadline(t), "py.add", umbel.Args{20, 3})
		if err != nil {
			t.Fatal(err)
		}
		if sum := value[int](t, w.client, "get(given[0])", r.ID()); sum != 23 {
			t.Errorf("Python's AsyncResult of our task gives %d", sum)
		}
		var sum int
		id := value[string](t, w.client, `app.send_task("py.add", (4, 5)).id`)
		if err := w.app.Result(id).Get(deadline(t), &sum); err != nil || sum != 9 {
			t.Errorf("our result of Python's task gives %d, %v", sum, err)
		}
	})
	t.Run("forget", func(t *testing.T) {
		id := value[string](t, w.client, `
r = app.send_task("py.add", (4, 5))
get(r)
r.id`)
		if err := w.app.Result(id).Forget(deadline(t)); err != nil {
			t.Fatal(err)
		}
		if s := value[string](t, w.client, "AsyncResult(given[0]).state", id); s != "PENDING" {
			t.Errorf("after Forget Python sees %s", s)
		}
	})
}

// sendRequest sends py.request and returns what the task saw.
func sendRequest(t *testing.T, app *umbel.App, options ...umbel.SendOption) map[string]any {
	t.Helper()
	r, err := app.Send(deadline(t), "py.request", umbel.Args{1, "two", umbel.Kwargs{"z": []int{3}}}, options...)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := r.Wait(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(doc.Result.Raw(), &got); err != nil {
		t.Fatalf("%s %s: %v", doc.Status, doc.Result.Raw(), err)
	}
	return got
}
