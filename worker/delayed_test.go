package worker_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

const year = 365 * 24 * time.Hour

func TestAnETAThatComesStraightIsParkedWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp(t, umbel.Config{})
		var late lateness
		busy := make(chan struct{})
		umbel.Register(app, "work", func(ctx context.Context, _ int) (int, error) { late.note(ctx); return 0, nil })
		umbel.Register(app, "busy", func(context.Context, struct{}) (int, error) { <-busy; return 0, nil })
		_, stop := start(t, app, worker.Config{Concurrency: 1, PrefetchMultiplier: 2})
		ctx := t.Context()
		if _, err := app.Send(ctx, "busy", struct{}{}); err != nil { // its only slot is taken
			t.Fatal(err)
		}
		b, err := app.Broker(ctx)
		if err != nil {
			t.Fatal(err)
		}
		const tasks = 500
		sent := time.Now()
		for i := range tasks {
			if err := b.Publish(ctx, straight(t, "work", fmt.Sprint("later-", i), sent.Add(time.Hour+time.Duration(i)*time.Second), i)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Until(sent.Add(time.Second)))
		synctest.Wait()
		if s, err := b.Stat(ctx, "celery"); err != nil || s.Ready != 0 || s.Unsettled != 0 {
			t.Errorf("a second later %d tasks are in the queue and %d in the worker's hands (%v)", s.Ready, s.Unsettled, err)
		}
		close(busy)
		time.Sleep(2 * time.Hour)
		if n := late.count(); n != tasks {
			t.Errorf("%d of %d tasks began", n, tasks)
		}
		if repeats := late.check(t); repeats != 0 {
			t.Errorf("%d began twice", repeats)
		}
		for id, all := range late.began {
			if all[0] > 1500*time.Millisecond {
				t.Errorf("%s began %v after its ETA", id, all[0])
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestACountdownOfYearsIsKept(t *testing.T) {
	t.Run("in virtual time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			app := newApp(t, umbel.Config{})
			var late lateness
			work := umbel.Register(app, "work", func(ctx context.Context, _ int) (int, error) { late.note(ctx); return 0, nil })
			_, stop := start(t, app, worker.Config{Concurrency: 1})
			for _, d := range []time.Duration{time.Second, year, 9 * year, 20 * year} {
				if _, err := work.Send(t.Context(), 1, umbel.Countdown(d)); err != nil {
					t.Fatal(err)
				}
			}
			for i, after := range []time.Duration{2 * time.Second, year, 8 * year, 11 * year} {
				time.Sleep(after)
				synctest.Wait()
				if n := late.count(); n != i+1 {
					t.Errorf("%d tasks have run when %d are due", n, i+1)
				}
			}
			late.check(t)
			if err := stop(); err != nil {
				t.Error(err)
			}
			if err := app.Close(); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("on RabbitMQ", func(t *testing.T) {
		rabbit := testenv.RabbitMQ(t)
		app := rabbitApp(t, rabbit.URL(), umbel.Config{})
		umbel.Register(app, "work", func(context.Context, int) (int, error) { return 0, nil })
		start(t, app, worker.Config{Concurrency: 1})
		ctx := deadline(t)
		b, err := app.Broker(ctx)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		due := map[string]time.Time{"a year": now.Add(year), "longer than the layout": now.Add(20 * year)}
		for id, eta := range due {
			if err := b.Publish(ctx, straight(t, "work", id, eta, 1)); err != nil {
				t.Fatal(err)
			}
		}
		var got []broker.Scheduled
		testenv.Await(t, "both in the delay queues", func() bool {
			got, _, err = b.(broker.Scheduler).Scheduled(ctx, "celery", 10)
			return err == nil && len(got) == len(due)
		}, func() string {
			text := fmt.Sprint(len(got), " found, ", err, ":")
			for _, q := range rabbit.Queues() {
				if q.Messages > 0 {
					text += fmt.Sprint(" ", q.Name, " ", q.Messages)
				}
			}
			return text
		})
		for _, s := range got {
			id := s.Message.Properties.CorrelationID
			if d := s.Due.Sub(due[id]); d < -time.Millisecond || d > time.Millisecond {
				t.Errorf("%s is due %v, want %v", id, s.Due, due[id])
			}
		}
	})
}

// TestDelayedTasksBeginWithinAMomentOfTheirDueTime sends each countdown until a task of it began in time: a machine that is
// busy makes one late, a layout that counts wrong makes them all.
func TestDelayedTasksBeginWithinAMomentOfTheirDueTime(t *testing.T) {
	const moment = 1500 * time.Millisecond
	rabbit := testenv.RabbitMQ(t)
	for _, kind := range []string{"quorum", "classic"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			app := rabbitApp(t, rabbit.URL(), umbel.Config{TaskDefaultQueue: "due." + kind, TaskDefaultQueueType: kind, BrokerNativeDelayedDeliveryQueueType: kind})
			began := make(chan time.Duration, 1)
			work := umbel.Register(app, "work", func(ctx context.Context, _ int) (int, error) {
				began <- time.Since(umbel.RequestFrom(ctx).ETA)
				return 0, nil
			}, umbel.IgnoreResult())
			start(t, app, worker.Config{Concurrency: 4})
			for _, countdown := range []time.Duration{time.Second, 1300 * time.Millisecond, 2 * time.Second, 3700 * time.Millisecond, 5 * time.Second} {
				var late time.Duration
				for range 6 {
					if _, err := work.Send(deadline(t), 1, umbel.Countdown(countdown)); err != nil {
						t.Fatal(err)
					}
					if late = <-began; late < 0 {
						t.Errorf("countdown %v: began %v early", countdown, -late)
					}
					if late <= moment {
						break
					}
				}
				if late > moment {
					t.Errorf("countdown %v: six tasks, each later than %v, the last by %v", countdown, moment, late)
				}
			}
		})
	}
}

// A task that Celery 5.6 has delayed comes through the same queues as its retries here, again and again. Celery delays what
// goes to any topic exchange once one of its queues is a quorum queue.
func TestATaskThatCeleryDelayedIsRetriedThroughTheSameQueues(t *testing.T) {
	for name, kinds := range map[string][2]string{ // the work queue's, and that of the delay queues
		"quorum": {"quorum", "quorum"}, "quorum, by classic queues": {"quorum", "classic"}, "classic, beside a quorum queue": {"classic", "quorum"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const queue = "orders.eu"
			app := rabbitApp(t, testenv.RabbitMQ(t).URL(), umbel.Config{TaskDefaultQueue: queue, BrokerNativeDelayedDeliveryQueueType: kinds[1],
				TaskQueues: []umbel.QueueConfig{
					{Name: queue, Exchange: "orders", ExchangeType: "topic", RoutingKey: queue, Arguments: map[string]any{"x-queue-type": kinds[0]}},
					{Name: "other", Exchange: "other", RoutingKey: "other", Arguments: map[string]any{"x-queue-type": "quorum"}}}})
			attempts := make(chan string, 8)
			umbel.Register(app, "work", func(ctx context.Context, _ int) (int, error) {
				r := umbel.RequestFrom(ctx)
				deaths := 0
				for name := range r.Headers() {
					if strings.HasPrefix(name, "x-") {
						deaths++
					}
				}
				attempts <- fmt.Sprint(r.Retries, " from ", r.Queue, " by ", r.RoutingKey, ", early ", time.Now().Before(r.ETA), ", deaths ", deaths)
				if r.Retries == 3 {
					return 0, nil
				}
				return 0, umbel.RetryIn(1200*time.Millisecond, errBoom)
			}, umbel.Retry{Max: 5})
			start(t, app, worker.Config{Concurrency: 1, Queues: []string{queue}})
			b, err := app.Broker(deadline(t))
			if err != nil {
				t.Fatal(err)
			}
			m := straight(t, "work", "from-python", time.Now().Add(2900*time.Millisecond), 1)
			m.Exchange, m.RoutingKey = "celery_delayed_27", strings.Repeat("0.", 26)+"1.0."+queue // countdown=2.9
			if err := b.Publish(deadline(t), m); err != nil {
				t.Fatal(err)
			}
			for n := range 4 {
				select {
				case got := <-attempts:
					if want := fmt.Sprint(n, " from ", queue, " by "); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, ", early false, deaths 0") {
						t.Errorf("attempt %s; want %s…, early false, deaths 0", got, want)
					}
				case <-longDeadline(t).Done():
					t.Fatalf("attempt %d has not come", n)
				}
			}
		})
	}
}

// A slowParking broker calls meanwhile in the middle of the first batch that is sent, before it goes out.
type slowParking struct {
	broker.Broker
	meanwhile func()
}

func (b *slowParking) PublishBatch(ctx context.Context, batch []*broker.Message) []error {
	if f := b.meanwhile; f != nil {
		b.meanwhile = nil // only the worker's postponer sends batches here
		f()
	}
	return b.Broker.PublishBatch(ctx, batch)
}

func TestATaskWhoseConnectionIsLostWhileItIsBeingParkedIsParkedOnce(t *testing.T) {
	rabbit := testenv.RabbitMQ(t)
	link := faultnet.To(t, rabbit.Addr())
	app := rabbitApp(t, rabbit.URLAt("amqp", link.Addr()), umbel.Config{})
	umbel.Register(app, "work", func(context.Context, int) (int, error) { return 0, nil })
	slow := &slowParking{}
	app.DialBroker(func(ctx context.Context, c broker.Config) (_ broker.Broker, err error) {
		slow.Broker, err = broker.Open(ctx, c)
		return slow, err
	})
	direct := rabbitApp(t, rabbit.URL(), umbel.Config{})
	b, err := direct.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	var w *worker.Worker
	ready := make(chan struct{})
	slow.meanwhile = func() {
		<-ready
		link.Cut()
		await(t, "the message again", func() bool { return w.Stats().Received >= 2 })
	}
	w, _ = start(t, app, worker.Config{Concurrency: 1})
	close(ready)
	send := func(id string) {
		if err := b.Publish(deadline(t), straight(t, "work", id, time.Now().Add(time.Hour), 1)); err != nil {
			t.Fatal(err)
		}
	}
	send("cut off")
	parked := func(id string) (n int) {
		all, _, err := b.(broker.Scheduler).Scheduled(deadline(t), "celery", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			if s.Message.Properties.CorrelationID == id {
				n++
			}
		}
		return n
	}
	await(t, "the task in the delay", func() bool { return parked("cut off") > 0 })
	send("after it")
	await(t, "the next task in the delay", func() bool { return parked("after it") == 1 })
	if n := parked("cut off"); n != 1 {
		t.Errorf("the task was parked %d times", n)
	}
}

// TestDelayedTasksDoNotGrowTheWorker parks tasks that came straight to the work queue, as Celery's producers send them.
// UMBEL_TEST_DELAYED=1000000 is the figure in docs/reliability.md.
func TestDelayedTasksDoNotGrowTheWorker(t *testing.T) {
	if testing.Short() {
		t.Skip("20,000 tasks")
	}
	tasks := 20_000
	if text := os.Getenv("UMBEL_TEST_DELAYED"); text != "" {
		var err error
		if tasks, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	rabbit := testenv.RabbitMQ(t)
	if tasks > 100_000 {
		rabbit = &testenv.OwnRabbitMQ(t).Rabbit // it is busy with them, and others share the first one
	}
	app := rabbitApp(t, rabbit.URL(), umbel.Config{})
	umbel.Register(app, "work", func(context.Context, int) (int, error) { return 0, nil }, umbel.IgnoreResult())
	w, _ := start(t, app, worker.Config{Concurrency: 4})
	ctx := t.Context()
	b, err := app.Broker(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var sent atomic.Int64
	awaitParked := func() {
		for last, moved := int64(-1), time.Now(); ; time.Sleep(20 * time.Millisecond) { // a queue can only be asked
			n := w.Stats().Received
			if s, err := b.Stat(ctx, "celery"); err == nil && s.Ready == 0 && n >= sent.Load() {
				return
			}
			if n != last {
				last, moved = n, time.Now()
			}
			if time.Since(moved) > time.Minute {
				t.Fatalf("%d of %d tasks have come to the worker, and no more do", n, sent.Load())
			}
		}
	}
	began, eta := time.Now(), time.Now().Add(30*24*time.Hour)
	send := func(n int) {
		const many = 1000
		for ; n > 0; n -= many {
			batch := make([]*broker.Message, min(n, many))
			for i := range batch {
				at := sent.Add(1)
				batch[i] = straight(t, "work", fmt.Sprint("later-", at), eta.Add(time.Duration(at)*time.Second), i)
			}
			if errs := b.PublishBatch(ctx, batch); errs != nil {
				t.Fatal(errs[0])
			}
		}
	}
	send(tasks / 10) // buffers have their size by then
	awaitParked()
	before, routines := heap(), runtime.NumGoroutine()
	send(tasks - tasks/10)
	awaitParked()
	grown := int64(heap()) - int64(before)
	t.Logf("%d tasks sent and parked in %v; heap %d KB, grown by %d KB; %d goroutines, then %d", tasks, time.Since(began).Round(time.Second), before>>10, grown>>10,
		routines, runtime.NumGoroutine())
	if grown > 4<<20 {
		t.Errorf("heap grew by %d KB with %d tasks in the future: they must wait in the broker", grown>>10, tasks)
	}
	waiting := 0
	testenv.Await(t, "every task in the delay queues", func() bool { // the management API counts every few seconds
		waiting = 0
		for _, q := range rabbit.Queues() {
			if strings.HasPrefix(q.Name, "celery_delayed_") {
				waiting += q.Messages
			}
		}
		return waiting == tasks
	}, func() string { return fmt.Sprint(waiting) })
}
