package worker_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/worker"
)

// workerRights are what a worker's user may configure, write and read, for a queue orders.
var workerRights = []string{
	`^(orders|celery_delayed_.*|dlx|.*\.dlq|.*\.parking\..*|celeryev.*|(.*\.)?celery\.pidbox)$`,
	`^(orders|celery_delayed_.*|dlx|.*\.dlq|.*\.parking\..*|celeryev.*|(.*\.)?celery\.pidbox|amq\.default)$`,
	`^(orders|celery_delayed_.*|dlx|.*\.dlq|.*\.parking\..*|celeryev.*|(.*\.)?celery\.pidbox)$`,
}

// Everything that a worker does is done over TLS as Amazon MQ has it, by a user without any tag and with no more rights than it needs.
func TestAmazonMQsCiphersAndAUserWithoutTagsSuffice(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	user := "worker-" + rabbit.Vhost()
	rabbit.User(user, "sekrit", workerRights[0], workerRights[1], workerRights[2])
	at, err := url.Parse(rabbit.URLAt("amqps", testenv.AmazonMQ(t, rabbit.Addr())))
	if err != nil {
		t.Fatal(err)
	}
	at.User = url.UserPassword(user, "sekrit")
	doEverything(t, rabbit, at.String(), umbel.Config{
		BrokerUseSSL: &umbel.TLSOptions{CACerts: testenv.CA(t).File}, TaskQueues: []umbel.QueueConfig{{Name: "orders", Exchange: "orders",
			DeadLetter: "orders.dlq", Arguments: map[string]any{"x-queue-type": "quorum"}}}})
}

// Nothing that a worker does is refused by RabbitMQ 4, whose default type of queues is quorum, and which gives a message up
// after 20 deliveries.
func TestRabbitMQ4IsServed(t *testing.T) {
	t.Parallel()
	for name, arguments := range map[string]map[string]any{"no type said": nil, "quorum": {"x-queue-type": "quorum"}, "classic": {"x-queue-type": "classic"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rabbit := testenv.RabbitMQ(t)
			relay := testenv.RabbitMQ4(t, rabbit.Addr())
			doEverything(t, rabbit, rabbit.URLAt("amqp", relay.Addr()), umbel.Config{
				TaskQueues: []umbel.QueueConfig{{Name: "orders", Exchange: "orders", DeadLetter: "orders.dlq", Arguments: arguments}}})
			if refused := relay.Refused(); len(refused) > 0 {
				t.Errorf("refused: %q", refused)
			}
			want := "quorum"
			if name == "classic" {
				want = name
			}
			if q, _ := rabbit.Queue("orders"); q.Type != want {
				t.Errorf("the queue is %s, want %s: this was no RabbitMQ 4", q.Type, want)
			}
		})
	}
}

// doEverything has a worker do all that touches a broker: queues, delays, retries, parked copies, dead letters, remote control,
// events.
func doEverything(t *testing.T, rabbit *testenv.Rabbit, url string, c umbel.Config) {
	t.Helper()
	c.TaskDefaultQueue, c.WorkerSendTaskEvents, c.BrokerNativeDelayedDeliveryQueueType = "orders", true, "classic"
	app := rabbitApp(t, url, c)
	lose := make(chan struct{}, 1)
	task := umbel.Register(app, "work", func(ctx context.Context, how string) (int, error) {
		r := umbel.RequestFrom(ctx)
		switch {
		case how == "fail":
			return 0, errors.New("sold out")
		case how == "retry" && r.Retries < 2:
			return 0, umbel.RetryIn(2500*time.Millisecond, errors.New("busy"))
		case how == "requeue" && len(lose) == 0:
			lose <- struct{}{}
			return 0, umbel.Reject(true, "again")
		}
		return r.Retries, r.Progress(ctx, 1)
	}, umbel.AcksLate())
	seen := make(chan string, 1000)
	broker, err := app.Broker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	settings, err := app.Config()
	if err != nil {
		t.Fatal(err)
	}
	receiver, err := event.Receive(t.Context(), broker, event.ReceiverConfig{Config: settings.EventConfig(), Handle: func(all []*protocol.Event, _ time.Time) {
		for _, e := range all {
			select {
			case seen <- e.Type():
			default:
			}
		}
	}})
	if err != nil {
		t.Fatalf("events cannot be received: %v", err)
	}
	defer receiver.Close(context.Background())
	start(t, app, worker.Config{Concurrency: 2, Nodename: "w1@mq"})

	for how, want := range map[string]int{"plain": 0, "retry": 2, "requeue": 0} {
		r, err := task.Send(deadline(t), how)
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if got, err := r.Get(deadline(t)); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", how, got, err, want)
		}
	}
	r, err := task.Send(deadline(t), "plain", umbel.Countdown(3*time.Second))
	if err != nil {
		t.Fatalf("delayed: %v", err)
	}
	if _, err := r.Get(deadline(t)); err != nil {
		t.Errorf("delayed: %v", err)
	}
	if r, err = task.Send(deadline(t), "fail"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(deadline(t)); err == nil || !strings.Contains(err.Error(), "sold out") {
		t.Errorf("failed: %v", err)
	}
	rabbit.AwaitQueue("orders.dlq", func(q testenv.RabbitQueue) bool { return q.Messages == 1 })
	nodes, err := app.Control().Limit(1).Timeout(time.Minute).Ping(deadline(t))
	if err != nil || !slices.Equal(nodes, []string{"w1@mq"}) {
		t.Errorf("ping: %v, %v", nodes, err)
	}
	for {
		if within(t, "an event of a task", seen) == "task-succeeded" {
			break
		}
	}
}

// Four processes at one queue: each gets its part, none is starved while another has tasks waiting.
func TestFourWorkersShareAQueue(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	const workers, tasks = 4, 200
	var all sync.WaitGroup
	all.Add(workers)
	var mu sync.Mutex
	ran := make(map[string]int)
	var first *umbel.Task[int, int]
	for n := range workers {
		app := rabbitApp(t, rabbit.URL(), umbel.Config{})
		begun := sync.OnceFunc(func() { all.Done(); all.Wait() }) // nobody goes on before each has begun a task
		task := umbel.Register(app, "t", func(ctx context.Context, i int) (int, error) {
			begun()
			mu.Lock()
			defer mu.Unlock()
			ran[umbel.RequestFrom(ctx).Hostname]++
			return i, nil
		}, umbel.AcksLate())
		start(t, app, worker.Config{Concurrency: 1, PrefetchMultiplier: 1, Nodename: fmt.Sprintf("w%d@mq", n)})
		first = task
	}
	results, err := first.SendMany(deadline(t), make([]int, tasks))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if _, err := r.Get(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	sum := 0
	for _, n := range ran {
		sum += n
	}
	if len(ran) != workers || sum != tasks {
		t.Errorf("%d tasks by %d workers: %v", sum, len(ran), ran)
	}
}

// What has expired is gone from the queue without a worker, and kept as a dead letter if the queue has a place for them.
func TestWhatHasExpiredIsDroppedByTheBroker(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	app := rabbitApp(t, rabbit.URL(), umbel.Config{TaskQueues: []umbel.QueueConfig{{Name: "celery"}, {Name: "kept", Exchange: "kept", DeadLetter: "kept.dlq"}}})
	task := umbel.Register(app, "t", func(_ context.Context, n int) (int, error) { return n, nil })
	for _, queue := range []string{"celery", "kept"} {
		if _, err := task.Send(deadline(t), 1, umbel.Queue(queue), umbel.ExpiresIn(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	rabbit.AwaitQueue("celery", func(q testenv.RabbitQueue) bool { return q.Messages == 0 })
	rabbit.AwaitQueue("kept.dlq", func(q testenv.RabbitQueue) bool { return q.Messages == 1 })
	rabbit.AwaitQueue("kept", func(q testenv.RabbitQueue) bool { return q.Messages == 0 })
}

// A thousand goroutines that send and wait, and the broker's own list of connections.
func TestAThousandGoroutinesShareTwoConnections(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	app := rabbitApp(t, rabbit.URL(), umbel.Config{})
	task := umbel.Register(app, "t", func(_ context.Context, n int) (int, error) { return n, nil })
	start(t, app, worker.Config{Concurrency: 8})
	var all sync.WaitGroup
	for n := range 1000 {
		all.Go(func() {
			r, err := task.Send(deadline(t), n)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := r.Get(deadline(t)); err != nil || got != n {
				t.Errorf("%d, %v; want %d", got, err, n)
			}
		})
	}
	all.Wait()
	var seen []string
	testenv.Await(t, "the broker's list of connections", func() bool { seen = rabbit.Connections(); return len(seen) == 2 },
		func() string { return fmt.Sprint(seen) })
}

func TestADefaultPriorityIsThatOfTasksWithoutOne(t *testing.T) {
	t.Parallel()
	app := newApp(t, umbel.Config{TaskDefaultPriority: new(5), TaskRoutes: []umbel.RouteRule{{Pattern: "routed", Options: map[string]any{"priority": 7}}}})
	priority := func(ctx context.Context, _ int) (int, error) { return int(umbel.RequestFrom(ctx).Priority), nil }
	plain, routed := umbel.Register(app, "plain", priority), umbel.Register(app, "routed", priority)
	own := umbel.Register(app, "own", priority, umbel.Priority(3))
	start(t, app, worker.Config{Concurrency: 1})
	for _, c := range []struct {
		task    *umbel.Task[int, int]
		options []umbel.SendOption
		want    int
	}{{plain, nil, 5}, {routed, nil, 7}, {own, nil, 3}, {plain, []umbel.SendOption{umbel.Priority(0)}, 0}, {routed, []umbel.SendOption{umbel.Priority(9)}, 9}} {
		r, err := c.task.Send(deadline(t), 1, c.options...)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Get(deadline(t)); err != nil || got != c.want {
			t.Errorf("%s, %d options: priority %d, %v; want %d", c.task.Name(), len(c.options), got, err, c.want)
		}
	}
}
