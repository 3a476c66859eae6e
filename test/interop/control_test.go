package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// Remote control of a mixed fleet: Python's client and command line steer Go's workers, and Go's steer Python's. What
// both kinds of worker answer is compared key by key.
func TestControl(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(t, nil)
	app.HandleControl(umbel.ControlCommand{Name: "add_up", Inspect: true, Args: []string{"a", "b"}, Func: func(_ context.Context, args umbel.ControlArgs) (any, error) {
		var in struct {
			A int `json:"a"`
			B int `json:"b"`
		}
		if err := args.Decode(&in); err != nil {
			return nil, err
		}
		return map[string]int{"sum": in.A + in.B}, nil
	}})
	startGo(t, app, worker.Config{Queues: []string{"go"}, Concurrency: 2, Nodename: "go@host"})
	w.startWorker(t, "py", nil, "-c", "2")
	t.Run("both answer both", w.controlPing)
	t.Run("shapes", w.controlShapes)
	t.Run("commands", w.controlCommands)
	t.Run("tasks in hand", w.controlTasks)
	t.Run("what they have to do", w.controlLoad)
	t.Run("command lines", w.controlCommandLines)
	t.Run("our command lines", w.controlOurCommandLines)
	t.Run("a paused queue", w.controlPause)
	t.Run("revoked", w.controlRevoked)
	t.Run("celery-exporter", w.controlMetrics)
}

func (w *world) controlPing(t *testing.T) {
	for _, r := range value[[]map[string]any](t, w.client, `sorted(app.control.ping(timeout=10, limit=2), key=str)`) {
		for node, reply := range r {
			if d := cmp.Diff(map[string]any{"ok": "pong"}, reply); d != "" {
				t.Errorf("%s: %s", node, d)
			}
		}
	}
	nodes, err := w.app.Control().Timeout(10 * time.Second).Limit(2).Ping(deadline(t))
	if err != nil || !slices.Equal(nodes, []string{"go@host", "py@py"}) {
		t.Errorf("Go's ping: %v, %v", nodes, err)
	}
	got := value[map[string]any](t, w.client, `app.control.inspect(destination=["go@host"], timeout=10, limit=1)._request("add_up", a=2, b=3)`)
	if d := cmp.Diff(map[string]any{"go@host": map[string]any{"sum": 5.}}, got); d != "" {
		t.Errorf("a command of the app's own: %s", d)
	}
}

// ask sends a command by Go to one node.
func (w *world) ask(t *testing.T, node, command string, args map[string]any) any {
	t.Helper()
	replies, err := w.app.Control().To(node).Timeout(20*time.Second).Call(deadline(t), command, args)
	if err != nil || len(replies) != 1 {
		t.Fatalf("%s of %s: %v, %v", command, node, replies, err)
	}
	x, err := replies[0].Value.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(x, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// shape replaces every plain value by its kind.
func shape(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any)
		for k, v := range x {
			out[k] = shape(v)
		}
		return out
	case []any:
		if len(x) == 0 {
			return "list"
		}
		return []any{shape(x[0])}
	case nil:
		return "null"
	}
	return fmt.Sprintf("%T", v)
}

// The inspect commands answer with the same keys and kinds of values on both sides.
func (w *world) controlShapes(t *testing.T) {
	for command, args := range map[string]map[string]any{
		"ping": nil, "clock": nil, "active_queues": nil, "stats": nil, "active": nil, "reserved": nil, "scheduled": nil,
		"revoked": nil, "registered": nil, "report": nil, "memsample": nil, "query_task": {"ids": []string{"x"}},
		"hello": {"from_node": "third@host", "revoked": map[string]any{}},
	} {
		ours, theirs := w.ask(t, "go@host", command, args), w.ask(t, "py@py", command, args)
		if command == "stats" {
			// Their pool counts its writes; their total is of tasks that have run; alternates and options are their settings'.
			for _, s := range []any{ours, theirs} {
				m := s.(map[string]any)
				delete(m["pool"].(map[string]any), "writes")
				delete(m["pool"].(map[string]any), "max-tasks-per-child")
				delete(m["pool"].(map[string]any), "implementation") // since 5.3
				m["total"] = nil
				b := m["broker"].(map[string]any)
				for _, newer := range []string{"credential_provider", "ssl", "alternates", "login_method"} {
					delete(b, newer)
				}
				if b["heartbeat"] == nil {
					b["heartbeat"] = 60.
				}
			}
		}
		if command == "active_queues" {
			ours.([]any)[0].(map[string]any)["queue_arguments"] = nil
		}
		if command == "memsample" && ours == nil {
			t.Error("memsample: nothing")
		}
		if command == "memsample" || command == "registered" { // theirs needs psutil; names differ
			continue
		}
		if d := cmp.Diff(shape(theirs), shape(ours)); d != "" {
			t.Errorf("%s (-Python +Go):\n%s", command, d)
		}
	}
	names := w.ask(t, "go@host", "registered", nil).([]any)
	if !slices.Contains(names, any("go.echo")) || slices.ContainsFunc(names, func(n any) bool { return strings.HasPrefix(n.(string), "celery.") }) {
		t.Errorf("registered: %v", names)
	}
	conf := w.ask(t, "go@host", "conf", map[string]any{"with_defaults": false}).(map[string]any)
	if text := fmt.Sprint(conf); strings.Contains(text, "guest:guest") {
		t.Errorf("conf: %v", conf)
	}
	theirs := w.ask(t, "py@py", "conf", map[string]any{"with_defaults": false}).(map[string]any)
	for _, name := range []string{"broker_url", "result_backend"} {
		if conf[name] == nil || !cmp.Equal(shape(conf[name]), shape(theirs[name])) {
			t.Errorf("conf: %s is %v here, %v there", name, conf[name], theirs[name])
		}
	}
	if d := cmp.Diff(theirs["broker_url"], conf["broker_url"]); d != "" {
		t.Errorf("broker_url (-Python +Go):\n%s", d)
	}
}

// Each command is sent to both, with the same effect in words.
func (w *world) controlCommands(t *testing.T) {
	for _, c := range []struct {
		command  string
		ours     map[string]any // arguments
		theirs   map[string]any // nil: the same
		want     string         // reply, as JSON
		onlyOurs bool
	}{
		{"rate_limit", map[string]any{"task_name": "go.echo", "rate_limit": "200/s"}, map[string]any{"task_name": "py.echo", "rate_limit": "200/s"}, `{"ok": "new rate limit set successfully"}`, false},
		{"rate_limit", map[string]any{"task_name": "go.echo", "rate_limit": 0}, map[string]any{"task_name": "py.echo", "rate_limit": 0}, `{"ok": "rate limit disabled successfully"}`, false},
		{"rate_limit", map[string]any{"task_name": "go.echo", "rate_limit": "0"}, map[string]any{"task_name": "py.echo", "rate_limit": "0"}, ``, false},
		{"rate_limit", map[string]any{"task_name": "none", "rate_limit": "1/s"}, nil, `{"error": "unknown task"}`, false},
		{"rate_limit", map[string]any{"task_name": "none", "rate_limit": "abc"}, nil, `{"error": "Invalid rate limit string: ValueError(\"could not convert string to float: 'abc'\")"}`, false},
		{"rate_limit", map[string]any{"task_name": "none", "rate_limit": "1/x"}, nil, `{"error": "KeyError('x')"}`, false},
		{"rate_limit", map[string]any{}, nil, `{"error": "TypeError(\"rate_limit() missing 2 required positional arguments: 'task_name' and 'rate_limit'\")"}`, false},
		{"time_limit", map[string]any{"task_name": "go.echo", "soft": 5, "hard": 10}, map[string]any{"task_name": "py.echo", "soft": 5, "hard": 10}, `{"ok": "time limits set successfully"}`, false},
		{"time_limit", map[string]any{"task_name": "none"}, nil, `{"error": "unknown task"}`, false},
		{"add_consumer", map[string]any{"queue": "more-go"}, map[string]any{"queue": "more-py"}, ``, false},
		{"cancel_consumer", map[string]any{"queue": "more-go"}, map[string]any{"queue": "more-py"}, ``, false},
		{"pool_grow", map[string]any{"n": 1}, nil, `{"ok": "pool will grow"}`, false},
		{"pool_shrink", map[string]any{"n": 1}, nil, `{"ok": "pool will shrink"}`, false},
		{"pool_restart", map[string]any{}, nil, `{"error": "ValueError('Pool restarts not enabled')"}`, false},
		{"autoscale", map[string]any{"max": 3, "min": 1}, nil, `{"error": "ValueError('Autoscale not enabled')"}`, false},
		{"no_such_command", map[string]any{}, nil, `{"error": "KeyError('no_such_command')"}`, false},
		{"revoke", map[string]any{"task_id": "never-sent"}, nil, ``, true},
		{"terminate", map[string]any{"task_id": "never-sent", "signal": "KILL"}, nil, `{"ok": "terminate: tasks unknown"}`, false},
	} {
		theirs := c.theirs
		if theirs == nil {
			theirs = c.ours
		}
		got := w.ask(t, "go@host", c.command, c.ours)
		if c.want != "" {
			var want any
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s %v (-Celery +Go):\n%s", c.command, c.ours, d)
			}
		}
		if c.onlyOurs {
			continue
		}
		python := w.ask(t, "py@py", c.command, theirs)
		plain := func(v any) string { return strings.NewReplacer("more-py", "Q", "more-go", "Q").Replace(fmt.Sprint(v)) }
		if plain(got) != plain(python) {
			t.Errorf("%s %v: Go says %v, Python %v", c.command, c.ours, got, python)
		}
	}
	if got, want := w.ask(t, "go@host", "revoke", map[string]any{"task_id": []string{"b", "a"}}), any(map[string]any{"ok": "tasks {'a', 'b'} flagged as revoked"}); !cmp.Equal(got, want) {
		t.Errorf("revoke of two: %v", got)
	}
}

// What a worker has in hand, as the other side's client sees it.
func (w *world) controlTasks(t *testing.T) {
	ids := value[[]string](t, w.client, `[send("go.nap", 1, n=i).id if False else app.send_task("go.nap", (i,), queue="go").id for i in range(3)]`)
	inspect := func(what string) []map[string]any {
		return value[map[string][]map[string]any](t, w.client, `app.control.inspect(destination=["go@host"], timeout=20, limit=1)._request(given[0])`, what)["go@host"]
	}
	testenv.Await(t, "two tasks running and one waiting", func() bool {
		return len(inspect("active")) == 2 && len(inspect("reserved")) == 1
	}, nil)
	all := append(inspect("active"), inspect("reserved")...)
	found := map[string]map[string]any{}
	for _, task := range all {
		found[task["id"].(string)] = task
	}
	for i, id := range ids {
		task := found[id]
		if task == nil {
			t.Errorf("task %s is not shown", id)
			continue
		}
		running := task["time_start"] != nil
		want := map[string]any{"id": id, "name": "go.nap", "type": "go.nap", "args": []any{float64(i)}, "kwargs": map[string]any{},
			"hostname": "go@host", "time_start": task["time_start"], "acknowledged": running, "worker_pid": task["worker_pid"],
			"delivery_info": map[string]any{"exchange": "", "routing_key": "go", "priority": 0., "redelivered": false}}
		if d := cmp.Diff(want, task); d != "" {
			t.Errorf("task %d (-want +got):\n%s", i, d)
		}
		if running != (task["worker_pid"] != nil) {
			t.Errorf("task %d runs: %v, worker_pid %v", i, running, task["worker_pid"])
		}
	}
	q := value[map[string]map[string][]any](t, w.client, `app.control.inspect(destination=["go@host"], timeout=20, limit=1).query_task(*given[0])`, append(ids, "unknown"))
	if got := q["go@host"]; len(got) != 3 || got[ids[0]][0] != "active" || got[ids[2]][0] != "reserved" {
		t.Errorf("query_task: %v", got)
	}
	// The same of a Python worker, seen by Go: the same keys.
	r, err := w.app.Send(deadline(t), "py.sleep", umbel.Args{30})
	if err != nil {
		t.Fatal(err)
	}
	var theirs []any
	testenv.Await(t, "Python's task running", func() bool {
		theirs = w.ask(t, "py@py", "active", nil).([]any)
		return len(theirs) == 1
	}, nil)
	if d := cmp.Diff(slices.Sorted(maps.Keys(theirs[0].(map[string]any))), slices.Sorted(maps.Keys(all[0]))); d != "" {
		t.Errorf("keys of a task (-Python +Go):\n%s", d)
	}
	if err := r.Revoke(deadline(t), umbel.Terminate()); err != nil {
		t.Error(err)
	}
	if err := r.Get(deadline(t), nil); err == nil || !strings.Contains(err.Error(), "REVOKED") {
		t.Errorf("a Python task terminated by Go: %v", err)
	}
	if err := w.app.Revoke(deadline(t), ids, umbel.Terminate()); err != nil {
		t.Error(err)
	}
	testenv.Await(t, "no task running", func() bool { return len(inspect("active"))+len(inspect("reserved")) == 0 }, nil)
}

// The real celery command line against a Go worker.
func (w *world) controlCommandLines(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"status", "-t", "10"}, []string{"->  go@host: OK", "1 node online."}},
		{[]string{"inspect", "ping", "-t", "10"}, []string{"->  go@host: OK\n        pong", "1 node online."}},
		{[]string{"inspect", "active_queues", "-t", "10"}, []string{"* {'name': 'go', 'exchange': {'name': 'go', 'type': 'direct', "}},
		{[]string{"inspect", "stats", "-t", "10"}, []string{`"implementation": "umbel:goroutine"`}},
		{[]string{"inspect", "registered", "-t", "10"}, []string{"    * go.echo"}},
		{[]string{"inspect", "report", "-t", "10"}, []string{"software -> umbel:"}},
		{[]string{"control", "add_consumer", "another", "-t", "10"}, []string{"add consumer another"}},
		{[]string{"control", "cancel_consumer", "another", "-t", "10"}, []string{"no longer consuming from another"}},
		{[]string{"control", "rate_limit", "go.echo", "10/m", "-t", "10"}, []string{"new rate limit set successfully"}},
	} {
		out := w.celery(t, append(c.args, "-d", "go@host")...)
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("celery %v: %q is not in\n%s", c.args, want, out)
			}
		}
	}
}

func (w *world) celery(t *testing.T, args ...string) string {
	t.Helper()
	cmd := w.python(t, append([]string{"-m", "celery", "-A", "tasks:app"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		stderr := ""
		if e, ok := err.(*exec.ExitError); ok {
			exit = e
			stderr = string(exit.Stderr)
		}
		t.Errorf("celery %v: %v\n%s%s", args, err, out, stderr)
	}
	return string(out)
}

// Real Python revokes tasks of a Go worker in every state they can be in, and sees what Celery would have shown.
func (w *world) controlRevoked(t *testing.T) {
	revoked := func(t *testing.T, got caught, reason string) {
		t.Helper()
		if got.State != "REVOKED" || got.Type != "TaskRevokedError" || got.Module != "celery.exceptions" || !slices.Equal(got.Args, []string{reason}) {
			t.Errorf("Python sees %v, want REVOKED TaskRevokedError(%q)", got, reason)
		}
	}
	active := func(n int) {
		t.Helper()
		testenv.Await(t, fmt.Sprintf("%d tasks running", n), func() bool { return len(w.ask(t, "go@host", "active", nil).([]any)) == n }, nil)
	}
	w.client.run(t, nil, `running = [app.send_task("go.nap", (i,), queue="go") for i in range(2)]`)
	active(2)
	t.Run("waiting in the worker", func(t *testing.T) {
		w.client.run(t, nil, `
waiting = app.send_task("go.nap", (3,), queue="go")
waiting.revoke()`)
		revoked(t, value[caught](t, w.client, `fails(waiting)`), "revoked")
	})
	t.Run("running, not terminated", func(t *testing.T) {
		w.client.run(t, nil, `running[0].revoke()`)
		revoked(t, value[caught](t, w.client, `fails(running[0])`), "revoked") // at once, as Celery
		active(2)
	})
	t.Run("running, terminated", func(t *testing.T) {
		w.client.run(t, nil, `[r.revoke(terminate=True) for r in running]`)
		active(0)
		testenv.Await(t, "the state of the terminated task", func() bool {
			// By its id: an AsyncResult keeps the first end that it saw, and the command has stored one at once.
			return slices.Equal(value[caught](t, w.client, `fails(running[1].id)`).Args, []string{"terminated"})
		}, nil)
		revoked(t, value[caught](t, w.client, `fails(running[1].id)`), "terminated")
	})
	t.Run("running, by its soft time limit", func(t *testing.T) {
		w.client.run(t, nil, `
soft = app.send_task("go.nap", (5,), queue="go")`)
		active(1)
		w.client.run(t, nil, `soft.revoke(terminate=True, signal="SIGUSR1")`)
		active(0)
		testenv.Await(t, "the failure of a task by its soft time limit", func() bool {
			return value[caught](t, w.client, `fails(soft)`).Type == "SoftTimeLimitExceeded"
		}, nil)
	})
	t.Run("delayed", func(t *testing.T) {
		w.client.run(t, nil, `
later = app.send_task("go.nap", (4,), queue="go", countdown=4)
later.revoke()`)
		revoked(t, value[caught](t, w.client, `fails(later)`), "revoked")
		testenv.Await(t, "the delayed task discarded when it was due", func() bool {
			return w.rabbit.AwaitQueue("go", func(testenv.RabbitQueue) bool { return true }).Messages == 0
		}, nil)
		active(0)
	})
	t.Run("not yet seen by any worker", func(t *testing.T) {
		// Python tells the worker of another queue; the worker that takes the task starts afterwards.
		id := value[string](t, w.client, `
unseen = app.send_task("go.nap", (5,), queue="unseen")
unseen.revoke()
unseen.id`)
		revoked(t, value[caught](t, w.client, `fails(unseen)`), "revoked")
		testenv.Await(t, "the revocation noted", func() bool { return slices.Contains(w.ask(t, "go@host", "revoked", nil).([]any), any(id)) }, nil)
		startGo(t, w.newApp(t, nil), worker.Config{Queues: []string{"unseen"}, Concurrency: 1, Nodename: "unseen@host"})
		testenv.Await(t, "the message gone", func() bool {
			return w.rabbit.AwaitQueue("unseen", func(q testenv.RabbitQueue) bool { return true }).Messages == 0
		}, nil)
		if n := len(w.ask(t, "unseen@host", "active", nil).([]any)); n != 0 {
			t.Errorf("the worker that started later runs %d tasks", n)
		}
	})
}

// Our command line and Celery's own say the same of a Python worker, line by line.
func (w *world) controlOurCommandLines(t *testing.T) {
	for _, args := range [][]string{
		{"status", "-j"}, {"inspect", "ping"}, {"inspect", "active"}, {"inspect", "registered", "name", "max_retries"}, {"inspect", "active_queues"},
		{"inspect", "conf"}, {"inspect", "conf", "-j"}, {"control", "rate_limit", "py.echo", "5/m"}, {"control", "time_limit", "py.echo", "60", "120"},
		{"control", "enable_events"}, {"control", "enable_events", "-j"},
	} {
		args = append(args, "-d", "py@py", "-t", "20")
		theirs := w.celery(t, append([]string{"-C"}, args...)...)
		var out, errs strings.Builder
		app := umbel.New("interop")
		code := cli.Run(deadline(t), app, append([]string{"umbel", "--config", w.settings}, args...), cli.Std{Out: &out, Err: &errs})
		if refused := strings.Contains(theirs, "ERROR") || strings.Contains(theirs, `"error"`); code != 0 && !(refused && code == 1) {
			t.Errorf("umbel %v: exit code %d: %s", args, code, errs.String())
		}
		if d := cmp.Diff(strings.TrimSpace(theirs), strings.TrimSpace(out.String())); d != "" {
			t.Errorf("%v (-celery +umbel):\n%s", args, d)
		}
	}
	var errs strings.Builder
	if code := cli.Run(deadline(t), umbel.New("interop"), []string{"umbel", "--config", w.settings, "status", "-d", "nobody@nowhere", "-t", "0.2"}, cli.Std{Err: &errs}); code != 69 {
		t.Errorf("nobody answers: exit code %d: %s", code, errs.String())
	}
}

// A queue is paused for Go's and Python's workers alike, and resumed where it was consumed.
func (w *world) controlPause(t *testing.T) {
	stop := startGo(t, w.newApp(t, nil), worker.Config{Queues: []string{"py"}, Concurrency: 1, Nodename: "pygo@host"})
	defer stop()
	fleet := w.app.Control().Timeout(20 * time.Second).Limit(3)
	p, err := fleet.PauseQueue(deadline(t), "py")
	if err != nil || fmt.Sprint(p) != "{[py@py pygo@host] true}" {
		t.Fatalf("pause: %v, %v", p, err)
	}
	testenv.Await(t, "no consumer left", func() bool { q, _ := w.rabbit.Queue("py"); return q.Consumers == 0 }, nil)
	if p, err = fleet.ResumeQueue(deadline(t), "py"); err != nil || fmt.Sprint(p) != "{[py@py pygo@host] true}" {
		t.Fatalf("resume: %v, %v", p, err)
	}
	testenv.Await(t, "both consume again", func() bool { q, _ := w.rabbit.Queue("py"); return q.Consumers == 2 }, nil)
	if n := len(w.ask(t, "go@host", "active_queues", nil).([]any)); n != 1 {
		t.Errorf("a worker that never consumed it consumes %d queues", n)
	}
}
