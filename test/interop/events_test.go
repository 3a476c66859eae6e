package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/worker"
)

// pythonListens makes Python's client keep every event it hears, and fold them by Celery's State.
const pythonListens = `
import threading
from celery.events.receiver import EventReceiver
heard, state, ready = [], app.events.State(), threading.Event()
class Ear(EventReceiver):
    def on_consume_ready(self, connection, channel, consumers, wakeup=True, **kwargs):
        super().on_consume_ready(connection, channel, consumers, wakeup=False, **kwargs)
        ready.set()
def hear(e):
    heard.append(dict(e))
    state.event(e)
def listen():
    with app.connection_for_read() as connection:
        ear = Ear(connection, handlers={"*": hear}, app=app)
        ear.capture(limit=None, timeout=None, wakeup=False)
threading.Thread(target=listen, daemon=True).start()
assert ready.wait(30)
`

// A listener keeps every event that Go hears.
type listener struct {
	mu    sync.Mutex // guards what follows
	heard []*protocol.Event
	state *event.State
}

func listen(t *testing.T, app *umbel.App) *listener {
	t.Helper()
	b, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{state: event.NewState(event.StateConfig{})}
	r, err := event.Receive(deadline(t), b, event.ReceiverConfig{Handle: func(events []*protocol.Event, received time.Time) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.heard = append(l.heard, events...)
		for _, e := range events {
			l.state.Apply(e, received)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(deadline(t)) })
	return l
}

// speak is a dispatcher that is switched on.
func speak(t *testing.T, app *umbel.App, hostname string) *event.Dispatcher {
	t.Helper()
	b, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	d := event.NewDispatcher(event.DispatcherConfig{Broker: b, Hostname: hostname})
	d.Enable()
	go d.Run()
	t.Cleanup(func() { d.Close(deadline(t)) })
	return d
}

func (l *listener) has(typ, hostname string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.heard, func(e *protocol.Event) bool { return e.Type() == typ && e.Hostname == hostname })
}

// facts are what was heard, as JSON objects, sorted. The clock of task-sent is the listener's own.
func (l *listener) facts(t *testing.T) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var facts []map[string]any
	for _, e := range l.heard {
		text, err := protocol.AppendEvent(nil, e)
		var f map[string]any
		if err == nil {
			err = json.Unmarshal(text, &f)
		}
		if err != nil {
			t.Fatal(err)
		}
		facts = append(facts, f)
	}
	return comparable(facts)
}

func comparable(facts []map[string]any) []map[string]any {
	for _, f := range facts {
		delete(f, "local_received")
		if f["type"] == "task-sent" {
			delete(f, "clock")
		}
	}
	key := func(f map[string]any) string { return fmt.Sprint(f["timestamp"], f["type"], f["hostname"], f["uuid"]) }
	slices.SortFunc(facts, func(a, b map[string]any) int { return cmpText(key(a), key(b)) })
	return facts
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// TestEventsOfAMixedFleet lets one worker of each side work, and both sides and Celery's own dump listen.
func TestEventsOfAMixedFleet(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(t, func(c *umbel.Config) { c.TaskSendSentEvent = true })
	dump := startProcess(t, "celery events --dump", w.python(t, "-u", "-m", "celery", "-A", "tasks:app", "events", "--dump"))
	probe := speak(t, app, "probe@host")
	testenv.Await(t, "celery events listens", func() bool {
		probe.Send(&protocol.WorkerStatus{Kind: protocol.TypeWorkerHeartbeat, Freq: 2})
		return strings.Contains(dump.said(), "probe@host")
	}, nil)
	probe.Close(deadline(t))
	w.client.run(t, nil, pythonListens)
	ear := listen(t, app)

	stopGo := startGo(t, app, worker.Config{Queues: []string{"go"}, Nodename: "go@host", HeartbeatInterval: time.Second})
	for _, want := range []string{"task events enabled", "task events already enabled"} { // it has sent none until now
		got := value[[]any](t, w.client, `app.control.enable_events(destination=["go@host"], reply=True, timeout=20, limit=1)`)
		if d := cmp.Diff([]any{map[string]any{"go@host": map[string]any{"ok": want}}}, got); d != "" {
			t.Errorf("enable_events (-want +got):\n%s", d)
		}
	}
	py := startProcess(t, "Python's worker", w.python(t, "-m", "celery", "-A", "tasks:app", "worker", "-Q", "py", "-n", "py@host", "-l", "INFO", "-E",
		"-P", "solo", "--without-gossip", "--without-mingle"))
	py.await(" ready.")

	ids := map[string]string{}
	send := func(name string, args any, options ...umbel.SendOption) {
		r, err := app.Send(deadline(t), name, args, options...)
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = r.ID()
	}
	send("go.echo", umbel.Args{1, "zwei", umbel.Kwargs{"k": []int{3}}}, umbel.Queue("go"))
	send("go.fail", umbel.Args{"value"}, umbel.Queue("go"))
	send("go.retry", umbel.Args{1}, umbel.Queue("go"))
	send("go.nobody", nil, umbel.Queue("go"))
	send("py.add", umbel.Args{2, 3})
	send("py.fail", umbel.Args{"own"})
	maps.Copy(ids, value[map[string]string](t, w.client, `
telling = make(task_send_sent_event=True)
{"from python": telling.send_task("go.echo", ("x",), queue="go").id}`))
	state := func(id string) protocol.State { k, _ := ear.state.Task(id); return k.State }
	for name, id := range ids {
		testenv.Await(t, "the end of "+name, func() bool { return state(id).Ready() }, nil)
	}
	for _, host := range []string{"go@host", "py@host"} {
		testenv.Await(t, "a heartbeat of "+host, func() bool { return ear.has("worker-heartbeat", host) }, nil)
	}
	dump.await("task succeeded: go.echo(" + ids["go.echo"])
	alive := value[[]string](t, w.client, "sorted(w.hostname for w in state.alive_workers())")
	if d := cmp.Diff([]string{"go@host", "py@host"}, alive); d != "" {
		t.Errorf("workers alive, says Python (-want +got):\n%s", d)
	}
	stopGo()
	py.end()
	for _, host := range []string{"go@host", "py@host"} {
		testenv.Await(t, host+" leaves", func() bool { return ear.has("worker-offline", host) }, nil)
	}
	testenv.Await(t, "Python has heard all", func() bool {
		return value[bool](t, w.client, `{e["hostname"] for e in heard if e["type"] == "worker-offline"} == {"go@host", "py@host"}`)
	}, nil)

	t.Run("both hear the same of both", func(t *testing.T) {
		python := comparable(value[[]map[string]any](t, w.client, "heard"))
		if d := cmp.Diff(python, ear.facts(t)); d != "" {
			t.Errorf("(-Python +Go):\n%.4000s", d)
		}
	})
	t.Run("both sides tell the same of alike tasks", func(t *testing.T) {
		// What an event says, member by member, without values that differ by nature.
		shape := func(id, typ string) []string {
			for _, f := range ear.facts(t) {
				if f["uuid"] == id && f["type"] == typ {
					var names []string
					for name, v := range f {
						kind := fmt.Sprintf("%T", v)
						names = append(names, name+" "+kind)
					}
					slices.Sort(names)
					return names
				}
			}
			t.Errorf("%s of %s was not heard", typ, id)
			return nil
		}
		for _, pair := range []struct{ typ, py, go_ string }{
			{"task-received", "py.add", "go.echo"}, {"task-started", "py.add", "go.echo"}, {"task-succeeded", "py.add", "go.echo"},
			{"task-failed", "py.fail", "go.fail"}, {"task-sent", "from python", "go.echo"},
		} {
			if d := cmp.Diff(shape(ids[pair.py], pair.typ), shape(ids[pair.go_], pair.typ)); d != "" {
				t.Errorf("%s (-Python +Go):\n%s", pair.typ, d)
			}
		}
	})
	t.Run("both fold the same state", func(t *testing.T) {
		python := value[map[string][]any](t, w.client,
			`{id: [t.name, t.state, t.args, t.kwargs, t.result, t.exception, t.worker.hostname, t.root_id, t.retries] for id, t in state.tasks.items()}`)
		text := func(s string) any {
			if s == "" {
				return nil
			}
			return s
		}
		ours := map[string][]any{}
		for _, k := range ear.state.Tasks(0, nil) {
			ours[k.UUID] = []any{text(k.Name), string(k.State), text(k.Args), text(k.Kwargs), text(k.Result), text(k.Exception), text(k.Worker), text(k.RootID), float64(k.Retries)}
		}
		if d := cmp.Diff(python, ours); d != "" {
			t.Errorf("(-Python +Go):\n%s", d)
		}
	})
	said := dump.said()
	for _, want := range []string{"go@host", "started", "heartbeat", "task received: go.echo(", "task failed: go.fail(", "task retried: go.retry(", "shutdown"} {
		if !strings.Contains(said, want) {
			t.Errorf("celery events --dump has not said %q:\n%s", want, said)
		}
	}
}
