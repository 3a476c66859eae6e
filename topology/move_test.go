package topology_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/management"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/topology"
)

// A mover is a process that moves a queue, and kills itself before a step.
type mover struct {
	URL, API, Vhost string
	Die             topology.Step
}

// ordersQuorum are settings in which orders has become a quorum queue.
func ordersQuorum() umbel.Config {
	return umbel.Config{TaskDefaultQueue: "orders", TaskDefaultQueueType: "quorum"}
}

// moveAndDie is the life of a mover.
func moveAndDie() {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	var m mover
	if err := json.Unmarshal([]byte(os.Getenv("UMBEL_TEST_MOVE")), &m); err != nil {
		fail(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	api, err := management.New(management.Config{URL: m.API, Vhost: m.Vhost})
	if err != nil {
		fail(err)
	}
	plan, err := topology.New(umbel.New("shop", umbel.WithConfig(ordersQuorum())), topology.Options{Vhost: m.Vhost, NoDelays: true})
	if err != nil {
		fail(err)
	}
	b, err := broker.Open(ctx, broker.Config{URLs: []string{m.URL}})
	if err != nil {
		fail(err)
	}
	_, err = plan.Move(ctx, b, api, "orders", topology.MoveOptions{Quiet: true, Step: func(s topology.Step, _ string) error {
		if s == m.Die {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			time.Sleep(patience) // until it has died
			return err
		}
		return nil
	}})
	if err != nil {
		fail(err)
	}
	os.Exit(0)
}

func oldOrders(t *testing.T, r *testenv.Rabbit, b broker.Broker) {
	t.Helper()
	err := b.Declare(within(t), broker.Topology{
		Exchanges: []broker.Exchange{{Name: "shop", Type: broker.Topic, Durable: true}},
		Queues:    []broker.Queue{{Name: "orders", Durable: true, Arguments: protocol.Table{"x-max-priority": 10}}},
		Bindings:  []broker.Binding{{Source: "shop", Queue: "orders", RoutingKey: "order.#", Arguments: protocol.Table{"note": "kept"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func openBroker(t *testing.T, url string) broker.Broker {
	t.Helper()
	b, err := broker.Open(within(t), broker.Config{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func fill(t *testing.T, b broker.Broker, queue string, n int) {
	t.Helper()
	batch := make([]*broker.Message, n)
	for i := range batch {
		batch[i] = &broker.Message{RoutingKey: queue, Envelope: protocol.Envelope{Body: []byte(strconv.Itoa(i)),
			Headers: protocol.Table{"n": int64(i)}, Properties: protocol.Properties{DeliveryMode: protocol.Persistent, ContentType: "text/plain", CorrelationID: strconv.Itoa(i)}}}
	}
	if err := errors.Join(b.PublishBatch(within(t), batch)...); err != nil {
		t.Fatal(err)
	}
}

// take empties a queue and returns the ids in their order.
func take(t *testing.T, b broker.Broker, queue string, want int) []string {
	t.Helper()
	arrived := make(chan *broker.Delivery, 1<<16)
	c, err := b.Consume(within(t), broker.Subscription{Queue: queue, NoAck: true, Deliver: func(d *broker.Delivery) { arrived <- d }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(within(t))
	var out []string
	ctx := within(t)
	for len(out) < want {
		select {
		case d := <-arrived:
			out = append(out, d.Properties.CorrelationID)
		case <-ctx.Done():
			t.Fatalf("%d messages of %d came", len(out), want)
		}
	}
	return out
}

func exists(t *testing.T, m *management.Client, path ...string) bool {
	t.Helper()
	err := m.Get(within(t), new(any), path...)
	if err != nil && !management.IsMissing(err) {
		t.Fatal(err)
	}
	return err == nil
}

// A move that is killed at every step, again and again, loses nothing; what was copied and not yet acked is there twice.
func TestAMoveIsKilledAtEachStep(t *testing.T) {
	t.Parallel()
	const messages = 600
	r := testenv.RabbitMQ(t)
	b, m := openBroker(t, r.URL()), api(t, r)
	oldOrders(t, r, b)
	fill(t, b, "orders", messages)
	run := func(die topology.Step) error {
		text, err := json.Marshal(mover{r.URL(), "http://" + r.HTTPAddr(), r.Vhost(), die})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(within(t), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "UMBEL_TEST_MOVE="+string(text))
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 3 {
			t.Fatalf("before %q: %s", die, out)
		}
		return err
	}
	kills := []topology.Step{topology.Record, topology.Hold, topology.Drain, topology.Copied, topology.Remove, topology.Declare, topology.Bind,
		topology.Refill, topology.Copied, topology.Clear}
	for _, step := range kills {
		if err := run(step); err == nil {
			t.Fatalf("the move came to its end before step %q", step)
		}
		// The dead process's consumer is gone when the broker has seen its connection close.
		testenv.Await(t, "the dead mover's connection is closed", func() bool {
			for _, name := range []string{"orders", "orders.umbel-moving"} {
				if s, err := b.Stat(within(t), name); err == nil && s.Consumers > 0 {
					return false
				}
			}
			return true
		}, nil)
	}
	if err := run(""); err != nil {
		t.Fatal(err)
	}
	q, ok := r.Queue("orders")
	if !ok || q.Type != "quorum" {
		t.Fatalf("%+v", q)
	}
	if exists(t, m, "queues", m.Vhost(), "orders.umbel-moving") || exists(t, m, "exchanges", m.Vhost(), "orders.umbel-moving") {
		t.Error("the holding queue or the record is still there")
	}
	bindings, err := m.Bindings(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(bindings, func(b management.Binding) bool {
		return b.Source == "shop" && b.Destination == "orders" && b.RoutingKey == "order.#" && b.Arguments["note"] == "kept"
	}) {
		t.Errorf("its binding is gone: %+v", bindings)
	}
	s, err := b.Stat(within(t), "orders")
	if err != nil {
		t.Fatal(err)
	}
	times := make(map[string]int)
	for _, body := range take(t, b, "orders", s.Ready) {
		times[body]++
	}
	if len(times) != messages {
		t.Errorf("%d messages of %d are there", len(times), messages)
	}
	if twice := s.Ready - messages; twice > 2*256 {
		t.Errorf("%d messages are there twice, after two kills between confirm and ack", twice)
	}
}

// A queue is moved to another name under a sender that goes on with the old one: nothing is lost, nothing is there twice, and what
// lay there keeps its order.
func TestAQueueIsMovedToAnotherNameUnderItsSenders(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	b, m := openBroker(t, r.URL()), api(t, r)
	oldOrders(t, r, b)
	fill(t, b, "orders", 300)
	c := umbel.Config{TaskDefaultQueue: "orders", TaskQueueMaxPriority: 10, BrokerURL: []string{r.URL()}}
	app := newApp(t, c)
	stop, ended := make(chan struct{}), make(chan struct{})
	var sent atomic.Int64
	var ids []string // the sender's, until it has ended
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond): // a sender, not a flood
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			r, err := app.Send(ctx, "orders.new", nil)
			cancel()
			if err != nil {
				t.Errorf("send: %v", err)
				continue
			}
			ids = append(ids, r.ID())
			sent.Add(1)
		}
	}()
	testenv.Await(t, "the sender sends", func() bool { return sent.Load() > 3 }, nil)
	plan := newPlan(t, ordersQuorum(), topology.Options{Vhost: r.Vhost(), NoDelays: true})
	o := topology.MoveOptions{To: "orders-2"}
	moved, err := plan.Move(within(t), b, m, "orders", o)
	if err != nil || !moved.Done || moved.Refilled < 300 {
		t.Errorf("%+v %v", moved, err)
	}
	o.Delete = true
	if _, err := plan.Move(within(t), b, m, "orders", o); !errors.Is(err, topology.ErrSenders) {
		t.Errorf("deleted under its senders: %v", err)
	}
	byExchange := &broker.Message{Exchange: "shop", RoutingKey: "order.eu", Envelope: protocol.Envelope{Body: []byte("x"), Properties: protocol.Properties{CorrelationID: "x"}}}
	if err := b.Publish(within(t), byExchange); err != nil {
		t.Error(err)
	}
	close(stop)
	<-ended
	o.Quiet = true
	if _, err := plan.Move(within(t), b, m, "orders", o); err != nil {
		t.Fatal(err)
	}
	if exists(t, m, "queues", m.Vhost(), "orders") {
		t.Error("the old queue is still there")
	}
	if q, ok := r.Queue("orders-2"); !ok || q.Type != "quorum" {
		t.Fatalf("%+v", q)
	}
	want := append(ids, "x")
	for i := range 300 {
		want = append(want, strconv.Itoa(i))
	}
	var old []string
	there := make(map[string]int)
	for _, id := range take(t, b, "orders-2", len(want)) {
		there[id]++
		if n, err := strconv.Atoi(id); err == nil && n < 300 {
			old = append(old, id)
		}
	}
	for _, id := range want {
		if there[id] != 1 {
			t.Errorf("message %s is there %d times", id, there[id])
		}
	}
	for i, id := range old {
		if id != strconv.Itoa(i) {
			t.Fatalf("message %s is the %dth", id, i)
		}
	}
	if s, err := b.Stat(within(t), "orders-2"); err != nil || s.Ready != 0 {
		t.Errorf("%+v %v", s, err)
	}
}

func TestWhatAMoveRefuses(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	b, m := openBroker(t, r.URL()), api(t, r)
	plan := newPlan(t, ordersQuorum(), topology.Options{Vhost: r.Vhost()})
	move := func(queue string, o topology.MoveOptions) error {
		_, err := plan.Move(within(t), b, m, queue, o)
		return err
	}
	for name, err := range map[string]error{"unknown": move("nowhere", topology.MoveOptions{}), "missing": move("orders", topology.MoveOptions{}),
		"delays": move("celery_delayed_1", topology.MoveOptions{})} {
		if err == nil {
			t.Errorf("%s: it moved", name)
		}
	}
	oldOrders(t, r, b)
	var steps []topology.Step
	if err := move("orders", topology.MoveOptions{DryRun: true, Step: func(s topology.Step, _ string) error { steps = append(steps, s); return nil }}); err != nil {
		t.Error(err)
	}
	if want := []topology.Step{topology.Record, topology.Hold, topology.Drain, topology.Remove, topology.Declare, topology.Bind, topology.Refill, topology.Clear}; !slices.Equal(steps, want) {
		t.Errorf("%q", steps)
	}
	if exists(t, m, "queues", m.Vhost(), "orders.umbel-moving") {
		t.Error("a dry run made a queue")
	}
	c, err := b.Consume(within(t), broker.Subscription{Queue: "orders", Deliver: func(*broker.Delivery) {}})
	if err != nil {
		t.Fatal(err)
	}
	quiet := topology.MoveOptions{Quiet: true}
	if err := move("orders", quiet); !errors.Is(err, topology.ErrConsumed) {
		t.Error(err)
	}
	if err := c.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := move("orders", topology.MoveOptions{}); !errors.Is(err, topology.ErrSenders) {
		t.Error(err)
	}
	for range 2 { // the second finds it as it shall be
		if err := move("orders", quiet); err != nil {
			t.Error(err)
		}
	}
	back := newPlan(t, umbel.Config{TaskDefaultQueue: "orders"}, topology.Options{Vhost: r.Vhost(), NoDelays: true})
	if _, err := back.Move(within(t), b, m, "orders", quiet); err != nil {
		t.Error(err)
	}
	if q, ok := r.Queue("orders"); !ok || q.Type != "classic" {
		t.Errorf("%+v", q)
	}
}
