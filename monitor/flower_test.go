package monitor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/protocol"
)

// A capture is a request to Flower, and what it answered.
type capture struct {
	Method      string          `json:"method"`
	Path        string          `json:"path"`
	Status      int             `json:"status"`
	ContentType string          `json:"content_type"`
	Response    json.RawMessage `json:"response"`
}

func captures(t *testing.T) map[string]capture {
	t.Helper()
	text, err := os.ReadFile("flower/testdata/flower.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []capture
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]capture)
	for _, c := range list {
		out[c.Method+" "+c.Path] = c
	}
	return out
}

// flowerTask is what Flower showed of a task.
type flowerTask struct {
	UUID, Name, Worker, Client                          string
	Args, Kwargs, Result, Exception, Traceback, ETA     string
	Sent, Received, Started, Succeeded, Failed, Retried float64
	Runtime                                             float64
	Retries                                             int
	RoutingKey                                          string `json:"routing_key"`
	Root                                                string `json:"root_id"`
	Parent                                              string `json:"parent_id"`
}

// publish sends the events that led to what Flower showed.
func (r *rig) publish(f flowerTask) {
	r.t.Helper()
	say := func(host string, at float64, body protocol.EventBody) {
		text, err := protocol.AppendEvent(nil, &protocol.Event{Hostname: host, PID: 1, Clock: 1, Timestamp: at, Body: body})
		if err != nil {
			r.t.Fatal(err)
		}
		env, err := protocol.EncodeEvents(text, host, "")
		if err != nil {
			r.t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.broker.Publish(ctx, &broker.Message{Envelope: *env, Exchange: "celeryev", RoutingKey: "task." + strings.TrimPrefix(body.Type(), "task-")}); err != nil {
			r.t.Fatal(err)
		}
	}
	say(f.Client, f.Sent, &protocol.TaskSent{UUID: f.UUID, Name: f.Name, Args: f.Args, Kwargs: f.Kwargs, RootID: f.Root, ParentID: f.Parent, RoutingKey: f.RoutingKey, Queue: f.RoutingKey})
	if f.Retried > 0 {
		say(f.Worker, f.Retried, &protocol.TaskRetried{UUID: f.UUID, Exception: f.Exception})
	}
	say(f.Worker, f.Received, &protocol.TaskReceived{UUID: f.UUID, Name: f.Name, Args: f.Args, Kwargs: f.Kwargs, RootID: f.Root, ParentID: f.Parent, ETA: f.ETA, Retries: f.Retries})
	say(f.Worker, f.Started, &protocol.TaskStarted{UUID: f.UUID})
	if f.Succeeded > 0 {
		say(f.Worker, f.Succeeded, &protocol.TaskSucceeded{UUID: f.UUID, Result: f.Result, Runtime: f.Runtime})
	} else {
		say(f.Worker, f.Failed, &protocol.TaskFailed{UUID: f.UUID, Exception: f.Exception, Traceback: f.Traceback, HasTraceback: true})
	}
}

// aside leaves out what the test cannot know (the clock), and children: a task that is retried is its own child in Flower.
var aside = cmp.FilterPath(func(p cmp.Path) bool {
	key, ok := p.Last().(cmp.MapIndex)
	return ok && (key.Key().String() == "clock" || key.Key().String() == "children")
}, cmp.Ignore())

// near takes times for the same that differ by a microsecond.
var near = cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 2e-6 })

func TestFlowersClientsGetWhatFlowerAnswered(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Anonymous: access.Owner}})
	all := captures(t)
	const nap, retry = "388103ee-c8d0-4a28-80a7-647ea45e002a", "104d1447-cafb-4631-87c4-fcc01f1b10f5"
	for _, id := range []string{retry, nap} {
		var f flowerTask
		if err := json.Unmarshal(all["GET /api/task/info/"+id].Response, &f); err != nil {
			t.Fatal(err)
		}
		r.publish(f)
	}
	r.await("both tasks have ended", func() bool {
		return strings.Contains(string(r.send("GET", "/api/task/info/"+retry, nil, nil).body), "FAILURE") &&
			strings.Contains(string(r.send("GET", "/api/task/info/"+nap, nil, nil).body), "SUCCESS")
	})
	for _, path := range []string{"/api/task/info/" + nap, "/api/task/info/" + retry, "/api/task/info/no-such-id", "/api/task/result/no-such-id",
		"/api/task/result/" + retry, "/api/tasks?taskname=tasks.nap", "/api/workers?workername=nobody@nowhere"} {
		want := all["GET "+path]
		a := r.send("GET", path, nil, nil)
		if a.StatusCode != want.Status {
			t.Errorf("%s: %s, Flower answered %d", path, a.Status, want.Status)
			continue
		}
		if want.ContentType != "application/json; charset=UTF-8" {
			var text string
			if _ = json.Unmarshal(want.Response, &text); string(a.body) != text {
				t.Errorf("%s: %q, Flower answered %q", path, a.body, text)
			}
			continue
		}
		var got, flower any
		a.into(t, &got)
		if err := json.Unmarshal(want.Response, &flower); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(flower, got, aside, near); d != "" {
			t.Errorf("%s (-Flower +ours):\n%s", path, d)
		}
	}
	var types struct {
		Types []string `json:"task-types"`
	}
	r.get("/api/task/types", &types)
	if !slices.Equal(types.Types, []string{"tasks.nap", "tasks.retry"}) {
		t.Errorf("types %v", types)
	}
	body := string(r.send("GET", "/api/tasks?limit=2", nil, nil).body)
	if strings.Index(body, nap) > strings.Index(body, retry) || !strings.HasPrefix(body, `{"`+nap+`":`) {
		t.Errorf("the latest does not come first: %.100s", body)
	}
}

func TestFlowersClientsCommandWorkers(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users}})
	r.employ("w1@host")
	r.say(heartbeat())
	ann := as("ann", "ann's password")
	r.await("the worker is known", func() bool {
		return strings.Contains(string(r.send("GET", "/api/workers?status=1", nil, ann).body), `{"w1@host":true}`)
	})
	form := func(values url.Values) (any, func(*http.Request)) {
		return values.Encode(), func(r *http.Request) { ann(r); r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }
	}
	for _, c := range []struct {
		path   string
		values url.Values
		status int
		text   string
	}{
		{"/api/worker/pool/grow/w1@host", url.Values{"n": {"1"}}, 200, `{"message":"Growing 'w1@host' worker's pool by 1"}`},
		{"/api/worker/pool/grow/nobody@nowhere", url.Values{"n": {"1"}}, 404, "Unknown worker 'nobody@nowhere'"},
		{"/api/worker/queue/add-consumer/w1@host", url.Values{"queue": {"extra"}}, 200, `{"message":"add consumer extra"}`},
		{"/api/worker/queue/cancel-consumer/w1@host", url.Values{"queue": {"extra"}}, 200, `{"message":"no longer consuming from extra"}`},
		{"/api/task/rate-limit/shop.hold", url.Values{"workername": {"w1@host"}, "ratelimit": {"200/m"}}, 200, `{"message":"new rate limit set successfully"}`},
		{"/api/task/rate-limit/no.such", url.Values{"workername": {"w1@host"}, "ratelimit": {"200/m"}}, 404, "Unknown task 'no.such'"},
		{"/api/task/timeout/shop.hold", url.Values{"workername": {"w1@host"}, "soft": {"30"}, "hard": {"100"}}, 200, `{"message":"time limits set successfully"}`},
		{"/api/worker/pool/autoscale/w1@host", url.Values{"min": {"1"}, "max": {"3"}}, 403, "Failed to autoscale 'w1@host' worker: ValueError('Autoscale not enabled')"},
		{"/api/worker/pool/restart/w1@host", nil, 403, "Failed to restart the 'w1@host' pool: ValueError('Pool restarts not enabled')"},
		{"/api/worker/pool/shrink/w1@host", url.Values{"n": {"1"}}, 200, `{"message":"Shrinking 'w1@host' worker's pool by 1"}`},
		{"/api/task/revoke/some-id?terminate=true", nil, 200, `{"message":"Revoked 'some-id'"}`},
	} {
		body, edit := form(c.values)
		if a := r.send("POST", c.path, body, edit); a.StatusCode != c.status || string(a.body) != c.text {
			t.Errorf("%s: %s %s, want %d %s", c.path, a.Status, a.body, c.status, c.text)
		}
	}
	var all map[string]map[string]any
	a := r.send("GET", "/api/workers", nil, ann)
	a.into(t, &all)
	if keys := slices.Sorted(maps.Keys(all["w1@host"])); !slices.Equal(keys, []string{"active", "active_queues", "conf", "registered", "reserved", "revoked", "scheduled",
		"stats", "timestamp"}) {
		t.Errorf("keys %v", keys)
	}
	sent := r.send("POST", "/api/task/send-task/shop.hold", map[string]any{"args": []any{}, "kwargs": map[string]any{}}, ann)
	var answer struct {
		ID    string `json:"task-id"`
		State string
	}
	sent.into(t, &answer)
	if answer.ID == "" || answer.State != "PENDING" {
		t.Errorf("%s %s", sent.Status, sent.body)
	}
	if a := r.send("POST", "/api/task/send-task/shop.hold", map[string]any{"args": "notalist"}, ann); a.StatusCode != 400 {
		t.Errorf("arguments that are no list: %s", a.Status)
	}
	r.send("POST", "/api/task/revoke/"+answer.ID, url.Values{"terminate": {"true"}}.Encode(), func(r *http.Request) {
		ann(r)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	})
	if a := r.send("POST", "/api/worker/shutdown/w1@host", map[string]any{}, as("bob", "bob's password")); a.StatusCode != 403 {
		t.Errorf("a viewer stops a worker: %s", a.Status)
	}
}

// apply waits for the result, in the shape that was captured; abort leaves Celery's word in the result store.
func TestFlowersClientsApplyAndAbort(t *testing.T) {
	t.Parallel()
	r := startApp(t, umbel.Config{BrokerURL: []string{fmt.Sprintf("memory://monitor-test-%d", spaces.Add(1))}, ResultBackend: "sqlite://" + filepath.Join(t.TempDir(), "results.db")},
		monitor.Config{Access: access.Config{Users: users}})
	r.employ("w1@host")
	ann := as("ann", "ann's password")
	var got, flower map[string]any
	a := r.send("POST", "/api/task/apply/shop.add", map[string]any{"kwargs": map[string]any{"A": 1, "B": 2}}, ann)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", a.Status, a.body)
	}
	a.into(t, &got)
	if err := json.Unmarshal(captures(t)["POST /api/task/apply/tasks.add"].Response, &flower); err != nil {
		t.Fatal(err)
	}
	if flower["task-id"] = got["task-id"]; got["task-id"] == "" || !cmp.Equal(flower, got) {
		t.Errorf("%v, Flower answered %v", got, flower)
	}
	a = r.send("POST", "/api/task/apply/shop.fail", map[string]any{}, ann)
	if a.into(t, &got); got["state"] != "FAILURE" || !strings.Contains(fmt.Sprint(got["result"]), "no pears") {
		t.Errorf("%s", a.body)
	}
	const id = "388103ee-c8d0-4a28-80a7-647ea45e002a"
	a = r.send("POST", "/api/task/abort/"+id, nil, ann)
	want := captures(t)["POST /api/task/abort/"+id]
	if a.into(t, &got); a.StatusCode != want.Status || json.Unmarshal(want.Response, &flower) != nil || got["message"] != flower["message"] {
		t.Errorf("%s %s, Flower answered %s", a.Status, a.body, want.Response)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if doc, err := r.app.Result(id).Document(ctx); err != nil || doc.Status != "ABORTED" {
		t.Errorf("%+v %v", doc, err)
	}
	for body, want := range map[string]int{`{"args": "notalist"}`: 400, `{"eta": "soon"}`: 400, `{"expires": true}`: 400, `{"queue": "celery", "countdown": 0, "priority": 3, "expires": 60}`: 200} {
		if a := r.send("POST", "/api/task/async-apply/shop.fail", body, ann); a.StatusCode != want {
			t.Errorf("%s: %s %s", body, a.Status, a.body)
		}
	}
	for _, path := range []string{"/api/task/apply/shop.add", "/api/task/abort/x"} {
		if a := r.send("POST", path, map[string]any{}, as("bob", "bob's password")); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s by a viewer: %s", path, a.Status)
		}
	}
}
