package monitor_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
)

// withDead are settings of a shop whose orders have dead letters.
func withDead(url string) umbel.Config {
	return umbel.Config{BrokerURL: []string{url}, ResultBackend: "memory://", TaskQueues: []umbel.QueueConfig{{Name: "orders", DeadLetter: "orders.dlq"}}}
}

// bury sends tasks, and makes dead letters of them: pay 0, pay 1 … and ship after them.
func (r *rig) bury(pays int) (ids []string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i := range pays + 1 {
		name := "shop.pay"
		if i == pays {
			name = "shop.ship"
		}
		sent, err := r.app.Send(ctx, name, umbel.Kwargs{"order": i, "password": "hunter2"}, umbel.Queue("orders"))
		if err != nil {
			r.t.Fatal(err)
		}
		ids = append(ids, sent.ID())
	}
	_, err := r.broker.(broker.Browser).Browse(ctx, "orders", 100, func(m *broker.Message) (bool, error) {
		d := *m
		d.Headers = umbel.BareHeaders(m.Headers)
		umbel.Dead(d.Headers, umbel.DeadFailed, "ValueError: token=abc refused", "Traceback:\n  …", "orders", "w1@host", 4, time.Now().Add(-time.Hour))
		d.Exchange, d.RoutingKey = "", "orders.dlq"
		return true, r.broker.Publish(ctx, &d)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return ids
}

type shownMessages struct {
	Messages []struct {
		ID, Task, Args, Kwargs, Problem string
		Dead                            *struct {
			Reason, Error, Queue string
			Attempts             int
		}
		Call *calling
	}
	More bool
}

func (m *shownMessages) ids() (out []string) {
	for _, x := range m.Messages {
		out = append(out, x.ID)
	}
	return out
}

func TestDeadLettersAreFoundChangedAndReplayed(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, url string) {
		r := startApp(t, withDead(url), monitor.Config{Access: access.Config{Anonymous: access.Owner}})
		ids := r.bury(5)
		const q = "/api/v1/queues/orders.dlq"
		look := func(query string) (m shownMessages) {
			t.Helper()
			r.get(q+"/messages"+query, &m)
			return m
		}
		all := look("")
		if !slices.Equal(all.ids(), ids) || all.More {
			t.Fatalf("%v, want %v", all.ids(), ids)
		}
		if m := all.Messages[0]; m.Task != "shop.pay" || m.Dead == nil || m.Dead.Reason != "failed" || m.Dead.Attempts != 4 || m.Dead.Queue != "orders" ||
			m.Dead.Error != "ValueError: token=*** refused" || !strings.Contains(m.Kwargs, "'order': 0") || strings.Contains(m.Kwargs, "hunter2") || m.Call != nil {
			t.Errorf("%+v %+v", m, m.Dead)
		}
		for query, want := range map[string]int{"?task=shop.p*": 5, "?task=nobody": 0, "?argument='order':%203": 1, "?reason=failed": 6, "?reason=expired": 0, "?older=60": 6, "?newer=60": 0, "?limit=2": 2} {
			if m := look(query); len(m.Messages) != want || m.More != (query == "?limit=2") {
				t.Errorf("%s: %d letters, %t, want %d", query, len(m.Messages), m.More, want)
			}
		}
		one := look("?id=" + ids[2])
		if len(one.Messages) != 1 || one.Messages[0].Call == nil || one.Messages[0].Call.Kwargs["password"] != "***" || one.Messages[0].Call.Kwargs["order"] != 2.0 {
			t.Fatalf("%+v", one)
		}
		if a := r.send("POST", q+"/dead/edit", `{"id": "`+ids[2]+`", "args": [], "kwargs": {"order": 42, "password": "***"}}`, nil); a.StatusCode != http.StatusOK {
			t.Fatalf("edit: %s %s", a.Status, a.body)
		}
		if m := look("?id=" + ids[2]); m.Messages[0].Call.Kwargs["order"] != 42.0 {
			t.Errorf("%+v", m.Messages[0].Call)
		}
		var dry struct{ Letters int }
		r.send("POST", q+"/dead/replay", map[string]any{"task": "shop.pay", "dry_run": true}, nil).into(t, &dry)
		if dry.Letters != 5 {
			t.Errorf("a dry run would take %d", dry.Letters)
		}
		var begun struct{ Errand int }
		a := r.send("POST", q+"/dead/replay", map[string]any{"task": "shop.pay", "rate": "100/s"}, nil)
		a.into(t, &begun)
		if a.StatusCode != http.StatusOK || begun.Errand == 0 {
			t.Fatalf("replay: %s %s", a.Status, a.body)
		}
		var list struct {
			Errands []struct {
				ID, Done     int
				Ended        *float64
				Error, Who   string
				Action, Rate string
			}
		}
		r.await("the replay has ended", func() bool {
			r.get("/api/v1/errands", &list)
			return list.Errands[0].Ended != nil
		})
		r.fits("/api/v1/errands")
		if e := list.Errands[0]; e.Done != 5 || e.Error != "" || e.Action != "replay" || e.Rate != "100/s" || e.Who != "anonymous" {
			t.Errorf("%+v", e)
		}
		var back []string
		browseQueue(t, r, "orders", func(body string) { back = append(back, body) })
		if text := strings.Join(back, "\n"); len(back) != 5 || strings.Count(text, "hunter2") != 5 || !strings.Contains(text, `"order":42`) || strings.Contains(text, `"order":2,`) {
			t.Errorf("came back: %s", text)
		}
		for body, want := range map[string]int{`{}`: 400, `{"confirm": "orders"}`: 400, `{"confirm": "orders.dlq", "limit": -1}`: 400, `{"confirm": "orders.dlq"}`: 200} {
			if a := r.send("POST", q+"/dead/drop", body, nil); a.StatusCode != want {
				t.Errorf("drop %s: %s %s", body, a.Status, a.body)
			}
		}
		r.await("the drop has ended", func() bool { // looking meanwhile would take letters out of its hands
			r.get("/api/v1/errands", &list)
			return list.Errands[0].Action == "drop" && list.Errands[0].Ended != nil
		})
		r.await("nothing is left", func() bool {
			m := look("")
			return len(m.Messages) == 0
		})
		for path, want := range map[string]int{q + "/dead/replay": 400, "/api/v1/queues/nothing/dead/replay": 404, q + "/dead/edit": 400} {
			body := map[string]any{"rate": "fast"}
			if strings.Contains(path, "nothing") {
				body = map[string]any{}
			}
			if a := r.send("POST", path, body, nil); a.StatusCode != want {
				t.Errorf("%s: %s %s", path, a.Status, a.body)
			}
		}
		var acts struct {
			Acts []struct{ Action, Target, Detail, Outcome string }
		}
		r.await("the end is written down", func() bool {
			r.get("/api/v1/audit", &acts)
			return slices.ContainsFunc(acts.Acts, func(a struct{ Action, Target, Detail, Outcome string }) bool {
				return a.Action == "replay ended" && a.Target == "orders.dlq" && a.Detail == "5 letters" && a.Outcome == "done"
			})
		})
	}
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		run(t, fmt.Sprintf("memory://monitor-test-%d", spaces.Add(1)))
	})
	t.Run("rabbitmq", func(t *testing.T) {
		t.Parallel()
		run(t, testenv.RabbitMQ(t).URL())
	})
}

func TestAReplayCanBeStopped(t *testing.T) {
	t.Parallel()
	r := startApp(t, withDead(fmt.Sprintf("memory://monitor-test-%d", spaces.Add(1))), monitor.Config{Access: access.Config{Anonymous: access.Owner}})
	r.bury(5)
	var begun struct{ Errand int }
	r.send("POST", "/api/v1/queues/orders.dlq/dead/replay", map[string]any{"rate": "1/h"}, nil).into(t, &begun)
	if a := r.send("POST", fmt.Sprintf("/api/v1/errands/%d/stop", begun.Errand), map[string]any{}, nil); a.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", a.Status, a.body)
	}
	var list struct {
		Errands []struct {
			Ended *float64
			Error string
		}
	}
	r.await("it has ended", func() bool {
		r.get("/api/v1/errands", &list)
		return list.Errands[0].Ended != nil
	})
	if list.Errands[0].Error != "it was stopped" {
		t.Errorf("%+v", list)
	}
}

func TestAQueueIsPausedForTheFleetAndResumed(t *testing.T) {
	t.Parallel()
	r := start(t, monitor.Config{Access: access.Config{Users: users}})
	r.employ("w9@shop")
	ann := as("ann", "ann's password")
	if a := r.send("POST", "/api/v1/queues/celery/pause", map[string]any{}, ann); a.StatusCode != http.StatusOK || !strings.Contains(string(a.body), "paused celery: w9@shop") {
		t.Fatalf("%s %s", a.Status, a.body)
	}
	if a := r.send("POST", "/api/v1/queues/celery/resume", map[string]any{}, ann); a.StatusCode != http.StatusOK || !strings.Contains(string(a.body), "resumed celery: w9@shop") {
		t.Errorf("%s %s", a.Status, a.body)
	}
	if a := r.send("POST", "/api/v1/queues/nothing/pause", map[string]any{}, ann); a.StatusCode != http.StatusNotFound {
		t.Errorf("%s %s", a.Status, a.body)
	}
	for _, path := range []string{"/api/v1/queues/celery/pause", "/api/v1/queues/celery/dead/drop", "/api/v1/queues/celery/dead/replay"} {
		if a := r.send("POST", path, map[string]any{}, as("bob", "bob's password")); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s by a viewer: %s", path, a.Status)
		}
	}
	if a := r.send("GET", "/api/v1/queues/celery/messages", nil, as("bob", "bob's password")); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer peeks: %s", a.Status)
	}
}
