package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"

	_ "github.com/umbel-go/umbel/backend/database"
	_ "github.com/umbel-go/umbel/broker/sqlite"
)

// TestKilledChild is the worker of the tests below, in a process of its own: one of its tasks kills it.
func TestKilledChild(t *testing.T) {
	folder := os.Getenv("UMBEL_TEST_KILLED_IN")
	if folder == "" {
		t.Skip("runs as the child of another test")
	}
	app := killedApp(t, os.Getenv("UMBEL_TEST_KILLED_ON"), os.Getenv("UMBEL_TEST_KILLED_TYPE"), folder)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	w := worker.New(app, worker.Config{Concurrency: 1})
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// killedApp has a task that notes each start in a file and kills its process, and one that does not.
func killedApp(t *testing.T, url, kind, folder string) *umbel.App {
	arguments := map[string]any{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "graves"}
	if kind != "" {
		arguments["x-queue-type"] = kind
	}
	app := umbel.New("test", umbel.WithConfig(umbel.Config{
		BrokerURL: []string{url}, ResultBackend: "sqlite://" + filepath.Join(folder, "results.db"),
		TaskQueues: []umbel.QueueConfig{{Name: "celery", Arguments: arguments}}, TaskAcksLate: true,
	}), umbel.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))))
	t.Cleanup(func() { _ = app.Close() })
	umbel.Register(app, "poison", func(context.Context, struct{}) (int, error) {
		f, err := os.OpenFile(filepath.Join(folder, "starts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return 0, err
		}
		_, _ = f.WriteString("x")
		_ = f.Close()
		return 0, syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
	umbel.Register(app, "innocent", func(context.Context, struct{}) (int, error) { return 1, nil })
	return app
}

// child runs a worker in a process of its own; its end is told on the channel.
func child(t *testing.T, url, kind, folder string) (kill func(), ended <-chan string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
	cmd.Env = append(os.Environ(), "UMBEL_TEST_KILLED_IN="+folder, "UMBEL_TEST_KILLED_ON="+url, "UMBEL_TEST_KILLED_TYPE="+kind)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() { _ = cmd.Wait(); done <- said.String() }()
	return func() { _ = cmd.Process.Kill(); <-done }, done
}

func TestATaskThatKillsItsWorkerIsStartedNoMoreThanItsLimit(t *testing.T) {
	for _, on := range []struct{ name, kind string }{{"RabbitMQ classic", ""}, {"RabbitMQ quorum", "quorum"}, {"SQLite", ""}} {
		t.Run(on.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			url := "sqlite://" + filepath.Join(folder, "broker.db")
			if strings.HasPrefix(on.name, "RabbitMQ") {
				url = testenv.RabbitMQ(t).URL()
			}
			app := killedApp(t, url, on.kind, folder)
			b, err := app.Broker(deadline(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Declare(deadline(t), broker.Topology{Queues: []broker.Queue{{Name: "graves", Durable: true}}}); err != nil {
				t.Fatal(err)
			}
			r, err := app.Send(deadline(t), "poison", nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
			defer cancel()
			failed := make(chan error, 1)
			go func() { failed <- r.Get(ctx, nil) }()
			lost := 0
			for over := false; !over; {
				kill, ended := child(t, url, on.kind, folder)
				select {
				case said := <-ended:
					if lost++; lost > 3 {
						t.Fatalf("%d workers were killed; the last said\n%s", lost, said)
					}
				case err = <-failed:
					defer kill()
					over = true
				}
			}
			var te *umbel.TaskError
			if !errors.As(err, &te) || te.State != umbel.Failure || !strings.Contains(err.Error(), "WorkerLostError: Worker exited prematurely: the task was started 3 times") {
				t.Errorf("the task ended with %v, want FAILURE by WorkerLostError", err)
			}
			if starts, _ := os.ReadFile(filepath.Join(folder, "starts")); len(starts) != 3 {
				t.Errorf("the task was started %d times, want 3", len(starts))
			}
			waitFor(t, func() bool { s, err := b.Stat(deadline(t), "graves"); return err == nil && s.Ready == 1 }, "one dead letter")
			waitFor(t, func() bool { s, err := b.Stat(deadline(t), "celery"); return err == nil && s.Ready == 0 }, "an empty queue")
		})
	}
}

// What was handed out again and again without ever being started is no poison.
func TestMessagesThatOnlyWaitedForKilledWorkersAreRun(t *testing.T) {
	app := newApp(t, umbel.Config{TaskDeliveryLimit: 2, TaskAcksLate: true})
	hold, begun := make(chan struct{}), make(chan struct{}, 8)
	first := umbel.Register(app, "first", func(ctx context.Context, _ int) (int, error) {
		begun <- struct{}{}
		select {
		case <-hold:
			return 0, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	})
	behind := umbel.Register(app, "behind", func(context.Context, int) (int, error) { return 7, nil })
	f, err := first.Send(deadline(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	r, err := behind.Send(deadline(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		w, stop := start(t, app, worker.Config{Concurrency: 1})
		select {
		case <-begun:
		case <-deadline(t).Done():
			t.Fatalf("worker %d did not start the first task: a start that ended in good order was counted", n)
		}
		w.Stop(worker.Cold)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	close(hold)
	_, stop := start(t, app, worker.Config{Concurrency: 1})
	if v, err := r.Get(deadline(t)); err != nil || v != 7 {
		t.Errorf("the task that waited behind: %v, %v", v, err)
	}
	if v, err := f.Get(deadline(t)); err != nil || v != 0 {
		t.Errorf("the task that was cut short: %v, %v", v, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	b, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { s, err := b.Stat(deadline(t), "celery"); return err == nil && s.Ready == 0 }, "an empty queue")
}

func TestARejectedTaskThatWasStartedBeforeBecomesADeadLetterOfItsQueue(t *testing.T) {
	app := newApp(t, umbel.Config{TaskAcksLate: true, TaskQueues: []umbel.QueueConfig{
		{Name: "celery", Arguments: map[string]any{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "graves"}}}})
	b, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Declare(deadline(t), broker.Topology{Queues: []broker.Queue{{Name: "graves", Durable: true}}}); err != nil {
		t.Fatal(err)
	}
	begun := make(chan bool, 8)
	task := umbel.Register(app, "t", func(ctx context.Context, _ int) (int, error) {
		again := umbel.RequestFrom(ctx).Redelivered
		begun <- again
		if again {
			return 0, umbel.Reject(false, "no")
		}
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
	r, err := task.Send(deadline(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	w, stop := start(t, app, worker.Config{Concurrency: 1})
	<-begun
	w.Stop(worker.Cold)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	_, stop = start(t, app, worker.Config{Concurrency: 1})
	if _, err := r.Get(deadline(t)); err == nil || !strings.Contains(err.Error(), "Reject: no") {
		t.Errorf("ended with %v", err)
	}
	waitFor(t, func() bool { s, err := b.Stat(deadline(t), "graves"); return err == nil && s.Ready == 1 }, "one dead letter")
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := len(begun); n != 1 {
		t.Error(fmt.Errorf("started %d times, want twice", n+1))
	}
}
