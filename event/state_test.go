package event_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// pythonState folds the same events by Celery's own State.
const pythonState = `
import json, sys
from celery import Celery
from celery.events.state import State
events = json.load(open(sys.argv[1]))
state = State()
now = events[-1]["timestamp"]
for e in events:
    e["local_received"] = e["timestamp"]
    state.event(e)
names = ("name state args kwargs retries eta expires result exception traceback runtime root_id parent_id queue exchange routing_key "
         "sent received started succeeded failed retried revoked rejected terminated expired requeue").split()
tasks = {}
for id, t in state.tasks.items():
    d = {n: getattr(t, n, None) for n in names}
    d["worker"] = t.worker.hostname if t.worker else None
    d["client"] = t.client if isinstance(getattr(t, "client", None), str) else None
    tasks[id] = d
workers = {}
for name, w in state.workers.items():
    workers[name] = {"pid": w.pid, "freq": w.freq, "active": w.active, "processed": w.processed, "loadavg": w.loadavg, "sw_ident": w.sw_ident,
        "sw_ver": w.sw_ver, "sw_sys": w.sw_sys, "alive": bool(w.heartbeats and now < w.heartbeat_expires), "heard": w.heartbeats[-1] if w.heartbeats else None}
json.dump({"tasks": tasks, "workers": workers, "received": state.task_count, "events": state.event_count}, sys.stdout)
`

// randomEvents are events of a few tasks and workers in an order in which they may come: each task's own may overtake each other.
func randomEvents(rnd *rand.Rand, n int) []*protocol.Event {
	const start = 1.8e9
	events := make([]*protocol.Event, 0, n)
	text := func(s string) string { return fmt.Sprintf("%s-%d", s, rnd.IntN(100)) }
	for i := range n {
		id, worker := fmt.Sprintf("task-%d", rnd.IntN(8)), fmt.Sprintf("w%d@host", rnd.IntN(3))
		e := &protocol.Event{Hostname: worker, PID: 10 + rnd.IntN(3), Clock: int64(i + 1), Timestamp: start + float64(i)}
		switch rnd.IntN(13) {
		case 0:
			e.Hostname = "gen1@host"
			e.Body = &protocol.TaskSent{UUID: id, Name: text("name"), Args: text("args"), Kwargs: "{}", Retries: rnd.IntN(3), Queue: "q", Exchange: "x", RoutingKey: "k", RootID: id}
		case 1, 2:
			e.Body = &protocol.TaskReceived{UUID: id, Name: text("name"), Args: text("args"), Kwargs: "{}", Retries: rnd.IntN(3), ETA: "2027-01-01T00:00:00", RootID: id, ParentID: "p"}
		case 3, 4:
			e.Body = &protocol.TaskStarted{UUID: id}
		case 5:
			e.Body = &protocol.TaskSucceeded{UUID: id, Result: text("result"), Runtime: rnd.Float64()}
		case 6:
			e.Body = &protocol.TaskFailed{UUID: id, Exception: text("exc"), Traceback: text("tb"), HasTraceback: true}
		case 7:
			e.Body = &protocol.TaskRetried{UUID: id, Exception: text("exc"), Traceback: text("tb")}
		case 8:
			e.Body = &protocol.TaskRevoked{UUID: id, Terminated: rnd.IntN(2) == 0, Signum: codec.JSON([]byte("15")), Expired: rnd.IntN(2) == 0}
		case 9:
			e.Body = &protocol.TaskRejected{UUID: id, Requeue: rnd.IntN(2) == 0}
		case 10:
			e.Body = &protocol.CustomEvent{Name: "task-packing", UUID: id}
		default:
			kind := [...]string{protocol.TypeWorkerOnline, protocol.TypeWorkerHeartbeat, protocol.TypeWorkerHeartbeat, protocol.TypeWorkerOffline}[rnd.IntN(4)]
			e.Body = &protocol.WorkerStatus{Kind: kind, Freq: 2, Active: rnd.IntN(9), Processed: i, LoadAvg: [3]float64{1, 2, 0.5}, Ident: "umbel", Version: "1", System: "Linux"}
		}
		events = append(events, e)
	}
	return events
}

func TestAStateIsFoldedAsCelerysOwn(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 6 {
		events := randomEvents(rnd, 120)
		list := []byte{'['}
		state := event.NewState(event.StateConfig{})
		for i, e := range events {
			if i > 0 {
				list = append(list, ',')
			}
			var err error
			if list, err = protocol.AppendEvent(list, e); err != nil {
				t.Fatal(err)
			}
			state.Apply(e, e.Time())
		}
		var want struct {
			Tasks, Workers   map[string]map[string]any
			Received, Events int64
		}
		if err := json.Unmarshal([]byte(testenv.RunPython(t, pythonState, file(t, append(list, ']')))), &want); err != nil {
			t.Fatal(err)
		}
		if c := state.Counts(); c.Received != want.Received || c.Events != want.Events {
			t.Errorf("counts %+v, Celery has %d received of %d", c, want.Received, want.Events)
		}
		tasks := map[string]map[string]any{}
		for _, k := range state.Tasks(0, nil) {
			tasks[k.UUID] = taskFields(&k)
		}
		if d := cmp.Diff(want.Tasks, tasks); d != "" {
			t.Fatalf("tasks (-Celery +Umbel):\n%s", d)
		}
		workers := map[string]map[string]any{}
		now := events[len(events)-1].Time()
		for _, w := range state.Workers() {
			workers[w.Hostname] = workerFields(&w, now)
		}
		if d := cmp.Diff(want.Workers, workers); d != "" {
			t.Fatalf("workers (-Celery +Umbel):\n%s", d)
		}
	}
}

func textOrNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func timeOrNil(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return protocol.UnixSeconds(at)
}

// taskFields are a task's by Python's names, but for clock and timestamp: Python's are those of whatever came last, ours those of
// the event that made the state. Where Python has no value until an event brings one, so have we.
func taskFields(k *event.Task) map[string]any {
	m := map[string]any{
		"name": textOrNil(k.Name), "state": string(k.State), "args": textOrNil(k.Args), "kwargs": textOrNil(k.Kwargs), "eta": textOrNil(k.ETA),
		"expires": textOrNil(k.Expires), "result": textOrNil(k.Result), "exception": textOrNil(k.Exception), "traceback": textOrNil(k.Traceback),
		"root_id": textOrNil(k.RootID), "parent_id": textOrNil(k.ParentID), "queue": textOrNil(k.Queue), "exchange": textOrNil(k.Exchange),
		"routing_key": textOrNil(k.RoutingKey), "sent": timeOrNil(k.Sent),
		"received": timeOrNil(k.Received), "started": timeOrNil(k.Started), "succeeded": timeOrNil(k.Succeeded), "failed": timeOrNil(k.Failed),
		"retried": timeOrNil(k.Retried), "revoked": timeOrNil(k.Revoked), "rejected": timeOrNil(k.RejectedTime), "worker": textOrNil(k.Worker),
		"client": textOrNil(k.Client), "retries": nil, "runtime": nil, "terminated": nil, "expired": nil, "requeue": nil,
	}
	if !k.Sent.IsZero() || !k.Received.IsZero() {
		m["retries"] = float64(k.Retries)
	}
	if !k.Succeeded.IsZero() {
		m["runtime"] = k.Runtime
	}
	if !k.Revoked.IsZero() {
		m["terminated"], m["expired"] = k.Terminated, k.Expired
	}
	if !k.RejectedTime.IsZero() {
		m["requeue"] = k.Requeue
	}
	return m
}

func workerFields(w *event.Worker, now time.Time) map[string]any {
	m := map[string]any{"pid": nil, "freq": w.Freq, "active": nil, "processed": nil, "loadavg": nil, "sw_ident": textOrNil(w.Ident),
		"sw_ver": textOrNil(w.Version), "sw_sys": textOrNil(w.System), "alive": w.Alive(now), "heard": timeOrNil(w.LastHeard)}
	if w.Ident != "" {
		m["pid"] = float64(w.PID)
		m["active"], m["processed"], m["loadavg"] = float64(w.Active), float64(w.Processed), []any{w.LoadAvg[0], w.LoadAvg[1], w.LoadAvg[2]}
	}
	return m
}

func TestARetryThatWasOvertakenChangesNothing(t *testing.T) {
	s := event.NewState(event.StateConfig{})
	tell := func(at float64, body protocol.EventBody) {
		s.Apply(&protocol.Event{Hostname: "w@h", Timestamp: at, Body: body}, time.Now())
	}
	tell(1, &protocol.TaskStarted{UUID: "t"})
	tell(3, &protocol.TaskStarted{UUID: "t"})
	tell(4, &protocol.TaskSucceeded{UUID: "t", Result: "1"})
	tell(2, &protocol.TaskRetried{UUID: "t", Exception: "Later()"})
	if k, _ := s.Task("t"); k.State != protocol.Success || k.Exception != "Later()" || k.Retried.IsZero() {
		t.Errorf("it is %+v", k)
	}
}

func TestAWorkerThatIsSilentIsDead(t *testing.T) {
	s := event.NewState(event.StateConfig{})
	at := time.Unix(1_800_000_000, 0)
	tell := func(kind string) {
		s.Apply(&protocol.Event{Hostname: "w@h", Body: &protocol.WorkerStatus{Kind: kind, Freq: 2}}, at)
	}
	alive := func(after time.Duration) bool { return s.Workers()[0].Alive(at.Add(after)) }
	tell(protocol.TypeWorkerOnline)
	if !alive(3900*time.Millisecond) || alive(4*time.Second) {
		t.Error("a worker with a heartbeat each 2 s is dead after 4 s, no sooner and no later")
	}
	tell(protocol.TypeWorkerOffline)
	if alive(0) {
		t.Error("a worker that said it leaves is alive")
	}
	s.Apply(&protocol.Event{Hostname: "w@h", Body: &protocol.TaskStarted{UUID: "t"}}, at)
	if !alive(time.Second) {
		t.Error("a worker that runs tasks is dead")
	}
}

func TestMemoryOfAStateIsBounded(t *testing.T) {
	s := event.NewState(event.StateConfig{MaxWorkers: 10, MaxTasks: 100, MaxText: 50, MaxBytes: 50_000})
	long := strings.Repeat("é", 10_000)
	for i := range 1000 {
		id, host := fmt.Sprintf("task-%d", i), fmt.Sprintf("w%d@h", i)
		s.Apply(&protocol.Event{Hostname: host, Body: &protocol.TaskReceived{UUID: id, Name: "n", Args: long}}, time.Now())
		s.Apply(&protocol.Event{Hostname: host, Body: &protocol.TaskFailed{UUID: id, Exception: long, Traceback: long}}, time.Now())
	}
	s.Apply(&protocol.Event{Hostname: long, Body: &protocol.TaskStarted{UUID: "x"}}, time.Now())
	s.Apply(&protocol.Event{Hostname: "h", Body: &protocol.TaskStarted{UUID: long}}, time.Now())
	workers, tasks := s.Len()
	if workers != 10 || tasks > 90 || tasks < 20 {
		t.Errorf("%d workers and %d tasks are remembered", workers, tasks)
	}
	if c := s.Counts(); c.Forgotten != int64(1000-tasks) || c.Failed != 1000 {
		t.Errorf("%+v with %d tasks remembered", c, tasks)
	}
	k, ok := s.Task("task-999")
	if !ok || len(k.Args) > 54 || !strings.HasPrefix(k.Args, "éé") || !strings.HasSuffix(k.Traceback, "…") {
		t.Errorf("the last task is %v, %q", ok, k.Args)
	}
	if _, ok := s.Task("task-0"); ok {
		t.Error("the first task is remembered")
	}
}
