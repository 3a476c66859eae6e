package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/worker"
)

// TestBothWays is one world for all that needs no broken connections: Python's client, Python's worker on queue py and our
// worker on queues go, topic and quorum.
func TestBothWays(t *testing.T) {
	w := newWorld(t)
	startGo(t, w.app, worker.Config{Queues: []string{"go", "topic", "quorum"}, Concurrency: 8})
	w.startWorker(t, "py", nil, "-P", "prefork", "-c", "2")
	for _, way := range []struct {
		name  string
		tests func(*testing.T, *world)
	}{
		{"python sends", pythonSends}, {"go sends", goSends}, {"states", states}, {"failures", failures},
		{"values", values}, {"times", times}, {"workflows", workflows}, {"retries", retries}, {"traces", traces},
	} {
		t.Run(way.name, func(t *testing.T) { way.tests(t, w) })
	}
}

// pythonSends: every option of apply_async, as the Go task sees it.
func pythonSends(t *testing.T, w *world) {
	for name, c := range map[string]struct {
		options string         // of apply_async
		want    map[string]any // of what go.request returns
	}{
		"nothing": {"", map[string]any{"retries": 0., "queue": "go", "lang": "py", "version": 2., "delivery_mode": 2., "priority": 0.,
			"parent_id": "", "group": "", "shadow": "", "hard": 0., "soft": 0., "eta": nil, "expires": nil,
			"argsrepr": "(1, 'two')", "kwargsrepr": "{'z': [3]}", "content_type": "application/json", "args": 3.}},
		"task_id":           {"task_id='order:7/é'", map[string]any{"id": "order:7/é", "root_id": "order:7/é", "correlation_id": "order:7/é"}},
		"countdown":         {"countdown=0.2", map[string]any{"queue": "go"}},
		"eta in the past":   {"eta=datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)", map[string]any{"eta": "2020-01-02T03:04:05Z"}},
		"eta without zone":  {"eta=datetime.datetime(2020, 1, 2, 3, 4, 5)", map[string]any{"eta": "2020-01-02T03:04:05Z"}},
		"eta in a zone":     {"eta=datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=5, minutes=30)))", map[string]any{"eta": "2020-01-01T21:34:05Z"}},
		"expires later":     {"expires=datetime.datetime.now(datetime.timezone.utc).replace(hour=4, minute=5, second=6) + datetime.timedelta(days=2)", map[string]any{"expires": time.Now().UTC().AddDate(0, 0, 2).Format("2006-01-02") + "T04:05:06Z"}},
		"expires seconds":   {"expires=3600", map[string]any{"queue": "go"}},
		"priority":          {"priority=7", map[string]any{"priority": 7.}},
		"serializer json":   {"serializer='json'", map[string]any{"content_type": "application/json"}},
		"serializer yaml":   {"serializer='yaml'", map[string]any{"content_type": "application/x-yaml"}},
		"queue":             {"queue='topic'", map[string]any{"queue": "topic"}},
		"exchange and key":  {"queue=None, exchange='orders', routing_key='orders.us.old'", map[string]any{"queue": "topic", "routing_key": "orders.us.old", "exchange": "orders"}},
		"delivery_mode":     {"delivery_mode=1", map[string]any{"delivery_mode": 1.}},
		"headers":           {"headers={'tenant': 'acme', 'deep': {'a': [1, 'b', None, True]}}", map[string]any{"headers": map[string]any{"tenant": "acme", "deep": map[string]any{"a": []any{1., "b", nil, true}}}}},
		"stamps":            {"headers={'stamps': {'tenant': 'acme'}, 'stamped_headers': ['tenant']}", map[string]any{"stamps": map[string]any{"tenant": "acme"}, "stamped_headers": []any{"tenant"}}},
		"shadow":            {"shadow='a nickname'", map[string]any{"shadow": "a nickname", "task": "go.request"}},
		"time limits":       {"time_limit=30, soft_time_limit=20.5", map[string]any{"hard": 30., "soft": 20.5}},
		"retries":           {"retries=3", map[string]any{"retries": 3.}},
		"root and parent":   {"root_id='the-root', parent_id='the-parent'", map[string]any{"root_id": "the-root", "parent_id": "the-parent"}},
		"group_id":          {"group_id='the-group'", map[string]any{"group": "the-group"}},
		"reprs":             {"argsrepr='<secret>', kwargsrepr='<hidden>'", map[string]any{"argsrepr": "<secret>", "kwargsrepr": "<hidden>"}},
		"reply_to":          {"reply_to='somewhere'", map[string]any{"reply_to": "somewhere"}},
		"ignore_result off": {"ignore_result=False", map[string]any{"queue": "go"}},
		"compression gzip":  {"compression='gzip'", map[string]any{"compression": "'application/x-gzip'"}},
		"compression zlib":  {"compression='zlib'", map[string]any{"compression": "'application/x-gzip'"}},
		"compression bzip2": {"compression='bzip2'", map[string]any{"compression": "'application/x-bz2'"}},
		"compression lzma":  {"compression='lzma'", map[string]any{"compression": "'application/x-lzma'"}},
		"compressed yaml":   {"compression='xz', serializer='yaml'", map[string]any{"compression": "'application/x-lzma'", "content_type": "application/x-yaml"}},
		"retry policy":      {"retry=True, retry_policy={'max_retries': 1}", map[string]any{"queue": "go"}},
		"mandatory":         {"mandatory=True, immediate=False", map[string]any{"queue": "go"}},
	} {
		t.Run("option "+name, func(t *testing.T) {
			got := value[map[string]any](t, w.client, fmt.Sprintf(
				`get(app.send_task("go.request", (1, "two"), {"z": [3]}, **({"queue": "go"} | dict(%s))))`, c.options))
			for key, want := range c.want {
				if d := cmp.Diff(want, got[key]); d != "" {
					t.Errorf("%s (-want +got):\n%s", key, d)
				}
			}
		})
	}
	for _, c := range []struct{ module, options, key, want string }{
		{"msgpack", "serializer='msgpack'", "content_type", "application/x-msgpack"},
		{"msgpack", "serializer='msgpack', compression='gzip'", "content_type", "application/x-msgpack"},
		{"brotli", "compression='brotli'", "compression", "'application/x-brotli'"},
		{"zstandard", "compression='zstd'", "compression", "'application/zstd'"},
	} {
		t.Run("option "+c.options, func(t *testing.T) {
			w.needs(t, c.module)
			got := value[map[string]any](t, w.client, `get(send("go.request", "x" * 2000, `+c.options+`))`)
			if got[c.key] != c.want {
				t.Errorf("%s is %v, want %s", c.key, got[c.key], c.want)
			}
		})
	}

	t.Run("arguments meet a struct by name and by place", func(t *testing.T) {
		want := map[string]any{"order": 7., "total": 42.5, "note": ""}
		for _, call := range []string{
			`send("go.order", 7, 42.5)`, `send("go.order", 7, kwargs={"total": 42.5})`, `send("go.order", kwargs={"order_id": 7, "total": 42.5})`,
			`send("go.order", 7, 42.5, "")`, `signature("go.order", (7,), {"total": 42.5}, app=app).apply_async(queue="go")`,
			`old.send_task("go.order", (7,), {"total": 42.5}, queue="go")`, // protocol 1
			`app.send_task("go.routed.order", (7, 42.5))`,                  // by task_routes, through a topic exchange
			`app.send_task("go.quorum", (7, 42.5))`,                        // to a quorum queue
		} {
			if d := cmp.Diff(want, value[map[string]any](t, w.client, "get("+call+")")); d != "" {
				t.Errorf("%s (-want +got):\n%s", call, d)
			}
		}
	})
	t.Run("protocol 1", func(t *testing.T) {
		got := value[map[string]any](t, w.client, `get(old.send_task("go.request", (1,), {"z": 3}, queue="go", task_id="one",
			retries=2, priority=4, time_limit=9, soft_time_limit=8, expires=3600, group_id="g", compression="gzip",
			eta=datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)))`)
		for key, want := range map[string]any{"id": "one", "version": 1., "retries": 2., "priority": 4., "hard": 9., "soft": 8.,
			"group": "g", "eta": "2020-01-02T03:04:05Z", "args": 2.} {
			if got[key] != want {
				t.Errorf("%s is %v, want %v", key, got[key], want)
			}
		}
		if got["expires"] == nil {
			t.Error("expires is lost")
		}
	})
	t.Run("ignore_result", func(t *testing.T) {
		doc := value[any](t, w.client, `
r = send("go.echo", 1, ignore_result=True)
get(send("go.echo", 2))  # a later one is done
document(r)`)
		own := value[any](t, w.client, `
r = send("go.ignored")
get(send("go.echo", 2))
document(r)`)
		if doc != nil {
			t.Errorf("a result that was to be ignored is stored: %v", doc)
		}
		// send_task says ignore_result: false where it is not asked for, and the message's word is over the task's.
		if own == nil {
			t.Error("the result is not stored although the message says so")
		}
	})
	t.Run("many", func(t *testing.T) {
		sum := value[int](t, w.client, `
rs = [send("go.echo", i) for i in range(300)]
sum(get(r)["args"][0] for r in rs)`)
		if sum != 300*299/2 {
			t.Errorf("the sum of 300 results is %d", sum)
		}
	})
	t.Run("large", func(t *testing.T) {
		if n := value[int](t, w.client, `len(get(send("go.echo", "ü" * 1_000_000, compression="bzip2"))["args"][0])`); n != 1_000_000 {
			t.Errorf("%d characters came back", n)
		}
	})
	t.Run("result document", func(t *testing.T) {
		doc := value[map[string]any](t, w.client, `
r = send("go.echo", 1, task_id="doc-1")
get(r)
document(r)`)
		if date, _ := doc["date_done"].(string); !strings.HasPrefix(date, "20") {
			t.Errorf("date_done is %v", doc["date_done"])
		}
		delete(doc, "date_done")
		want := map[string]any{"status": "SUCCESS", "result": map[string]any{"args": []any{1.}, "kwargs": map[string]any{}},
			"traceback": nil, "children": []any{}, "task_id": "doc-1"}
		if d := cmp.Diff(want, doc); d != "" {
			t.Errorf("document (-want +got):\n%s", d)
		}
	})
	t.Run("python's own api", func(t *testing.T) {
		got := value[[]any](t, w.client, `
r = send("go.echo", 1)
get(r)
[r.state, r.ready(), r.successful(), r.failed(), r.date_done is not None, r.children, len(r.result), r.forget(), AsyncResult(r.id).state]`)
		want := []any{"SUCCESS", true, true, false, true, []any{}, 2., nil, "PENDING"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
	t.Run("a group of single tasks", func(t *testing.T) {
		got := value[[]int](t, w.client, `
g = group(signature("go.retry", (0,), app=app).set(queue="go") for _ in range(5))
get(g.apply_async())`)
		if len(got) != 5 {
			t.Errorf("group gave %v", got)
		}
	})
}
