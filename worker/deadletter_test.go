package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

func TestWhatFailsForGoodIsKeptWithItsReason(t *testing.T) {
	for _, on := range []string{"memory", "SQLite", "RabbitMQ classic", "RabbitMQ quorum"} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			space := "memory://dead-" + strings.ReplaceAll(on, " ", "-")
			url := space
			var arguments map[string]any
			switch {
			case on == "SQLite":
				url = "sqlite://" + filepath.Join(t.TempDir(), "broker.db")
			case strings.HasPrefix(on, "RabbitMQ"):
				url = testenv.RabbitMQ(t).URL()
				if strings.HasSuffix(on, "quorum") {
					arguments = map[string]any{"x-queue-type": "quorum"}
				}
			}
			app := umbel.New("test", umbel.WithConfig(umbel.Config{BrokerURL: []string{url}, ResultBackend: space,
				TaskQueues: []umbel.QueueConfig{{Name: "orders", Arguments: arguments, DeadLetter: "orders.dlq"}}, TaskDefaultQueue: "orders",
			}), umbel.WithLogger(slog.New(slog.DiscardHandler)))
			t.Cleanup(func() { _ = app.Close() })
			fails := func(err error) func(context.Context, int) (int, error) {
				return func(context.Context, int) (int, error) { return 0, err }
			}
			boom := errors.New("boom")
			umbel.Register(app, "early", fails(boom))
			umbel.Register(app, "late", fails(boom), umbel.AcksLate())
			umbel.Register(app, "again", fails(boom), umbel.AcksLate(), umbel.Retry{Max: 2, Backoff: time.Millisecond})
			umbel.Register(app, "rejects", fails(umbel.Reject(false, "no")), umbel.AcksLate())
			umbel.Register(app, "works", fails(nil), umbel.AcksLate())
			_, stop := start(t, app, worker.Config{Concurrency: 2})

			b, err := app.Broker(deadline(t))
			if err != nil {
				t.Fatal(err)
			}
			letters := make(chan *broker.Delivery, 16)
			kept, err := b.Consume(deadline(t), broker.Subscription{Queue: "orders.dlq", Deliver: func(d *broker.Delivery) { letters <- d }})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"works", "early", "late", "again", "rejects", "unknown"} {
				if _, err := app.Send(deadline(t), name, umbel.Args{1}); err != nil {
					t.Fatal(err)
				}
			}
			type letter struct {
				reason, queue any
				attempts      int64
			}
			want := map[string]letter{"early": {"failed", "orders", 1}, "late": {"failed", "orders", 1}, "again": {"failed", "orders", 3},
				"rejects": {"rejected", "orders", 1}, "unknown": {}}
			for range len(want) {
				select {
				case d := <-letters:
					name, _ := d.Headers["task"].(string)
					n, _ := d.Headers[umbel.HeaderDeadAttempts].(int64)
					got := letter{d.Headers[umbel.HeaderDeadReason], d.Headers[umbel.HeaderDeadQueue], n}
					if got != want[name] {
						t.Errorf("dead letter of %q: %+v, want %+v; its headers are %v", name, got, want[name], d.Headers)
					}
					text, _ := d.Headers[umbel.HeaderDeadError].(string)
					if got.reason == "failed" && !strings.Contains(text, "boom") {
						t.Errorf("dead letter of %q says %q", name, text)
					}
					if _, died := d.Headers["x-death"]; died != (name == "unknown") {
						t.Errorf("dead letter of %q: dead-lettered by the broker: %v", name, died)
					}
					delete(want, name)
					if err := d.Ack(); err != nil {
						t.Error(err)
					}
				case <-deadline(t).Done():
					t.Fatalf("no dead letters of %v", want)
				}
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			if err := kept.Close(deadline(t)); err != nil {
				t.Error(err)
			}
			if n := len(letters); n != 0 {
				t.Errorf("%d dead letters too many", n)
			}
			if s, err := b.Stat(deadline(t), "orders"); err != nil || s.Ready != 0 {
				t.Errorf("the work queue: %+v, %v", s, err)
			}
		})
	}
}
