package worker_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/worker"
)

// straight is a task with an ETA as a producer sends it that knows no delay: right onto the work queue.
func straight(t testing.TB, name, id string, eta time.Time, args ...any) *broker.Message {
	t.Helper()
	values := make([]codec.Value, len(args))
	for i, a := range args {
		values[i] = codec.Of(a)
	}
	task := &protocol.Task{Version: 2, Name: name, ID: id, RootID: id, Lang: "py", ETA: eta}
	task.Properties.CorrelationID, task.Properties.DeliveryMode = id, protocol.Persistent
	env, err := protocol.EncodeTask(task, &protocol.Body{Args: values}, protocol.EncodeOptions{Serializer: "json", Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return &broker.Message{Envelope: *env, RoutingKey: "celery"}
}

// await looks again and again, for what has no event.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s did not come about", what)
}

func TestAnETAFarAheadGoesBackToTheBroker(t *testing.T) {
	app := newApp(t, umbel.Config{})
	umbel.Register(app, "work", func(context.Context, int) (int, error) { return 0, nil })
	start(t, app, worker.Config{Concurrency: 1, PrefetchMultiplier: 1})
	ctx := deadline(t)
	b, err := app.Broker(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		m := straight(t, "work", fmt.Sprint("later-", i), time.Now().Add(time.Hour), i)
		if err := b.Publish(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "an empty queue with nothing in the worker's hands", func() bool {
		s, err := b.Stat(ctx, "celery")
		return err == nil && s.Ready == 0 && s.Unsettled == 0
	})
}

// A lateness says how long after its ETA each task began.
type lateness struct {
	mu    sync.Mutex
	began map[string][]time.Duration
}

func (l *lateness) note(ctx context.Context) {
	r := umbel.RequestFrom(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.began == nil {
		l.began = make(map[string][]time.Duration)
	}
	l.began[r.ID] = append(l.began[r.ID], time.Since(r.ETA))
}

func (l *lateness) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.began)
}

// check fails for tasks that began early, and says how late the others were.
func (l *lateness) check(t testing.TB) (repeats int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []time.Duration
	for id, late := range l.began {
		repeats += len(late) - 1
		for _, d := range late {
			if all = append(all, d); d < 0 {
				t.Errorf("task %s began %v before its ETA", id, -d)
			}
		}
	}
	slices.Sort(all)
	if len(all) > 0 {
		t.Logf("%d tasks began after their ETA: median %v, 99%% %v, last %v", len(all), all[len(all)/2].Round(time.Millisecond),
			all[len(all)*99/100].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond))
	}
	return repeats
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestTenThousandETAsDoNotWaitInTheWorker(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 tasks")
	}
	rabbit := testenv.RabbitMQ(t)
	app := rabbitApp(t, rabbit.URL(), umbel.Config{})
	var late lateness
	umbel.Register(app, "work", func(ctx context.Context, _ int) (int, error) { late.note(ctx); return 0, nil }, umbel.IgnoreResult())
	w, _ := start(t, app, worker.Config{Concurrency: 4})
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	b, err := app.Broker(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// The delay queues are declared on the first use.
	warm := time.Now().Add(3 * time.Second)
	if err := b.Publish(ctx, straight(t, "work", "warm", warm, 0)); err != nil {
		t.Fatal(err)
	}
	await(t, "the first task", func() bool { return late.count() == 1 })

	const tasks = 10_000
	before := heap()
	first := time.Now().Add(12 * time.Second)
	for from := 0; from < tasks; from += 1000 {
		var batch []*broker.Message
		for i := from; i < from+1000; i++ {
			eta := first.Add(time.Duration(i) * 8 * time.Second / tasks)
			batch = append(batch, straight(t, "work", fmt.Sprint("later-", i), eta, i))
		}
		if errs := b.PublishBatch(ctx, batch); errs != nil {
			t.Fatal(errs[0])
		}
	}
	await(t, "an empty queue", func() bool {
		s, err := b.Stat(ctx, "celery")
		return err == nil && s.Ready == 0 && w.Stats().Received >= tasks
	})
	grown := int64(heap()) - int64(before)
	t.Logf("all parked %v before the first is due; heap grew by %d KB", time.Until(first).Round(100*time.Millisecond), grown>>10)
	if time.Until(first) > 0 && grown > 4<<20 {
		t.Errorf("heap grew by %d KB with %d tasks in the future: they must wait in the broker", grown>>10, tasks)
	}
	await(t, "the last task", func() bool { return late.count() == tasks+1 })
	if repeats := late.check(t); repeats > 0 {
		t.Errorf("%d tasks ran twice", repeats)
	}
}

func TestRetriesPassTheDelayQueuesAgainAndAgain(t *testing.T) {
	rabbit := testenv.RabbitMQ(t)
	for _, kind := range []string{"quorum", "classic"} {
		t.Run(kind, func(t *testing.T) {
			app := rabbitApp(t, rabbit.URL(), umbel.Config{TaskDefaultQueue: kind, TaskDefaultQueueType: kind, BrokerNativeDelayedDeliveryQueueType: kind})
			var late lateness
			work := umbel.Register(app, "work", func(ctx context.Context, _ int) (int, error) {
				r := umbel.RequestFrom(ctx)
				if r.Retries > 0 {
					late.note(ctx)
				}
				if r.Retries == 4 {
					return r.Retries, nil
				}
				return 0, umbel.RetryIn(1100*time.Millisecond, errors.New("not yet"))
			}, umbel.Retry{Max: 5})
			start(t, app, worker.Config{Concurrency: 1})
			ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
			defer cancel()
			r, err := work.Send(ctx, 1)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := r.Get(ctx); n != 4 || err != nil {
				t.Fatalf("after %d retries: %v; want 4", n, err)
			}
			late.check(t)
		})
	}
}

func TestPostponedTasksOutliveCutsOfTheConnection(t *testing.T) {
	rabbit := testenv.RabbitMQ(t)
	link := faultnet.To(t, rabbit.Addr())
	app := rabbitApp(t, rabbit.URLAt("amqp", link.Addr()), umbel.Config{})
	var late lateness
	umbel.Register(app, "work", func(ctx context.Context, _ int) (int, error) { late.note(ctx); return 0, nil }, umbel.IgnoreResult())
	w, _ := start(t, app, worker.Config{Concurrency: 2})

	direct := rabbitApp(t, rabbit.URL(), umbel.Config{})
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	b, err := direct.Broker(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const tasks, cuts = 1000, 5
	eta := time.Now().Add(8 * time.Second)
	for round := range cuts {
		var batch []*broker.Message
		for i := range tasks / cuts {
			batch = append(batch, straight(t, "work", fmt.Sprint("later-", round, "-", i), eta, i))
		}
		seen := w.Stats().Received
		if errs := b.PublishBatch(ctx, batch); errs != nil {
			t.Fatal(errs[0])
		}
		await(t, "some deliveries", func() bool { return w.Stats().Received > seen+tasks/cuts/3 })
		link.Cut()
	}
	await(t, "every task", func() bool { return late.count() == tasks })
	repeats := late.check(t)
	t.Logf("%d tasks, %d cuts, %d ran twice", tasks, cuts, repeats)
}
