package topology_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/topology"
	"github.com/umbel-go/umbel/worker"
)

// A fleet is one virtual host that topology apply has made, and a user for each role.
type fleet struct {
	rabbit *testenv.Rabbit
	users  map[topology.Role]string // broker URLs
}

func fleetSettings() umbel.Config {
	return umbel.Config{
		TaskDefaultQueue: "default", ResultBackend: "rpc://", TaskSendSentEvent: true, WorkerSendTaskEvents: true,
		BrokerConsumerTimeout: 4 * time.Second,
		TaskQueues: []umbel.QueueConfig{
			{Name: "default", DeadLetter: "default.dlq"},
			{Name: "orders", Exchange: "shop", ExchangeType: "topic", RoutingKey: "orders.#", DeadLetter: "orders.dlq", Arguments: map[string]any{"x-queue-type": "quorum"}},
		},
		TaskRoutes: []umbel.RouteRule{{Pattern: "orders.*", Options: map[string]any{"queue": "orders", "routing_key": "orders.new"}}},
	}
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{rabbit: testenv.RabbitMQ(t), users: make(map[topology.Role]string)}
	m := api(t, f.rabbit)
	p := newPlan(t, fleetSettings(), topology.Options{Vhost: f.rabbit.Vhost(), MaxLength: 1000})
	dropUsers(t, f.rabbit, p)
	passwords := make(map[string]string)
	for _, u := range p.Users {
		passwords[u.Name] = "of " + u.Name
		f.users[u.Role] = f.rabbit.URLFor(u.Name, passwords[u.Name])
	}
	out, err := compare(t, p, m).Apply(within(t), m, topology.ApplyOptions{Passwords: passwords})
	if err != nil || len(out.Left) > 0 {
		t.Fatalf("%v, left %q", err, names(out.Left))
	}
	return f
}

func (f *fleet) app(t *testing.T, r topology.Role) *umbel.App {
	t.Helper()
	c := fleetSettings()
	c.BrokerURL = []string{f.users[r]}
	return newApp(t, c)
}

// Each role does all of its work under the permissions of the plan: tasks at once and later, from workers, too, retries, results,
// dead letters, renewals, events, remote control.
func TestRolesAreEnough(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ctx := within(t)

	app := f.app(t, topology.Worker)
	hold, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	umbel.Register(app, "add", func(_ context.Context, in struct {
		A int `json:"a"`
		B int `json:"b"`
	}) (int, error) {
		return in.A + in.B, nil
	})
	umbel.Register(app, "orders.sell", func(ctx context.Context, in struct{}) (string, error) {
		if umbel.RequestFrom(ctx).Retries == 0 {
			return "", umbel.RetryIn(time.Second, errors.New("not yet"))
		}
		return "sold", nil
	})
	umbel.Register(app, "orders.fail", func(context.Context, struct{}) (any, error) { return nil, umbel.Permanent(errors.New("card declined")) })
	umbel.Register(app, "orders.long", func(ctx context.Context, in struct{}) (string, error) {
		once.Do(func() { close(held) })
		select {
		case <-hold:
			return "released", nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}, umbel.AcksLate())
	umbel.Register(app, "parent", func(ctx context.Context, in struct{}) (string, error) {
		_, err := app.Send(ctx, "add", umbel.Kwargs{"a": 20, "b": 3}, umbel.Countdown(1500*time.Millisecond), umbel.TaskID("the-child"))
		return "sent", err
	})
	ready := make(chan struct{})
	run, stop := context.WithCancel(context.Background())
	defer stop()
	w := worker.New(app, worker.Config{Queues: []string{"default", "orders"}, Nodename: "w@here", Concurrency: 4, OnReady: func() { close(ready) }})
	ended := make(chan error, 1)
	go func() { ended <- w.Run(run) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("the worker does not start: %v", err)
	case <-ctx.Done():
		t.Fatal("the worker is not ready")
	}

	// The monitor hears, and asks.
	monitor := f.app(t, topology.Monitor)
	listening, err := monitor.Broker(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c, err := monitor.Config()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 1000)
	ear, err := event.Receive(ctx, listening, event.ReceiverConfig{Config: c.EventConfig(), Wake: c.PidboxExchange(), Handle: func(events []*protocol.Event, _ time.Time) {
		for _, e := range events {
			select {
			case seen <- e.Type():
			default:
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer ear.Close(ctx)
	nodes, err := monitor.Control().Ping(ctx)
	if err != nil || len(nodes) != 1 || nodes[0] != "w@here" {
		t.Errorf("ping: %q %v", nodes, err)
	}

	// Beat and the producer send, at once and later, to a direct queue and through a topic exchange.
	for _, role := range []topology.Role{topology.Beat, topology.Producer} {
		sender := f.app(t, role)
		now, err := sender.Send(ctx, "add", umbel.Kwargs{"a": 1, "b": 2})
		if err != nil {
			t.Fatalf("%s: %v", role, err)
		}
		later, err := sender.Send(ctx, "add", umbel.Kwargs{"a": 3, "b": 4}, umbel.Countdown(1500*time.Millisecond))
		if err != nil {
			t.Fatalf("%s, later: %v", role, err)
		}
		sold, err := sender.Send(ctx, "orders.sell", nil)
		if err != nil {
			t.Fatalf("%s, by topic: %v", role, err)
		}
		soldLater, err := sender.Send(ctx, "orders.sell", nil, umbel.Countdown(1500*time.Millisecond))
		if err != nil {
			t.Fatalf("%s, by topic, later: %v", role, err)
		}
		for what, r := range map[string]*umbel.AsyncResult{"now": now, "later": later, "sold": sold, "sold later": soldLater} {
			if err := r.Get(ctx, nil); err != nil {
				t.Errorf("%s, %s: %v", role, what, err)
			}
		}
	}
	producer := f.app(t, topology.Producer)
	parent, err := producer.Send(ctx, "parent", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Get(ctx, nil); err != nil {
		t.Errorf("a task that sends another one later: %v", err)
	}
	if _, err := producer.Send(ctx, "orders.fail", nil); err != nil {
		t.Fatal(err)
	}
	f.rabbit.AwaitQueue("orders.dlq", func(q testenv.RabbitQueue) bool { return q.Ready == 1 })

	// A task that is longer than the broker's patience is renewed, by way of a parking queue.
	long, err := producer.Send(ctx, "orders.long", nil)
	if err != nil {
		t.Fatal(err)
	}
	<-held
	testenv.Await(t, "the worker parks", func() bool {
		for _, q := range f.rabbit.Queues() {
			if strings.HasPrefix(q.Name, "orders.parking.") {
				return true
			}
		}
		return false
	}, nil)
	close(hold)
	if err := long.Get(ctx, nil); err != nil {
		t.Error(err)
	}

	heard := make(map[string]bool)
	for !heard["task-sent"] || !heard["task-received"] || !heard["task-started"] || !heard["task-succeeded"] || !heard["task-failed"] || !heard["task-retried"] {
		select {
		case e := <-seen:
			heard[e] = true
		case <-ctx.Done():
			t.Fatalf("events heard: %v", heard)
		}
	}

	// The operator sees dead letters, replays one and empties a queue.
	operator := f.app(t, topology.Operator)
	n, _, err := operator.DeadLetters("orders.dlq").Replay(ctx, umbel.DeadFilter{}, umbel.DeadAction{})
	if err != nil || n != 1 {
		t.Errorf("replayed %d: %v", n, err)
	}
	f.rabbit.AwaitQueue("orders.dlq", func(q testenv.RabbitQueue) bool { return q.Ready == 1 }) // it has failed again
	b, err := operator.Broker(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := b.Purge(ctx, "orders.dlq"); err != nil || n != 1 {
		t.Errorf("purged %d: %v", n, err)
	}
	if s, ok := b.(broker.Scheduler); !ok {
		t.Error("the broker tells nothing of what is delayed")
	} else if _, _, err := s.Scheduled(ctx, "", 100); err != nil {
		t.Errorf("look at what is delayed: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// And none can do what is another's.
func TestRolesAreNoMore(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ctx := within(t)
	message := func(exchange, key string) *broker.Message {
		return &broker.Message{Exchange: exchange, RoutingKey: key, Envelope: protocol.Envelope{Body: []byte("{}")}}
	}
	consume := func(queue string) func(broker.Broker) error {
		return func(b broker.Broker) error {
			c, err := b.Consume(ctx, broker.Subscription{Queue: queue, Deliver: func(*broker.Delivery) {}})
			if err == nil {
				err = c.Close(ctx)
				return errors.Join(err, errAllowed)
			}
			return err
		}
	}
	allowed := func(err error) error {
		if err == nil {
			return errAllowed
		}
		return err
	}
	read := func(queue string) func(broker.Broker) error {
		return func(b broker.Broker) error { _, err := b.Purge(ctx, queue); return allowed(err) }
	}
	declare := func(queue string) func(broker.Broker) error {
		return func(b broker.Broker) error {
			return allowed(b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: queue, Durable: true}}}))
		}
	}
	remove := func(queue string) func(broker.Broker) error {
		return func(b broker.Broker) error {
			return allowed(b.Delete(ctx, broker.Topology{Queues: []broker.Queue{{Name: queue}}}))
		}
	}
	publish := func(exchange, key string) func(broker.Broker) error {
		return func(b broker.Broker) error { return allowed(b.Publish(ctx, message(exchange, key))) }
	}
	bind := func(source, queue string) func(broker.Broker) error {
		return func(b broker.Broker) error {
			return allowed(b.Declare(ctx, broker.Topology{Bindings: []broker.Binding{{Source: source, Queue: queue, RoutingKey: "#"}}}))
		}
	}
	sender := map[string]func(broker.Broker) error{
		"consume a work queue": consume("orders"), "empty a work queue": read("default"), "read dead letters": read("orders.dlq"),
		"make a queue": declare("other"), "delete a queue": remove("default"), "read events": bind("celeryev", "default"),
		"steer workers": publish("celery.pidbox", ""), "bury": publish("dlx", "orders.dlq"), "take what is delayed": read("celery_delayed_0"),
	}
	for role, table := range map[topology.Role]map[string]func(broker.Broker) error{
		topology.Producer: sender, topology.Beat: sender,
		topology.Worker: {"make a queue": declare("other"), "delete its queue": remove("orders"), "read dead letters": consume("orders.dlq"), "steer workers": publish("celery.pidbox", ""),
			"delete delays": remove("celery_delayed_0"), "take what is delayed": read("celery_delayed_0")},
		topology.Monitor: {"send a task": publish("", "orders"), "send by the exchange": publish("shop", "orders.x"), "consume": consume("orders"), "empty": read("default"),
			"pose as a worker": publish("celeryev", "task.sent"), "delete": remove("default"), "make a queue": declare("other")},
		topology.Operator: {"delete": remove("orders"), "make a queue": declare("other")},
	} {
		b := openBroker(t, f.users[role])
		for what, do := range table {
			if err := do(b); errors.Is(err, errAllowed) || !strings.Contains(err.Error(), "refused") && !strings.Contains(err.Error(), "permission") {
				t.Errorf("%s may %s: %v", role, what, err)
			}
		}
	}
	// The management API is for those who watch.
	for role, status := range map[topology.Role]int{topology.Producer: http.StatusUnauthorized, topology.Worker: http.StatusUnauthorized, topology.Monitor: http.StatusOK} {
		u, err := url.Parse(f.users[role])
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.rabbit.HTTPAddr()+"/api/overview", nil)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		r.SetBasicAuth(u.User.Username(), password)
		r.Close = true
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("%s is answered %s by the management API", role, answer.Status)
		}
	}
}

var errAllowed = errors.New("it may")
