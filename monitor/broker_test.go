package monitor_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
)

type shownBroker struct {
	Managed bool
	Error   string
	Cluster *struct {
		Version string
		Nodes   []struct {
			Name     string
			Running  bool
			MemUsed  int64 `json:"mem_used"`
			MemLimit int64 `json:"mem_limit"`
			MemAlarm bool  `json:"mem_alarm"`
		}
		Connections int
		Publish     float64 `json:"publish_rate"`
		Confirm     float64 `json:"confirm_rate"`
	}
	Connections []struct{ Name, User, Peer, State, Client string }
}

// The real management API: nodes, memory against its limit, connections; queues with type, policy and rates.
func TestTheBrokerIsToldOfByItsManagementAPI(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	r := startOn(t, rabbit.URL(), monitor.Config{ManagementURL: "http://guest:guest@" + rabbit.HTTPAddr() + "/api/", Vhost: rabbit.Vhost(),
		Access: access.Config{Anonymous: access.Owner}})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	quorum := map[string]any{"x-queue-type": "quorum"}
	if err := r.broker.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "orders", Durable: true, Arguments: quorum}}}); err != nil {
		t.Fatal(err)
	}
	rabbit.API("PUT", "/api/policies/"+rabbit.Vhost()+"/bounded", map[string]any{"pattern": "^orders$", "definition": map[string]any{"max-length": 1000}, "apply-to": "queues"})
	for range 3 {
		if err := r.broker.Publish(ctx, &broker.Message{RoutingKey: "orders"}); err != nil {
			t.Fatal(err)
		}
	}
	var b shownBroker
	r.await("nodes and connections are told of", func() bool {
		r.get("/api/v1/broker", &b)
		return b.Cluster != nil && len(b.Connections) > 0 && b.Cluster.Connections > 0
	})
	if !b.Managed || b.Error != "" || b.Cluster.Version == "" || len(b.Cluster.Nodes) == 0 || b.Cluster.Connections == 0 {
		t.Errorf("%+v %+v", b, b.Cluster)
	}
	if n := b.Cluster.Nodes[0]; !n.Running || n.MemUsed <= 0 || n.MemLimit <= n.MemUsed/100 || n.MemAlarm {
		t.Errorf("%+v", n)
	}
	if c := b.Connections[0]; c.User != "guest" || !strings.HasPrefix(c.Peer, "127.0.0.1:") || c.Client == "" {
		t.Errorf("%+v", c)
	}
	var list struct {
		Queues []struct {
			Name    string
			Ready   int
			Managed *struct {
				Type, Policy string
				Arguments    map[string]any
			}
		}
	}
	r.await("the queue is told of whole", func() bool {
		r.get("/api/v1/queues", &list)
		return slices.ContainsFunc(list.Queues, func(q struct {
			Name    string
			Ready   int
			Managed *struct {
				Type, Policy string
				Arguments    map[string]any
			}
		}) bool {
			return q.Name == "orders" && q.Ready == 3 && q.Managed != nil && q.Managed.Type == "quorum" && q.Managed.Policy == "bounded" && q.Managed.Arguments["x-queue-type"] == "quorum"
		})
	})
	r.fits("/api/v1/broker")
	r.fits("/api/v1/queues")
}

// Tasks that wait in the broker for their time, and results that a client has not taken yet, are in queues that nobody consumes,
// and that is as it should be.
func TestTasksForLaterAndRepliesAreNoQueueWithoutConsumer(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	r := startOn(t, rabbit.URL(), monitor.Config{ManagementURL: "http://guest:guest@" + rabbit.HTTPAddr() + "/api/", Vhost: rabbit.Vhost(), Access: access.Config{Anonymous: access.Owner}})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	replies := uuid.NewString()
	if err := r.broker.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: replies, Durable: true, AutoDelete: true}}}); err != nil {
		t.Fatal(err)
	}
	if err := r.broker.Publish(ctx, &broker.Message{RoutingKey: replies}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"now", "later"} {
		option := umbel.Queue("orders")
		if _, err := r.app.Send(ctx, "shop."+name, struct{}{}, option, umbel.Countdown(map[string]time.Duration{"later": time.Hour}[name])); err != nil {
			t.Fatal(err)
		}
	}
	var list struct {
		Queues  []struct{ Name string }
		Delayed *int
	}
	r.await("one for later, and an alert of the other", func() bool {
		r.get("/api/v1/queues", &list)
		return list.Delayed != nil && *list.Delayed == 1 && strings.Contains(r.alerts(), "queue-without-consumer orders")
	})
	for _, q := range list.Queues {
		if strings.Contains(q.Name, "delayed") || q.Name == replies {
			t.Errorf("%s is shown as a queue of work", q.Name)
		}
	}
	if text := r.alerts(); strings.Contains(text, "delayed") || strings.Contains(text, replies) {
		t.Errorf("told as wrong:\n%s", text)
	}
	page := string(r.send("GET", "/metrics", nil, nil).body)
	if !strings.Contains(page, "umbel_delayed_messages 1\n") || strings.Contains(page, `queue="celery_delayed`) {
		t.Errorf("metrics:\n%s", page)
	}
	r.fits("/api/v1/queues")
	r.fits("/api/v1/broker")
}

// fits holds an answer against the document.
func (r *rig) fits(path string) {
	r.t.Helper()
	var doc document
	r.get("/api/v1/openapi.json", &doc)
	var v any
	r.get(path, &v)
	for _, w := range doc.fits(doc.Paths[path]["get"].Responses["200"].Content["application/json"].Schema, v, path) {
		r.t.Error(w)
	}
}

func (r *rig) alerts() (text string) {
	var o struct {
		Alerts []struct{ Level, Kind, Subject, Text string }
	}
	r.get("/api/v1/overview", &o)
	for _, a := range o.Alerts {
		text += a.Level + " " + a.Kind + " " + a.Subject + ": " + a.Text + "\n"
	}
	return text
}

// A message says when it was sent, so that the age of the oldest is known, and told of when it rises.
func TestAQueueWhoseOldestMessageGrowsOlderIsToldOf(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	r := startOn(t, rabbit.URL(), monitor.Config{ManagementURL: "http://guest:guest@" + rabbit.HTTPAddr() + "/api/", Vhost: rabbit.Vhost()})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := r.app.Send(ctx, "shop.pay", umbel.Args{}); err != nil {
		t.Fatal(err)
	}
	late := &broker.Message{RoutingKey: "late"}
	late.Properties.Timestamp = time.Now().Add(-10 * time.Minute)
	if err := r.broker.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "late", Durable: true}}}); err != nil {
		t.Fatal(err)
	}
	taker, err := r.broker.Consume(ctx, broker.Subscription{Queue: "late", Prefetch: 1, Deliver: func(*broker.Delivery) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer taker.Close(ctx)
	for range 2 {
		if err := r.broker.Publish(ctx, late); err != nil {
			t.Fatal(err)
		}
	}
	r.await("the age of the oldest is told", func() bool {
		var list struct {
			Queues []struct {
				Name   string
				Oldest *float64
			}
		}
		r.get("/api/v1/queues", &list)
		known := map[string]float64{}
		for _, q := range list.Queues {
			if q.Oldest != nil {
				known[q.Name] = float64(time.Now().Unix()) - *q.Oldest
			}
		}
		age, ok := known["celery"]
		return ok && age < 120 && known["late"] >= 600
	})
	r.await("it is told that it rises", func() bool {
		return strings.Contains(r.alerts(), "warning queue-late late: The oldest message in queue late has waited for 10 minutes")
	})
}

func TestAManagementAPIThatRefusesIsToldOf(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	r := startOn(t, rabbit.URL(), monitor.Config{ManagementURL: "http://guest:wrong-secret@" + rabbit.HTTPAddr(), Vhost: rabbit.Vhost()})
	r.await("it is told", func() bool { return strings.Contains(r.alerts(), "management-unreachable") })
	if text := r.alerts(); !strings.Contains(text, "401") || strings.Contains(text, "wrong-secret") {
		t.Error(text)
	}
}

// What is wrong with the broker, in words: an alarm, and messages that no queue takes. Those that a queue refuses lack their confirms.
func TestAMemoryAlarmAndUnroutableMessagesAreToldOf(t *testing.T) {
	t.Parallel()
	rabbit := testenv.OwnRabbitMQ(t, "collect_statistics_interval = 1000")
	r := startOn(t, rabbit.URL(), monitor.Config{ManagementURL: "http://guest:guest@" + rabbit.HTTPAddr() + "/api/", Vhost: rabbit.Vhost()})
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	r.await("messages that no queue takes are told of", func() bool {
		_ = r.broker.Publish(ctx, &broker.Message{RoutingKey: "nowhere"}) // is returned
		return strings.Contains(r.alerts(), "problem unroutable")
	})
	full := map[string]any{"x-max-length": 1, "x-overflow": "reject-publish"}
	if err := r.broker.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "open", Durable: true}, {Name: "full", Durable: true, Arguments: full}}}); err != nil {
		t.Fatal(err)
	}
	sends := func(queue string) {
		for range 5 {
			_ = r.broker.Publish(ctx, &broker.Message{RoutingKey: queue}) // is nacked, where the queue is full
		}
	}
	missed := func() int64 {
		var about struct {
			Stats struct{ Publish, Confirm int64 } `json:"message_stats"`
		}
		if err := json.Unmarshal(rabbit.API("GET", "/api/overview", nil), &about); err != nil {
			t.Fatal(err)
		}
		return about.Stats.Publish - about.Stats.Confirm
	}
	r.await("what is sent is confirmed", func() bool {
		sends("open")
		var b shownBroker
		r.get("/api/v1/broker", &b)
		return b.Cluster != nil && b.Cluster.Publish > 1 && b.Cluster.Confirm > 1
	})
	before := missed()
	r.await("what a queue refuses is published, and not confirmed", func() bool {
		sends("full")
		return missed() > before+20
	})
	rabbit.Ctl("set_vm_memory_high_watermark", "0.00001")
	r.await("the alarm is told of", func() bool { return strings.Contains(r.alerts(), "problem memory-alarm") })
	rabbit.Ctl("set_vm_memory_high_watermark", "0.4")
	r.await("and when it is over", func() bool { return !strings.Contains(r.alerts(), "memory-alarm") })
}
