package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// ackTimeout is what the broker of these tests allows. Half of it is what a loaded machine may be late by.
const ackTimeout = 6 * time.Second

// impatientRabbit closes channels whose deliveries stay unacknowledged.
func impatientRabbit(t *testing.T) *testenv.OwnRabbit {
	return testenv.OwnRabbitMQ(t, fmt.Sprintf("consumer_timeout = %d", ackTimeout.Milliseconds()),
		"erl -rabbit channel_tick_interval 500")
}

// leaseApp is an app with late acks whose only queue has this name and kind.
func leaseApp(t *testing.T, url, queue, kind string, limit time.Duration, log slog.Handler) *umbel.App {
	t.Helper()
	var arguments map[string]any
	if kind == "quorum" {
		arguments = map[string]any{"x-queue-type": "quorum"}
	}
	app := umbel.New("test", umbel.WithConfig(umbel.Config{
		BrokerURL: []string{url}, ResultBackend: "memory://lease-" + queue, BrokerConsumerTimeout: limit, TaskAcksLate: true,
		TaskDefaultQueue: queue, TaskQueues: []umbel.QueueConfig{{Name: queue, Arguments: arguments}},
	}), umbel.WithLogger(slog.New(log)))
	t.Cleanup(func() { _ = app.Close() })
	return app
}

// A logbook counts what was logged.
type logbook struct {
	slog.Handler
	mu  sync.Mutex
	all map[string]int
}

func newLogbook() *logbook { return &logbook{Handler: slog.DiscardHandler, all: make(map[string]int)} }

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logbook) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logbook) WithGroup(string) slog.Handler            { return l }
func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all[r.Message]++
	return nil
}

func (l *logbook) count(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[message]
}

func longDeadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestTheAckTimeoutNeverStrikes(t *testing.T) {
	t.Parallel()
	rabbit := impatientRabbit(t)
	for _, kind := range []string{"classic", "quorum"} {
		t.Run("a long task is renewed, on "+kind, func(t *testing.T) {
			t.Parallel()
			log := newLogbook()
			app := leaseApp(t, rabbit.URL(), "long-"+kind, kind, ackTimeout, log)
			var starts atomic.Int32
			renewals, end := make(chan string, 64), make(chan struct{})
			long := umbel.Register(app, "long", func(context.Context, int) (int, error) { starts.Add(1); <-end; return 7, nil })
			_, stop := startCrossing(t, app, worker.Config{Concurrency: 2}, func(step string) {
				if step == "renewed" {
					renewals <- step
				}
			})
			var results []*umbel.Result[int]
			for n := range 2 {
				r, err := long.Send(longDeadline(t), n)
				if err != nil {
					t.Fatal(err)
				}
				results = append(results, r)
			}
			for range 3 * 2 { // each delivery is then older than the broker allows, and so would the second one be
				select {
				case <-renewals:
				case <-longDeadline(t).Done():
					t.Fatal("running tasks were not renewed")
				}
			}
			close(end)
			for _, r := range results {
				if v, err := r.Get(longDeadline(t)); err != nil || v != 7 {
					t.Errorf("%v, %v", v, err)
				}
			}
			if n := starts.Load(); n != 2 {
				t.Errorf("two tasks were started %d times", n)
			}
			if n := log.count("consumer lost; restoring it"); n != 0 {
				t.Errorf("the broker has closed %d channels", n)
			}
			awaitEmpty(t, app, "long-"+kind)
			if err := stop(); err != nil {
				t.Error(err)
			}
			awaitEmpty(t, app, "long-"+kind)
		})

		t.Run("what waits behind long tasks goes to another worker, on "+kind, func(t *testing.T) {
			t.Parallel()
			log := newLogbook()
			app := leaseApp(t, rabbit.URL(), "behind-"+kind, kind, ackTimeout, log)
			begun, end := make(chan struct{}, 1), make(chan struct{})
			first := umbel.Register(app, "first", func(context.Context, int) (int, error) { begun <- struct{}{}; <-end; return 1, nil })
			behind := umbel.Register(app, "behind", func(context.Context, int) (int, error) { return 2, nil })
			f, err := first.Send(longDeadline(t), 1)
			if err != nil {
				t.Fatal(err)
			}
			_, stop := start(t, app, worker.Config{Concurrency: 1})
			<-begun
			b, err := behind.SendMany(longDeadline(t), []int{1, 2, 3})
			if err != nil {
				t.Fatal(err)
			}
			// They are all in the hands of the worker that is busy.
			awaitEmpty(t, app, "behind-"+kind)
			_, stopOther := start(t, app, worker.Config{Concurrency: 1})
			for _, r := range b {
				if v, err := r.Get(longDeadline(t)); err != nil || v != 2 {
					t.Errorf("a task behind a long one: %v, %v", v, err)
				}
			}
			if n := log.count("consumer lost; restoring it"); n != 0 {
				t.Errorf("the broker has closed %d channels", n)
			}
			close(end)
			if v, err := f.Get(longDeadline(t)); err != nil || v != 1 {
				t.Errorf("the long task: %v, %v", v, err)
			}
			// Its worker goes on with what comes next.
			if err := stopOther(); err != nil {
				t.Error(err)
			}
			r, err := behind.Send(longDeadline(t), 4)
			if err != nil {
				t.Fatal(err)
			}
			if v, err := r.Get(longDeadline(t)); err != nil || v != 2 {
				t.Errorf("after a pause: %v, %v", v, err)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			awaitEmpty(t, app, "behind-"+kind)
		})
	}

	t.Run("a renewed task counts against the prefetch", func(t *testing.T) {
		t.Parallel()
		log := newLogbook()
		app := leaseApp(t, rabbit.URL(), "counts", "classic", ackTimeout, log)
		begun, end := make(chan int, 64), make(chan struct{})
		task := umbel.Register(app, "t", func(_ context.Context, n int) (int, error) { begun <- n; <-end; return n, nil })
		send := func(n int) *umbel.Result[int] {
			r, err := task.Send(longDeadline(t), n)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		starts := func() {
			select {
			case <-begun:
			case <-longDeadline(t).Done():
				t.Fatal("a task did not start")
			}
		}
		results := []*umbel.Result[int]{send(0)}
		renewals := make(chan struct{}, 64)
		w, stop := startCrossing(t, app, worker.Config{Concurrency: 3, PrefetchMultiplier: 1}, func(step string) {
			if step == "renewed" {
				renewals <- struct{}{}
			}
		})
		starts()
		select {
		case <-renewals:
		case <-longDeadline(t).Done():
			t.Fatal("the running task was not renewed")
		}
		for n := range 6 {
			results = append(results, send(n+1))
		}
		starts()
		starts()
		rabbit.AwaitQueue("counts", func(q testenv.RabbitQueue) bool { return q.Ready == 4 })
		if n := w.Stats().Received; n != 3 {
			t.Errorf("%d tasks are here, want one renewed and two more in a window of three", n)
		}
		close(end)
		for _, r := range results {
			if _, err := r.Get(longDeadline(t)); err != nil {
				t.Error(err)
			}
		}
		for range 12 { // the whole window is there again
			r := send(9)
			if _, err := r.Get(longDeadline(t)); err != nil {
				t.Error(err)
			}
		}
		if n := log.count("consumer lost; restoring it"); n != 0 {
			t.Errorf("the broker has closed %d channels", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		awaitEmpty(t, app, "counts")
	})

	t.Run("more wait than were ever admitted", func(t *testing.T) {
		t.Parallel()
		log := newLogbook()
		app := leaseApp(t, rabbit.URL(), "many", "classic", ackTimeout, log)
		begun, end := make(chan struct{}, 1), make(chan struct{})
		first := umbel.Register(app, "first", func(context.Context, int) (int, error) { begun <- struct{}{}; <-end; return 1, nil })
		behind := umbel.Register(app, "behind", func(context.Context, int) (int, error) { return 2, nil }, umbel.IgnoreResult())
		f, err := first.Send(longDeadline(t), 1)
		if err != nil {
			t.Fatal(err)
		}
		renewals := make(chan struct{}, 64)
		w, stop := startCrossing(t, app, worker.Config{Concurrency: 1, PrefetchMultiplier: umbel.NoLimit}, func(step string) {
			if step == "renewed" {
				renewals <- struct{}{}
			}
		})
		<-begun
		const many = 1500
		if _, err := behind.SendMany(longDeadline(t), make([]int, many)); err != nil {
			t.Fatal(err)
		}
		for range 3 { // the delivery of each that waits would be older than the broker allows
			select {
			case <-renewals:
			case <-longDeadline(t).Done():
				t.Fatal("the running task was not renewed")
			}
		}
		if n := log.count("consumer lost; restoring it"); n != 0 {
			t.Errorf("the broker has closed %d channels", n)
		}
		rabbit.AwaitQueue("many", func(q testenv.RabbitQueue) bool { return q.Ready == many && q.Unacked == 0 })
		close(end)
		if v, err := f.Get(longDeadline(t)); err != nil || v != 1 {
			t.Errorf("the long task: %v, %v", v, err)
		}
		waitFor(t, func() bool { return w.Stats().Succeeded == many+1 }, "all others run, too")
		if err := stop(); err != nil {
			t.Error(err)
		}
	})

	t.Run("a limit that nobody told is known once it has struck", func(t *testing.T) {
		t.Parallel()
		log := newLogbook()
		app := leaseApp(t, rabbit.URL(), "untold", "classic", 0, log)
		var starts atomic.Int32
		renewals, end := make(chan struct{}, 64), make(chan struct{})
		long := umbel.Register(app, "long", func(context.Context, int) (int, error) { starts.Add(1); <-end; return 7, nil })
		_, stop := startCrossing(t, app, worker.Config{Concurrency: 1}, func(step string) {
			if step == "renewed" {
				renewals <- struct{}{}
			}
		})
		r, err := long.Send(longDeadline(t), 1)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			select {
			case <-renewals:
			case <-longDeadline(t).Done():
				t.Fatal("the task was not renewed after the timeout had struck")
			}
		}
		close(end)
		if v, err := r.Get(longDeadline(t)); err != nil || v != 7 {
			t.Errorf("%v, %v", v, err)
		}
		if n := log.count("consumer lost; restoring it"); n != 1 {
			t.Errorf("the broker has closed %d channels, want the one that told", n)
		}
		if n := starts.Load(); n != 1 {
			t.Errorf("the task was started %d times: its copy had to join it", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		awaitEmpty(t, app, "untold")
	})

	for _, kind := range []string{"classic", "quorum"} {
		for _, step := range []string{"renew", "published", "parked", "acked", "renewed"} {
			t.Run(fmt.Sprintf("killed at %q, on %s", step, kind), func(t *testing.T) {
				t.Parallel()
				killedWhileRenewing(t, rabbit, kind, step)
			})
		}
	}
}

// startCrossing is start with a look at the worker's steps.
func startCrossing(t *testing.T, app *umbel.App, c worker.Config, crossing func(string)) (*worker.Worker, func() error) {
	t.Helper()
	ready := make(chan struct{})
	c.OnReady = func() { close(ready) }
	w := worker.New(app, c)
	worker.OnCrossing(w, crossing)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		t.Fatalf("worker ended before it was ready: %v", err)
	}
	stop := sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = stop() })
	return w, stop
}

// awaitEmpty waits until a queue has nothing to hand out.
func awaitEmpty(t *testing.T, app *umbel.App, queue string) {
	t.Helper()
	b, err := app.Broker(longDeadline(t))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { s, err := b.Stat(longDeadline(t), queue); return err == nil && s.Ready == 0 }, "an empty queue")
}

// TestRenewingChild is the worker of the test below, in a process that dies at a given step of its first renewal.
func TestRenewingChild(t *testing.T) {
	folder := os.Getenv("UMBEL_TEST_RENEWS_IN")
	if folder == "" {
		t.Skip("runs as the child of another test")
	}
	app := renewingApp(t, os.Getenv("UMBEL_TEST_RENEWS_ON"), os.Getenv("UMBEL_TEST_RENEWS_QUEUE"), os.Getenv("UMBEL_TEST_RENEWS_TYPE"), folder, time.Second)
	w := worker.New(app, worker.Config{Concurrency: 1})
	at := os.Getenv("UMBEL_TEST_RENEWS_STEP")
	worker.OnCrossing(w, func(step string) {
		if step == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	if err := w.Run(longDeadline(t)); err != nil {
		t.Fatal(err)
	}
}

// renewingApp has a task that notes its starts and does not end in the process that is to be killed.
func renewingApp(t *testing.T, url, queue, kind, folder string, limit time.Duration) *umbel.App {
	app := leaseApp(t, url, queue, kind, limit, slog.NewTextHandler(os.Stderr, nil))
	umbel.Register(app, "long", func(ctx context.Context, _ struct{}) (int, error) {
		f, err := os.OpenFile(filepath.Join(folder, "starts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return 0, err
		}
		_, _ = f.WriteString("x")
		_ = f.Close()
		if os.Getenv("UMBEL_TEST_RENEWS_IN") != "" {
			<-ctx.Done()
		}
		return 7, nil
	})
	return app
}

func killedWhileRenewing(t *testing.T, rabbit *testenv.OwnRabbit, kind, step string) {
	folder, queue := t.TempDir(), "killed-"+step+"-"+kind
	app := renewingApp(t, rabbit.URL(), queue, kind, folder, ackTimeout)
	r, err := app.Send(longDeadline(t), "long", nil)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestRenewingChild$")
	cmd.Env = append(os.Environ(), "UMBEL_TEST_RENEWS_IN="+folder, "UMBEL_TEST_RENEWS_ON="+rabbit.URL(), "UMBEL_TEST_RENEWS_QUEUE="+queue,
		"UMBEL_TEST_RENEWS_TYPE="+kind, "UMBEL_TEST_RENEWS_STEP="+step)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the first worker ended with %v; it said\n%s", err, said.String())
	}
	if starts, _ := os.ReadFile(filepath.Join(folder, "starts")); len(starts) != 1 {
		t.Fatalf("the first worker started the task %d times", len(starts))
	}
	_, stop := start(t, app, worker.Config{Concurrency: 1})
	var value int
	if err := r.Get(longDeadline(t), &value); err != nil || value != 7 {
		t.Errorf("after its worker was killed the task ended with %v, %v", value, err)
	}
	// A second message, if there is one, comes once its time in the parking queue is over.
	rabbit.AwaitQueue(queue, func(q testenv.RabbitQueue) bool { return q.Messages == 0 })
	for _, q := range rabbit.Queues() {
		if strings.HasPrefix(q.Name, queue+".parking.") {
			rabbit.AwaitQueue(q.Name, func(q testenv.RabbitQueue) bool { return q.Messages == 0 })
		}
	}
	rabbit.AwaitQueue(queue, func(q testenv.RabbitQueue) bool { return q.Messages == 0 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	starts, _ := os.ReadFile(filepath.Join(folder, "starts"))
	most := 2 // the one that was killed, and the one that ended
	if step != "renew" && step != "renewed" {
		most++ // both messages were at the broker, for an ack may not be written yet: one start more is allowed
	}
	if len(starts) < 2 || len(starts) > most {
		t.Errorf("the task was started %d times, want 2 to %d", len(starts), most)
	}
}
