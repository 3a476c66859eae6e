package monitor_test

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/protocol"
)

type shownTask struct {
	ID, Name, State, Worker, Args, Kwargs, Result, Exception string
	Trail                                                    []struct{ Kind string }
}

func TestWhatWorkersTellIsShown(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Prefix: "/umbel"})
	r.say(heartbeat())
	r.say(life("task-1", "shop.pay")...)
	r.say(&protocol.TaskReceived{UUID: "task-2", Name: "shop.ship", RootID: "task-1", ParentID: "task-1"}, &protocol.TaskFailed{UUID: "task-2",
		Exception: "ValueError('no token=abc')"})
	var page struct {
		Tasks []shownTask
		Next  *int64
	}
	r.await("both tasks are in the history", func() bool {
		r.get("/api/v1/tasks", &page)
		return len(page.Tasks) == 2 && page.Tasks[0].State == "FAILURE" && page.Tasks[1].State == "SUCCESS"
	})
	if p := page.Tasks[1]; p.Name != "shop.pay" || p.Worker != "w1@host" || p.Result != "'done'" || p.Kwargs != "{'password': ***}" {
		t.Errorf("%+v", p)
	}
	if page.Tasks[0].Exception != "ValueError('no token=***')" {
		t.Errorf("%+v", page.Tasks[0])
	}
	var one shownTask
	r.get("/api/v1/tasks/task-1", &one)
	if len(one.Trail) != 3 || one.Trail[2].Kind != "succeeded" {
		t.Errorf("%+v", one)
	}
	var flow struct {
		Root  string
		Tasks []shownTask
	}
	r.get("/api/v1/tasks/task-2/workflow", &flow)
	if flow.Root != "task-1" || len(flow.Tasks) != 2 || flow.Tasks[1].ID != "task-2" {
		t.Errorf("%+v", flow)
	}
	var workers struct {
		Workers []struct {
			Name, State, Software string
			Active                int
		}
	}
	r.await("the worker is seen", func() bool {
		r.get("/api/v1/workers", &workers)
		return len(workers.Workers) == 1
	})
	if w := workers.Workers[0]; w.Name != "w1@host" || w.State != "online" || w.Software != "umbel" || w.Active != 3 {
		t.Errorf("%+v", w)
	}
	var over struct {
		Connected bool
		Workers   struct{ Online int }
		Rates     struct{ Succeeded float64 }
		Runtime   struct{ P50 *float64 }
	}
	r.await("the overview counts", func() bool {
		r.get("/api/v1/overview", &over)
		return over.Rates.Succeeded > 0 && over.Runtime.P50 != nil
	})
	if !over.Connected || over.Workers.Online != 1 || *over.Runtime.P50 < 0.2 || *over.Runtime.P50 > 0.3 {
		t.Errorf("%+v", over)
	}
}

func TestQueuesAndWhatIsWrongWithThem(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.broker.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "slow", Durable: true}}}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := r.broker.Publish(ctx, &broker.Message{RoutingKey: "slow"}); err != nil {
			t.Fatal(err)
		}
	}
	r.say(&protocol.TaskSent{UUID: "a", Name: "t", Queue: "slow"}) // how the monitor learns of it
	var got struct {
		Alerts []struct{ Level, Kind, Subject, Text string }
		Queues []struct {
			Name   string
			Exists bool
			Ready  int
		}
	}
	r.await("the queue without a consumer is told of", func() bool {
		r.get("/api/v1/overview", &got)
		return len(got.Alerts) == 1
	})
	if a := got.Alerts[0]; a.Kind != "queue-without-consumer" || a.Subject != "slow" || a.Text != "3 messages wait in queue slow, and no worker consumes it." {
		t.Errorf("%+v", a)
	}
}

func TestTheStreamTellsWhatChanges(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", r.url+"/api/v1/stream", nil)
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatal(kind)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	seen := map[string]bool{}
	lines.Scan() // the stream is open
	r.say(life("task-1", "shop.pay")...)
	for !(seen["overview"] && seen["tasks"]) && lines.Scan() {
		if kind, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			lines.Scan()
			if kind != "tasks" || strings.Contains(lines.Text(), `"id":"task-1"`) {
				seen[kind] = true
			}
		}
	}
	if !seen["overview"] || !seen["tasks"] {
		t.Errorf("heard %v: %v", seen, lines.Err())
	}
}

func TestHistoryOutlivesTheMonitor(t *testing.T) {
	t.Parallel()
	c := monitor.Config{History: history.Config{URL: filepath.Join(t.TempDir(), "h.db")}}
	t.Run("first", func(t *testing.T) {
		r := start(t, c)
		r.say(heartbeat())
		r.say(life("task-1", "shop.pay")...)
		r.await("the task is written", func() bool { return r.send("GET", "/api/v1/tasks/task-1", nil, nil).StatusCode == 200 })
	})
	t.Run("second", func(t *testing.T) {
		r := start(t, c)
		var one shownTask
		r.get("/api/v1/tasks/task-1", &one)
		if one.Name != "shop.pay" {
			t.Errorf("%+v", one)
		}
	})
}

func TestListeningBeyondLoopbackNeedsAPassword(t *testing.T) {
	for _, c := range []monitor.Config{
		{Listen: "0.0.0.0:0"}, {Listen: ":0"}, {Listen: "[::]:0"}, {Listen: "192.0.2.1:80"}, {Listen: "example.org:80"},
		{Listen: "0.0.0.0:0", Access: access.Config{Users: users, Anonymous: access.Viewer}},
	} {
		if _, err := monitor.New(nil, c); !errors.Is(err, monitor.ErrExposed) {
			t.Errorf("%s: %v", c.Listen, err)
		}
	}
	for _, c := range []monitor.Config{{Listen: "127.0.0.1:0"}, {Listen: "[::1]:0"}, {Listen: "localhost:0"}, {},
		{Listen: "0.0.0.0:0", Access: access.Config{Users: users}}} {
		if _, err := monitor.New(nil, c); err != nil {
			t.Errorf("%s: %v", c.Listen, err)
		}
	}
}
