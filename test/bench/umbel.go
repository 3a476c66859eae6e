package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/cli"
	_ "github.com/umbel-go/umbel/standard"
	"github.com/umbel-go/umbel/worker"
)

// noop is the argument of the task that does nothing.
type noop struct {
	Text string `json:"text"`
}

// payload is a hundred bytes, the same for everyone.
var payload = noop{strings.Repeat("0123456789", 10)}

const noopName = "bench.noop"

func settings(b *brief) umbel.Config {
	return umbel.Config{BrokerURL: []string{b.amqp}, ResultBackend: b.results, TaskDefaultQueue: b.queue,
		WorkerPrefetchMultiplier: max(1, b.prefetch/max(1, b.concurrency))}
}

func newApp(c umbel.Config) *umbel.App {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return umbel.New("bench", umbel.WithConfig(c), umbel.WithLogger(log))
}

// umbelWork is the worker as it ships: cli.Main on a task that does nothing.
func umbelWork(ctx context.Context, b *brief, t *tally) error {
	app := newApp(settings(b))
	umbel.Register(app, noopName, func(context.Context, noop) (struct{}, error) {
		t.one()
		return struct{}{}, nil
	})
	return shipped(ctx, app, b)
}

// umbelTold is umbelWork that tells of its tasks.
func umbelTold(ctx context.Context, b *brief, t *tally) error {
	app := newApp(settings(b))
	umbel.Register(app, noopName, func(context.Context, noop) (struct{}, error) {
		t.one()
		return struct{}{}, nil
	}, umbel.RateLimit(fmt.Sprintf("%d/s", b.rate)))
	return shipped(ctx, app, b, "-E")
}

// shipped runs the worker's command line. It hears SIGTERM by itself: ctx, which the same signal ends, would be a second
// wish to stop.
func shipped(ctx context.Context, app *umbel.App, b *brief, more ...string) error {
	args := []string{"bench", "worker", "-c", fmt.Sprint(b.concurrency), "--loglevel", "warning"}
	args = append(args, more...)
	if code := cli.Run(context.WithoutCancel(ctx), app, args, cli.Std{In: os.Stdin, Out: os.Stderr, Err: os.Stderr}); code != 0 {
		return fmt.Errorf("the worker ended with code %d", code)
	}
	return nil
}

// sampleMessage is what the sender would hand to the broker.
func sampleMessage(b *brief) (*broker.Message, error) {
	app := newApp(settings(b))
	defer app.Close()
	var got *broker.Message
	app.Intercept(func(_ context.Context, m *broker.Message) error { got = m; return nil })
	_, err := app.Send(context.Background(), noopName, umbel.Kwargs{"text": payload.Text})
	return got, err
}

// umbelSend sends from many goroutines, each waiting until its message is confirmed.
func umbelSend(ctx context.Context, b *brief, t *tally) error {
	app := newApp(settings(b))
	defer app.Close()
	task := umbel.Register(app, noopName, func(context.Context, noop) (struct{}, error) { return struct{}{}, nil })
	if _, err := app.Broker(ctx); err != nil {
		return err
	}
	return sending(ctx, b, t, func() error {
		_, err := task.Send(context.Background(), payload)
		return err
	})
}

// umbelLatency sends one task at a time to an idle worker of the same process, so that one clock tells both moments.
func umbelLatency(ctx context.Context, b *brief, _ *tally) error {
	app := newApp(settings(b))
	defer app.Close()
	started := make(chan time.Time, 1)
	task := umbel.Register(app, noopName, func(context.Context, noop) (struct{}, error) {
		started <- time.Now()
		return struct{}{}, nil
	})
	took := make([]time.Duration, 0, b.n)
	err := working(ctx, app, b, func() error {
		for range b.n + b.n/10 { // the first tenth is for warming up
			began := time.Now()
			if _, err := task.Send(ctx, payload); err != nil {
				return err
			}
			select {
			case at := <-started:
				took = append(took, at.Sub(began))
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	took = took[b.n/10:]
	slices.Sort(took)
	say("p50", float64(took[len(took)/2].Nanoseconds()))
	say("p99", float64(took[len(took)*99/100].Nanoseconds()))
	<-ctx.Done()
	return nil
}

// working runs a worker around f.
func working(ctx context.Context, app *umbel.App, b *brief, f func() error) error {
	ready := make(chan struct{})
	w := worker.New(app, worker.Config{Concurrency: b.concurrency, OnReady: func() { close(ready) }})
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	select {
	case <-ready:
	case err := <-ended:
		return errors.Join(err, ctx.Err())
	}
	err := f()
	w.Stop(worker.Warm)
	return errors.Join(err, <-ended)
}

// umbelSQLite sends and runs at the same time on one file, results stored in it: from the first send until the worker
// has stopped with every task run, every result stored and every delivery acked.
func umbelSQLite(ctx context.Context, b *brief, t *tally) error {
	c := settings(b)
	c.BrokerURL, c.ResultBackend = []string{"sqlite://" + filepath.Join(b.dir, "bench.db")}, ""
	app := newApp(c)
	defer app.Close()
	done := make(chan struct{})
	task := umbel.Register(app, noopName, func(context.Context, noop) (struct{}, error) {
		if t.count.Add(1) == int64(b.n) {
			close(done)
		}
		return struct{}{}, nil
	})
	last := make(chan string, 1)
	err := working(ctx, app, b, func() error {
		t.first()
		if err := crowd(b.n, senders, func() error {
			r, err := task.Send(ctx, payload)
			if err == nil {
				select {
				case last <- r.ID():
				default:
				}
			}
			return err
		}); err != nil {
			return err
		}
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil {
		return err
	}
	t.last()
	state, err := app.Result(<-last).State(ctx)
	if err != nil || state != umbel.Success {
		return fmt.Errorf("a task's result is %q, want SUCCESS: %w", state, err)
	}
	<-ctx.Done()
	return nil
}

// umbelWaiting holds its tasks in handlers.
func umbelWaiting(ctx context.Context, b *brief, t *tally) error {
	app := newApp(settings(b))
	umbel.Register(app, noopName, func(context.Context, noop) (struct{}, error) {
		t.one()
		<-ctx.Done()
		return struct{}{}, nil
	})
	return shipped(ctx, app, b)
}
