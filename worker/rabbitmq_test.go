package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"

	_ "github.com/umbel-go/umbel/broker/amqp"
)

func rabbitApp(t *testing.T, url string, c umbel.Config) *umbel.App {
	t.Helper()
	c.BrokerURL, c.ResultBackend = []string{url}, "memory://"+strings.ReplaceAll(t.Name(), "/", "-")
	if c.BrokerConnectionTimeout == 0 {
		c.BrokerConnectionTimeout = 30 * time.Second // test machines are slow at times
	}
	app := umbel.New("test", umbel.WithConfig(c), umbel.WithLogger(slog.New(slog.DiscardHandler)))
	t.Cleanup(func() { _ = app.Close() })
	return app
}

func TestNothingIsLostWhenTheConnectionIsCutAgainAndAgain(t *testing.T) {
	t.Run("acked late", func(t *testing.T) { cutAgainAndAgain(t, umbel.AcksLate()) })
	t.Run("acked early", func(t *testing.T) { cutAgainAndAgain(t) })
}

func cutAgainAndAgain(t *testing.T, options ...umbel.TaskOption) {
	rabbit := testenv.RabbitMQ(t)
	link := faultnet.To(t, rabbit.Addr())
	app := rabbitApp(t, rabbit.URLAt("amqp", link.Addr()), umbel.Config{})
	const tasks, cuts = 400, 15

	var mu sync.Mutex
	ran := make(map[int]int)
	progress := make(chan int, tasks*(cuts+1))
	work := umbel.Register(app, "work", func(_ context.Context, n int) (int, error) {
		mu.Lock()
		ran[n]++
		mu.Unlock()
		progress <- n
		time.Sleep(time.Millisecond) // the task's own work: something for the cut to fall into
		return n, nil
	}, options...)

	_, stop := start(t, app, worker.Config{Concurrency: 4})
	var resent atomic.Int64
	sent := make(chan []*umbel.Result[int], 1)
	go func() {
		var results []*umbel.Result[int]
		for n := range tasks {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			r, err := work.Send(ctx, n, umbel.TaskID(fmt.Sprintf("task-%d", n)))
			for errors.Is(err, broker.ErrUnconfirmed) {
				// Only the caller can decide, and this one would rather have it twice.
				resent.Add(1)
				r, err = work.Send(ctx, n)
			}
			cancel()
			if err != nil {
				t.Errorf("send %d: %v", n, err)
				continue
			}
			results = append(results, r)
		}
		sent <- results
	}()
	for range cuts {
		for range 10 {
			select {
			case <-progress:
			case <-time.After(30 * time.Second):
				t.Fatal("no task ran for 30 s after a cut")
			}
		}
		link.Cut()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for _, r := range <-sent {
		if _, err := r.Get(ctx); err != nil {
			t.Fatalf("a task did not end: %v", err)
		}
	}
	mu.Lock()
	repeats := 0
	for _, n := range ran {
		repeats += n - 1
	}
	if len(ran) != tasks {
		t.Errorf("%d tasks ran, want %d", len(ran), tasks)
	}
	mu.Unlock()
	t.Logf("%d tasks, %d cuts, %d sent twice, %d ran twice", tasks, cuts, resent.Load(), repeats)
	if int64(repeats) > resent.Load() {
		t.Errorf("%d tasks ran twice on this worker, though only %d were sent twice: what has ended here must not run again", repeats, resent.Load())
	}
	// What was sent twice has a message whose result nobody awaited: a stop gives it back if it has not begun.
	b, err := app.Broker(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for round := 0; ; round++ {
		awaitReady(t, app, 0)
		if err := stop(); err != nil {
			t.Error(err)
		}
		s, err := b.Stat(ctx, "celery")
		if err != nil {
			t.Fatal(err)
		}
		if s.Ready == 0 {
			return
		}
		if round == 10 {
			t.Fatalf("%d messages are left in the queue", s.Ready)
		}
		_, stop = start(t, app, worker.Config{Concurrency: 4})
	}
}

func TestAnotherMessageWithTheSameIDIsNotTakenForACopy(t *testing.T) {
	rabbit := testenv.RabbitMQ(t)
	link := faultnet.To(t, rabbit.Addr())
	app := rabbitApp(t, rabbit.URLAt("amqp", link.Addr()), umbel.Config{})
	release := make(chan struct{})
	ran := make(chan int, 10)
	task := umbel.Register(app, "t", func(_ context.Context, n int) (int, error) {
		ran <- n
		if n == 0 {
			<-release
		}
		return n, nil
	})
	w, _ := start(t, app, worker.Config{Concurrency: 1, PrefetchMultiplier: 8})
	next := func(want int) {
		t.Helper()
		select {
		case n := <-ran:
			if n != want {
				t.Fatalf("task %d ran, want %d", n, want)
			}
		case <-time.After(60 * time.Second):
			t.Fatalf("task %d does not run", want)
		}
	}
	for _, n := range []int{1, 0, 2} { // 2 waits behind 0, and its connection is lost soon after the ack of 1
		id := "same"
		if n == 0 {
			id = "other"
		}
		if _, err := task.Send(deadline(t), n, umbel.TaskID(id)); err != nil {
			t.Fatal(err)
		}
		if n != 2 {
			next(n)
		}
	}
	waitFor(t, func() bool { return w.Stats().Received >= 3 }, "the third message in the prefetch")
	link.Cut()
	waitFor(t, func() bool { return w.Stats().Received >= 4 }, "the third message once more")
	close(release)
	next(2)
}

func TestWorkerRefusesAQueueThatExistsWithOtherArguments(t *testing.T) {
	rabbit := testenv.RabbitMQ(t)
	plain := rabbitApp(t, rabbit.URL(), umbel.Config{})
	task := umbel.Register(plain, "t", func(context.Context, struct{}) (int, error) { return 1, nil })
	if _, err := task.Send(deadline(t), struct{}{}); err != nil { // declares the queue without priorities
		t.Fatal(err)
	}
	app := rabbitApp(t, rabbit.URL(), umbel.Config{TaskQueueMaxPriority: 10})
	again := umbel.Register(app, "t", func(context.Context, struct{}) (int, error) { return 1, nil })
	err := worker.New(app, worker.Config{}).Run(deadline(t))
	var drift *broker.DriftError
	if !errors.As(err, &drift) || !strings.Contains(err.Error(), "x-max-priority") {
		t.Errorf("worker: %v, want a DriftError that names the argument", err)
	}
	if _, err := again.Send(deadline(t), struct{}{}); err != nil {
		t.Errorf("sending to a queue with other arguments must go through: %v", err)
	}
	awaitReady(t, app, 2)
}

func TestTasksOfTheNextHourDoNotKeepOthersFromComing(t *testing.T) {
	rabbit := testenv.RabbitMQ(t)
	app := rabbitApp(t, rabbit.URL(), umbel.Config{})
	later := umbel.Register(app, "later", func(context.Context, int) (int, error) { return 1, nil })
	now := umbel.Register(app, "now", func(context.Context, int) (int, error) { return 2, nil })
	_, stop := start(t, app, worker.Config{Concurrency: 1, PrefetchMultiplier: 2})
	for range 3 {
		batch := make([]int, 20)
		if _, err := later.SendMany(deadline(t), batch, umbel.Countdown(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := now.Send(deadline(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Get(deadline(t)); err != nil || got != 2 {
		t.Errorf("behind 60 tasks of the next hour: %v, %v", got, err)
	}
	awaitReady(t, app, 0)
	if err := stop(); err != nil {
		t.Error(err)
	}
	awaitReady(t, app, 0) // not even back to the queue: they were never here
}

// awaitReady waits until the default queue holds n ready messages, asking the broker itself: the management API is behind.
func awaitReady(t *testing.T, app *umbel.App, n int) {
	t.Helper()
	b, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { s, err := b.Stat(deadline(t), "celery"); return err == nil && s.Ready == n }, "a queue with the right number of messages")
}
