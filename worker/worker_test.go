package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/worker"

	_ "github.com/umbel-go/umbel/backend/memory"
	_ "github.com/umbel-go/umbel/broker/memory"
)

func TestMain(m *testing.M) {
	if worker.InChild() {
		os.Exit(childMain())
	}
	if urls := os.Getenv(crashing); urls != "" {
		os.Exit(crashingWorker(urls))
	}
	goleak.VerifyTestMain(m)
}

var spaces atomic.Int64

// newApp is an app on a broker and result store of its own, in memory.
func newApp(t *testing.T, c umbel.Config) *umbel.App {
	t.Helper()
	space := fmt.Sprintf("memory://worker-test-%d", spaces.Add(1))
	c.BrokerURL, c.ResultBackend = []string{space}, space
	app := umbel.New("test", umbel.WithConfig(c), umbel.WithLogger(slog.New(slog.DiscardHandler)))
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Errorf("close app: %v", err)
		}
	})
	return app
}

// start runs a worker until stop is called, which waits for it.
func start(t *testing.T, app *umbel.App, c worker.Config) (w *worker.Worker, stop func() error) {
	t.Helper()
	ready := make(chan struct{})
	c.OnReady = func() { close(ready) }
	w = worker.New(app, c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		t.Fatalf("worker ended before it was ready: %v", err)
	}
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() { cancel(); err = <-done })
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return w, stop
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // only decides how long a failing test takes
	t.Cleanup(cancel)
	return ctx
}

func TestTaskRunsAndItsResultComesBack(t *testing.T) {
	app := newApp(t, umbel.Config{})
	add := umbel.Register(app, "add", func(_ context.Context, xs []int) (int, error) {
		sum := 0
		for _, x := range xs {
			sum += x
		}
		return sum, nil
	})
	w, stop := start(t, app, worker.Config{Concurrency: 4})
	results, err := add.SendMany(deadline(t), [][]int{{1, 2}, {3, 4}, {5, 6}})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if got, err := r.Get(deadline(t)); err != nil || got != 4*i+3 {
			t.Errorf("result %d: %d, %v; want %d", i, got, err, 4*i+3)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("worker: %v", err)
	}
	if s := w.Stats(); s.Received != 3 || s.Succeeded != 3 || s.Active != 0 {
		t.Errorf("stats %+v, want 3 received and succeeded", s)
	}
}

func TestOutcomes(t *testing.T) {
	app := newApp(t, umbel.Config{})
	boom := errors.New("boom")
	none := struct{}{}
	register := func(name string, err error, o ...umbel.TaskOption) *umbel.Task[struct{}, any] {
		return umbel.Register(app, name, func(context.Context, struct{}) (any, error) { return nil, err }, o...)
	}
	tasks := map[string]*umbel.Task[struct{}, any]{
		"fails":         register("fails", boom),
		"fails late":    register("fails late", boom, umbel.AcksLate()),
		"rejected":      register("rejected", umbel.Reject(false, "no"), umbel.AcksLate()),
		"rejectedEarly": register("rejectedEarly", umbel.Reject(false, "no")),
		"panics":        umbel.Register(app, "panics", func(context.Context, struct{}) (any, error) { panic("ouch") }),
		"unencodable":   umbel.Register(app, "unencodable", func(context.Context, struct{}) (any, error) { return make(chan int), nil }),
	}
	_, stop := start(t, app, worker.Config{})
	for name, want := range map[string]string{
		"fails": "Exception: boom", "fails late": "Exception: boom", "rejected": "Reject: no", "rejectedEarly": "Reject: no",
		"panics": "RuntimeError: panic: ouch", "unencodable": "EncodeError",
	} {
		r, err := tasks[name].Send(deadline(t), none)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Get(deadline(t))
		var te *umbel.TaskError
		if !errors.As(err, &te) || te.State != umbel.Failure || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want FAILURE with %q", name, err, want)
		}
	}
	r, err := app.Send(deadline(t), "fails", umbel.Args{1})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Get(deadline(t), nil); err == nil || !strings.Contains(err.Error(), "TypeError: fails() takes 0 positional arguments but 1 was given") {
		t.Errorf("too many arguments: %v", err)
	}
	r, err = app.Send(deadline(t), "nosuch", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Get(deadline(t), nil); err == nil || !strings.Contains(err.Error(), "NotRegistered: nosuch") {
		t.Errorf("unknown task: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestProgressAndStartedAreSeenInOrder(t *testing.T) {
	app := newApp(t, umbel.Config{TaskTrackStarted: true})
	work := umbel.Register(app, "work", func(ctx context.Context, n int) (string, error) {
		for i := range n {
			if err := umbel.RequestFrom(ctx).Progress(ctx, map[string]int{"done": i + 1, "of": n}); err != nil {
				return "", err
			}
		}
		return "done", nil
	}, umbel.Queue("slow"))
	r, err := work.Send(deadline(t), 3)
	if err != nil {
		t.Fatal(err)
	}
	watching := make(chan struct{})
	var states []string
	go func() {
		defer close(watching)
		err := r.Watch(deadline(t), func(doc *protocol.Result) {
			var meta struct{ Done int }
			_ = doc.Result.Decode(&meta)
			states = append(states, fmt.Sprint(doc.Status, meta.Done))
		})
		if err != nil {
			t.Error(err)
		}
	}()
	start(t, app, worker.Config{Queues: []string{"slow"}, Nodename: "w1@host"})
	<-watching
	got := strings.Join(states, " ")
	if !strings.HasSuffix(got, "SUCCESS0") || strings.Index(got, "PROGRESS1") > strings.Index(got, "PROGRESS3") {
		t.Errorf("states %q, want progress in order and SUCCESS last", got)
	}
}

func TestCountdownExpiryAndRetryInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp(t, umbel.Config{})
		begun := time.Now()
		since := umbel.Register(app, "since", func(context.Context, struct{}) (float64, error) { return time.Since(begun).Seconds(), nil })
		tries := 0
		flaky := umbel.Register(app, "flaky", func(ctx context.Context, _ struct{}) (float64, error) {
			if tries++; tries <= 2 {
				return 0, errors.New("not yet")
			}
			if a := umbel.RequestFrom(ctx).Attempts(); len(a) != 2 || a[1].Error != "not yet" || a[1].Worker != "w@h" || time.Since(a[1].At) != 2*time.Minute {
				return 0, fmt.Errorf("attempts %+v, want the two before this one", a)
			}
			if r := umbel.RequestFrom(ctx); r.Retries != 2 || r.ParentID != r.ID {
				return 0, fmt.Errorf("retries %d and parent %q, want 2 and the own id", r.Retries, r.ParentID)
			}
			return time.Since(begun).Seconds(), nil
		}, umbel.Retry{Max: 3, Backoff: time.Minute})
		_, stop := start(t, app, worker.Config{Concurrency: 2, Nodename: "w@h"})
		ctx := context.Background()

		later, err := since.Send(ctx, struct{}{}, umbel.Countdown(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		expired, err := since.Send(ctx, struct{}{}, umbel.Countdown(2*time.Hour), umbel.ExpiresIn(90*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		retried, err := flaky.Send(ctx, struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := retried.Get(ctx); err != nil || got < 180 || got > 181 {
			t.Errorf("third attempt after %v s, %v; want 60 + 120 s", got, err)
		}
		doc, err := retried.Document(ctx)
		if raw, _ := protocol.AppendResult(nil, doc); err != nil || !strings.Contains(string(raw), `"attempts": [{"at": `) {
			t.Errorf("document %s, %v; want the attempts in it", raw, err)
		}
		if got, err := later.Get(ctx); err != nil || got < 3600 || got > 3601 {
			t.Errorf("ran after %v s, %v; want 3600", got, err)
		}
		// The broker may drop an expired message itself; then nothing is stored, as with RabbitMQ.
		time.Sleep(3 * time.Hour)
		if s, err := expired.State(ctx); err != nil || (s != umbel.Revoked && s != umbel.Pending) {
			t.Errorf("expired task is %v, %v; want REVOKED or PENDING", s, err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestTimeLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp(t, umbel.Config{})
		soft := umbel.Register(app, "soft", func(ctx context.Context, _ struct{}) (string, error) {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), umbel.ErrSoftTimeLimit) {
				return "", fmt.Errorf("cause %v", context.Cause(ctx))
			}
			return "cleaned up", nil
		}, umbel.SoftTimeLimit(time.Second))
		uncaught := umbel.Register(app, "uncaught", func(ctx context.Context, _ struct{}) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}, umbel.SoftTimeLimit(time.Second))
		release := make(chan struct{})
		hard := umbel.Register(app, "hard", func(context.Context, struct{}) (string, error) {
			<-release
			return "too late", nil
		}, umbel.TimeLimit(2*time.Second))
		_, stop := start(t, app, worker.Config{Concurrency: 1})
		ctx := context.Background()

		r, _ := soft.Send(ctx, struct{}{})
		if got, err := r.Get(ctx); err != nil || got != "cleaned up" {
			t.Errorf("soft: %q, %v", got, err)
		}
		r, _ = uncaught.Send(ctx, struct{}{})
		if _, err := r.Get(ctx); !errors.Is(err, umbel.ErrSoftTimeLimit) {
			t.Errorf("uncaught soft limit: %v", err)
		}
		r, _ = hard.Send(ctx, struct{}{})
		if _, err := r.Get(ctx); !errors.Is(err, umbel.ErrTimeLimit) {
			t.Errorf("hard: %v", err)
		}
		// The slot is free although the handler is still there.
		r, _ = soft.Send(ctx, struct{}{})
		if got, err := r.Get(ctx); err != nil || got != "cleaned up" {
			t.Errorf("after a hard limit: %q, %v", got, err)
		}
		close(release)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestWarmShutdownFinishesWhatRunsAndGivesBackTheRest(t *testing.T) {
	app := newApp(t, umbel.Config{})
	running, release := make(chan struct{}, 10), make(chan struct{})
	work := umbel.Register(app, "work", func(context.Context, int) (string, error) {
		running <- struct{}{}
		<-release
		return "done", nil
	}, umbel.AcksLate())
	results, err := work.SendMany(deadline(t), []int{1, 2, 3, 4, 5})
	if err != nil {
		t.Fatal(err)
	}
	w, stop := start(t, app, worker.Config{Concurrency: 2})
	<-running
	<-running
	stopped := make(chan error)
	go func() { stopped <- stop() }()
	b, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { s, err := b.Stat(deadline(t), "celery"); return err == nil && s.Ready == 3 }, "3 messages back in the queue while 2 still run")
	close(release)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	done := 0
	for _, r := range results {
		if s, err := r.State(deadline(t)); err != nil {
			t.Error(err)
		} else if s == umbel.Success {
			done++
		}
	}
	if done != 2 {
		t.Errorf("%d tasks done, want the 2 that were running", done)
	}
	if s := w.Stats(); s.Active != 0 {
		t.Errorf("stats %+v after stop", s)
	}
	start(t, app, worker.Config{Concurrency: 2})
	for _, r := range results {
		if got, err := r.Get(deadline(t)); err != nil || got != "done" {
			t.Errorf("another worker: %q, %v", got, err)
		}
	}
}

func TestColdShutdownCancelsAndHandsBack(t *testing.T) {
	app := newApp(t, umbel.Config{})
	running := make(chan struct{}, 1)
	work := umbel.Register(app, "work", func(ctx context.Context, _ struct{}) (string, error) {
		running <- struct{}{}
		if umbel.RequestFrom(ctx).Redelivered {
			return "second time", nil
		}
		<-ctx.Done()
		return "", context.Cause(ctx)
	}, umbel.AcksLate())
	r, err := work.Send(deadline(t), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	w, stop := start(t, app, worker.Config{Concurrency: 1})
	<-running
	w.Stop(worker.Cold)
	if err := stop(); err != nil {
		t.Error(err)
	}
	start(t, app, worker.Config{Concurrency: 1})
	if got, err := r.Get(deadline(t)); err != nil || got != "second time" {
		t.Errorf("redelivered run: %q, %v", got, err)
	}
}

func TestColdShutdownNamesWhatWouldNotLeave(t *testing.T) {
	app := newApp(t, umbel.Config{})
	running, release := make(chan struct{}), make(chan struct{})
	stubborn := umbel.Register(app, "stubborn", func(context.Context, struct{}) (string, error) {
		close(running)
		<-release
		return "", nil
	})
	if _, err := stubborn.Send(deadline(t), struct{}{}); err != nil {
		t.Fatal(err)
	}
	w, stop := start(t, app, worker.Config{Concurrency: 1, ColdGrace: time.Millisecond})
	<-running
	w.Stop(worker.Cold)
	if err := stop(); err == nil || !strings.Contains(err.Error(), "stubborn") {
		t.Errorf("error %v, want one that names the task left running", err)
	}
	close(release)
}

func TestRequeueOfAnEarlyAckedTaskIsNotLost(t *testing.T) {
	app := newApp(t, umbel.Config{})
	var runs atomic.Int64
	task := umbel.Register(app, "again", func(context.Context, struct{}) (int64, error) {
		if n := runs.Add(1); n > 1 {
			return n, nil
		}
		return 0, umbel.Reject(true, "not now")
	})
	start(t, app, worker.Config{})
	r, err := task.Send(deadline(t), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Get(deadline(t)); err != nil || got != 2 {
		t.Errorf("%d, %v; want the second run's", got, err)
	}
}

func TestIgnoredResults(t *testing.T) {
	app := newApp(t, umbel.Config{})
	ran := make(chan struct{}, 3)
	task := umbel.Register(app, "quiet", func(context.Context, struct{}) (int, error) { ran <- struct{}{}; return 1, nil }, umbel.IgnoreResult())
	start(t, app, worker.Config{})
	r, err := task.Send(deadline(t), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(deadline(t)); !errors.Is(err, umbel.ErrResultIgnored) {
		t.Errorf("Get of an ignored result: %v", err)
	}
	<-ran
	r, err = task.Send(deadline(t), struct{}{}, umbel.StoreResult())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Get(deadline(t)); err != nil || got != 1 {
		t.Errorf("StoreResult: %v, %v", got, err)
	}
	if s, err := app.Result("never-sent").State(deadline(t)); err != nil || s != umbel.Unknown {
		t.Errorf("state of an id that nobody sent: %v, %v; want UNKNOWN", s, err)
	}
}

func TestChildrenAndLineage(t *testing.T) {
	app := newApp(t, umbel.Config{})
	type seen struct{ Root, Parent string }
	child := umbel.Register(app, "child", func(ctx context.Context, _ struct{}) (seen, error) {
		r := umbel.RequestFrom(ctx)
		return seen{r.RootID, r.ParentID}, nil
	})
	parent := umbel.Register(app, "parent", func(ctx context.Context, _ struct{}) (string, error) {
		r, err := child.Send(ctx, struct{}{})
		if err != nil {
			return "", err
		}
		return r.ID(), nil
	})
	start(t, app, worker.Config{})
	r, err := parent.Send(deadline(t), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	id, err := r.Get(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := r.Document(deadline(t))
	if err != nil || len(doc.Children) != 1 || doc.Children[0].ID != id {
		t.Errorf("children %+v, %v; want %s", doc.Children, err, id)
	}
	var got seen
	if err := app.Result(id).Get(deadline(t), &got); err != nil || got.Root != r.ID() || got.Parent != r.ID() {
		t.Errorf("child saw %+v, %v; want root and parent %s", got, err, r.ID())
	}
}

func TestManyTasksAtOnce(t *testing.T) {
	app := newApp(t, umbel.Config{})
	const n = 2000
	var inside, peak atomic.Int64
	full := make(chan struct{})
	wait := umbel.Register(app, "wait", func(_ context.Context, _ struct{}) (int, error) {
		if k := inside.Add(1); k == n {
			close(full)
		}
		peak.Store(max(peak.Load(), inside.Load()))
		<-full
		inside.Add(-1)
		return 1, nil
	})
	in := make([]struct{}, n)
	results, err := wait.SendMany(deadline(t), in)
	if err != nil {
		t.Fatal(err)
	}
	_, stop := start(t, app, worker.Config{Concurrency: n})
	for _, r := range results {
		if _, err := r.Get(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestSucceededTasksAreNotRunAgain(t *testing.T) {
	app := newApp(t, umbel.Config{WorkerDeduplicateSuccessfulTasks: true})
	var runs atomic.Int64
	running, release := make(chan struct{}, 2), make(chan struct{})
	task := umbel.Register(app, "once", func(context.Context, struct{}) (int64, error) {
		running <- struct{}{}
		<-release
		return runs.Add(1), nil
	}, umbel.AcksLate())
	r, err := task.Send(deadline(t), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	w, stop := start(t, app, worker.Config{Concurrency: 1, ColdGrace: time.Millisecond})
	<-running
	w.Stop(worker.Cold) // the message goes back although its task runs on
	if err := stop(); err == nil {
		t.Error("a task that ignores the cold shutdown must be reported")
	}
	// Another worker, or the same task before it was cut off, has succeeded and stored its result.
	b, err := app.Backend(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if errs := b.Store(deadline(t), []*protocol.Result{{TaskID: r.ID(), Status: umbel.Success, Result: codec.JSON([]byte("41"))}}); errs != nil {
		t.Fatal(errs)
	}
	close(release)
	_, stop = start(t, app, worker.Config{Concurrency: 1})
	bk, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		s, err := bk.Stat(deadline(t), "celery")
		return err == nil && s.Ready == 0 && s.Unsettled <= 0
	}, "the queue to be empty")
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("ran %d times, want once", n)
	}
	if got, err := r.Get(deadline(t)); err != nil || got != 41 {
		t.Errorf("result %d, %v; want the stored 41", got, err)
	}
}

func TestAQueueThatWasDeletedIsDeclaredAgain(t *testing.T) {
	app := newApp(t, umbel.Config{})
	task := umbel.Register(app, "t", func(context.Context, int) (int, error) { return 1, nil })
	if _, err := task.Send(deadline(t), 1); err != nil {
		t.Fatal(err)
	}
	b, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	q, err := app.QueueNamed("celery")
	if err != nil {
		t.Fatal(err)
	}
	for _, send := range map[string]func() error{
		"one":  func() error { _, err := task.Send(deadline(t), 2); return err },
		"many": func() error { _, err := task.SendMany(deadline(t), []int{3, 4}); return err },
	} {
		if err := b.Delete(deadline(t), q.Topology); err != nil {
			t.Fatal(err)
		}
		if err := send(); err != nil {
			t.Errorf("after its queue was deleted: %v", err)
		}
	}
}

func TestWhatFailsBeforeItIsSentSaysSo(t *testing.T) {
	app := umbel.New("test", umbel.WithConfig(umbel.Config{BrokerURL: []string{"nosuch://x"}}))
	task := umbel.Register(app, "t", func(context.Context, int) (int, error) { return 1, nil })
	if _, err := task.Send(deadline(t), 1); !errors.Is(err, broker.ErrNotSent) {
		t.Errorf("%v, want ErrNotSent", err)
	}
	if _, err := task.SendMany(deadline(t), []int{1}); !errors.Is(err, broker.ErrNotSent) {
		t.Errorf("%v, want ErrNotSent", err)
	}
}

// waitFor polls a condition that no event announces, for at most ten seconds.
func waitFor(t *testing.T, cond func() bool, what string) {
	t.Helper()
	for range 12_000 { // a minute
		if cond() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}
