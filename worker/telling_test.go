package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/worker"
)

// An ear gathers the events of an app.
type ear struct {
	t    *testing.T
	mu   sync.Mutex // guards all
	all  []*protocol.Event
	more chan struct{}
}

func listen(t *testing.T, app *umbel.App) *ear {
	t.Helper()
	b, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	c, err := app.Config()
	if err != nil {
		t.Fatal(err)
	}
	e := &ear{t: t, more: make(chan struct{}, 1)}
	r, err := event.Receive(deadline(t), b, event.ReceiverConfig{Config: c.EventConfig(), Handle: func(events []*protocol.Event, _ time.Time) {
		e.mu.Lock()
		e.all = append(e.all, events...)
		e.mu.Unlock()
		select {
		case e.more <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(deadline(t)) })
	return e
}

// heard is what was heard so far.
func (e *ear) heard() []*protocol.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.all[:len(e.all):len(e.all)]
}

// until waits until an event is heard that is wanted.
func (e *ear) until(want func(*protocol.Event) bool) *protocol.Event {
	e.t.Helper()
	for ctx := deadline(e.t); ; {
		for _, ev := range e.heard() {
			if want(ev) {
				return ev
			}
		}
		select {
		case <-e.more:
		case <-ctx.Done():
			var told []string
			for _, ev := range e.heard() {
				told = append(told, fmt.Sprintf("%s %+v", ev.Type(), ev.Body))
			}
			e.t.Fatalf("not heard; heard were\n%s", strings.Join(told, "\n"))
		}
	}
}

func ofType(typ string) func(*protocol.Event) bool {
	return func(e *protocol.Event) bool { return e.Type() == typ }
}

// story is what events tell of one task, each in a few words.
func story(events []*protocol.Event, id string) []string {
	var told []string
	for _, e := range events {
		switch b := e.Body.(type) {
		case *protocol.TaskSent:
			if b.UUID == id {
				told = append(told, fmt.Sprintf("sent %s args=%s kwargs=%s retries=%d queue=%s", b.Name, b.Args, b.Kwargs, b.Retries, b.Queue))
			}
		case *protocol.TaskReceived:
			if b.UUID == id {
				told = append(told, fmt.Sprintf("received %s args=%s kwargs=%s retries=%d", b.Name, b.Args, b.Kwargs, b.Retries))
			}
		case *protocol.TaskStarted:
			if b.UUID == id {
				told = append(told, "started")
			}
		case *protocol.TaskSucceeded:
			if b.UUID == id {
				told = append(told, "succeeded "+b.Result)
			}
		case *protocol.TaskFailed:
			if b.UUID == id {
				last := strings.TrimSpace(b.Traceback)
				told = append(told, "failed "+b.Exception+" | "+last[strings.LastIndexByte(last, '\n')+1:])
			}
		case *protocol.TaskRetried:
			if b.UUID == id {
				told = append(told, "retried "+b.Exception)
			}
		case *protocol.TaskRevoked:
			if b.UUID == id {
				told = append(told, fmt.Sprintf("revoked terminated=%v expired=%v", b.Terminated, b.Expired))
			}
		case *protocol.TaskRejected:
			if b.UUID == id {
				told = append(told, fmt.Sprintf("rejected requeue=%v", b.Requeue))
			}
		}
	}
	return told
}

func TestEventsTellHowEachTaskWent(t *testing.T) {
	app := newApp(t, umbel.Config{WorkerSendTaskEvents: true, TaskSendSentEvent: true})
	all := listen(t, app)
	var once sync.Once
	type in struct {
		N int `json:"n"`
	}
	do := func(name string, f func(ctx context.Context, in in) (any, error), o ...umbel.TaskOption) *umbel.Task[in, any] {
		return umbel.Register(app, name, f, o...)
	}
	fails := func(context.Context, in) (any, error) { return nil, errors.New("boom") }
	tasks := []struct {
		task *umbel.Task[in, any]
		send []umbel.SendOption
		want []string // without sent
	}{
		{task: do("fine", func(_ context.Context, in in) (any, error) { return []any{in.N, "x"}, nil }),
			want: []string{"received fine args=() kwargs={'n': 7} retries=0", "started", "succeeded [7, 'x']"}},
		{task: do("fine.late", func(context.Context, in) (any, error) { return nil, nil }, umbel.AcksLate()), send: []umbel.SendOption{umbel.Shadow("shadow")},
			want: []string{"received shadow args=() kwargs={'n': 7} retries=0", "started", "succeeded None"}},
		{task: do("fails", fails),
			want: []string{"received fails args=() kwargs={'n': 7} retries=0", "started", "failed Exception('boom') | Exception: boom"}},
		{task: do("fails.rejected", fails, umbel.AcksLate(), umbel.AcksOnFailure(false)),
			want: []string{"received fails.rejected args=() kwargs={'n': 7} retries=0", "started", "failed Exception('boom') | Exception: boom", "rejected requeue=false"}},
		{task: do("rejects", func(context.Context, in) (any, error) { return nil, umbel.Reject(false, "no") }, umbel.AcksLate()),
			want: []string{"received rejects args=() kwargs={'n': 7} retries=0", "started", "failed reject requeue=False: no | celery.exceptions.Reject: reject requeue=False: no", "rejected requeue=false"}},
		{task: do("requeues", func(context.Context, in) (v any, err error) {
			v = "second"
			once.Do(func() { v, err = nil, umbel.Reject(true, "not now") })
			return v, err
		}, umbel.AcksLate()),
			want: []string{"received requeues args=() kwargs={'n': 7} retries=0", "started", "rejected requeue=true",
				"received requeues args=() kwargs={'n': 7} retries=0", "started", "succeeded 'second'"}},
		{task: do("retries", func(ctx context.Context, _ in) (any, error) {
			if umbel.RequestFrom(ctx).Retries == 0 {
				return nil, umbel.RetryIn(0, errors.New("later"))
			}
			return "done", nil
		}, umbel.Retry{Max: 3}),
			want: []string{"received retries args=() kwargs={'n': 7} retries=0", "started", "retried Exception('later')",
				"received retries args=() kwargs={'n': 7} retries=1", "started", "succeeded 'done'"}},
		{task: do("ignored", func(context.Context, in) (any, error) { return nil, umbel.Ignore }),
			want: []string{"received ignored args=() kwargs={'n': 7} retries=0", "started"}},
		{task: do("limited", func(ctx context.Context, _ in) (any, error) { <-ctx.Done(); return nil, nil }, umbel.TimeLimit(time.Millisecond)),
			want: []string{"received limited args=() kwargs={'n': 7} retries=0", "started", "failed TimeLimitExceeded(0.001) | billiard.exceptions.TimeLimitExceeded: 0.001"}},
		{task: do("unencodable", func(context.Context, in) (any, error) { return make(chan int), nil }),
			want: []string{"received unencodable args=() kwargs={'n': 7} retries=0", "started", "failed EncodeError("}},
		{task: do("quiet", fails, umbel.NoEvents())},
	}
	_, stop := start(t, app, worker.Config{Concurrency: 1})
	ids := make([]string, len(tasks))
	for i, k := range tasks {
		r, err := k.task.Send(deadline(t), in{7}, k.send...)
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = r.ID()
	}
	unknown, err := app.Send(deadline(t), "nobody.knows", nil)
	if err != nil {
		t.Fatal(err)
	}
	// The broker drops what has expired, where the message says so to the broker, too.
	env, err := protocol.EncodeTask(&protocol.Task{Version: 2, Name: "fails", ID: "expired", Expires: time.Now().Add(-time.Hour)}, &protocol.Body{},
		protocol.EncodeOptions{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	env.Properties.Expiration = ""
	if err := app.Publish(deadline(t), &broker.Message{Envelope: *env, RoutingKey: "celery"}); err != nil {
		t.Fatal(err)
	}
	all.until(ofType(protocol.TypeTaskRevoked))
	for i, k := range tasks {
		n := len(k.want) + 1 // and sent
		if k.task.Name() == "retries" {
			n++
		}
		all.until(func(*protocol.Event) bool { return len(story(all.heard(), ids[i])) >= n })
	}
	all.until(func(*protocol.Event) bool { return len(story(all.heard(), unknown.ID())) >= 2 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	all.until(ofType(protocol.TypeWorkerOffline))
	events := all.heard()
	for i, k := range tasks {
		name := k.task.Name()
		told := story(events, ids[i])
		var sent, rest []string
		for _, s := range told {
			if strings.HasPrefix(s, "sent ") {
				sent = append(sent, s)
			} else {
				rest = append(rest, s)
			}
		}
		wantSent := []string{fmt.Sprintf("sent %s args=() kwargs={'n': 7} retries=0 queue=celery", name)}
		if name == "retries" {
			wantSent = append(wantSent, "sent retries args=() kwargs={'n': 7} retries=1 queue=celery")
		}
		if d := cmp.Diff(wantSent, sent); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if name == "unencodable" && len(rest) == 3 && strings.HasPrefix(rest[2], k.want[2]) {
			rest[2] = k.want[2]
		}
		if d := cmp.Diff(k.want, rest); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	want := []string{"failed NotRegistered('nobody.knows') | ", "sent nobody.knows args=() kwargs={} retries=0 queue=celery"}
	if d := cmp.Diff(want, slices.Sorted(slices.Values(story(events, unknown.ID())))); d != "" {
		t.Errorf("unknown task (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"revoked terminated=false expired=true"}, story(events, "expired")); d != "" {
		t.Errorf("expired task (-want +got):\n%s", d)
	}
	clock := int64(0)
	for _, e := range events {
		if e.Type() == protocol.TypeTaskSent {
			if !strings.HasPrefix(e.Hostname, "gen") {
				t.Errorf("task-sent comes from %s", e.Hostname)
			}
			continue
		}
		if e.Clock <= clock {
			t.Errorf("clock %d comes after %d", e.Clock, clock)
		}
		clock = e.Clock
		if !strings.HasPrefix(e.Hostname, "celery@") {
			t.Errorf("%s comes from %s", e.Type(), e.Hostname)
		}
	}
}

func TestAWorkerTellsOfItselfWhileEventsAreOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp(t, umbel.Config{})
		all := listen(t, app)
		w, stop := start(t, app, worker.Config{Nodename: "w@h", HeartbeatInterval: 3 * time.Second, Concurrency: 2})
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(all.heard()); n != 0 {
			t.Errorf("a worker whose events are off told of %d", n)
		}
		w.Heartbeat()
		time.Sleep(time.Second)
		synctest.Wait()
		heard := all.heard()
		if len(heard) != 1 {
			t.Fatalf("asked for a heartbeat, it told %d", len(heard))
		}
		if s := heard[0].Body.(*protocol.WorkerStatus); !s.Brief || s.Freq != 5 || s.Ident != "umbel" || s.System == "" {
			t.Errorf("asked for a heartbeat, it told %+v", s)
		}
		if !w.EnableEvents() || w.EnableEvents() {
			t.Error("EnableEvents does not tell whether it changed anything")
		}
		time.Sleep(10 * time.Second)
		if !w.DisableEvents() || w.DisableEvents() {
			t.Error("DisableEvents does not tell whether it changed anything")
		}
		time.Sleep(time.Minute)
		w.EnableEvents()
		time.Sleep(time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		var types []string
		for _, e := range all.heard() {
			types = append(types, strings.TrimPrefix(e.Type(), "worker-"))
			if s := e.Body.(*protocol.WorkerStatus); e.Hostname != "w@h" || !s.Brief && s.Freq != 3 {
				t.Errorf("%+v", e)
			}
		}
		want := "heartbeat online heartbeat heartbeat heartbeat online offline"
		if got := strings.Join(types, " "); got != want {
			t.Errorf("told %s\nwant %s", got, want)
		}
	})
}

func TestAWorkerWithoutHeartbeatTellsOfTasksOnly(t *testing.T) {
	app := newApp(t, umbel.Config{WorkerSendTaskEvents: true})
	all := listen(t, app)
	fine := umbel.Register(app, "fine", func(context.Context, struct{}) (any, error) { return 1, nil })
	_, stop := start(t, app, worker.Config{WithoutHeartbeat: true})
	if _, err := fine.Send(deadline(t), struct{}{}); err != nil {
		t.Fatal(err)
	}
	all.until(ofType(protocol.TypeTaskSucceeded))
	if err := stop(); err != nil {
		t.Error(err)
	}
	for _, e := range all.heard() {
		if _, is := e.Body.(*protocol.WorkerStatus); is {
			t.Errorf("it told %s", e.Type())
		}
	}
}
