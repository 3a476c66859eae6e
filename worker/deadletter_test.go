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
			plain := func(name string) *broker.Message {
				m := &broker.Message{RoutingKey: "orders"}
				m.Properties.ContentType, m.Properties.ContentEncoding, m.Properties.DeliveryMode = "application/json", "utf-8", 2
				if name != "" {
					m.Headers = map[string]any{"task": name, "id": "id-of-" + name, "lang": "py"}
				}
				m.Body = []byte(`[[1], {}, {}]`)
				return m
			}
			garbled, pickled, unknown, expired := plain("garbled"), plain("pickled"), plain(""), plain("works")
			garbled.Body = []byte(`[[1`)
			garbled.Headers["task"] = "works"
			garbled.Headers["shadow"] = "garbled"
			pickled.Properties.ContentType = "application/x-python-serialize"
			expired.Headers["expires"] = "2020-01-01T00:00:00+00:00" // and no expiration: the broker does not know
			expired.Headers["shadow"] = "expired"
			for _, m := range []*broker.Message{garbled, pickled, unknown, expired} {
				if err := app.Publish(deadline(t), m); err != nil {
					t.Fatal(err)
				}
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
				"rejects": {"rejected", "orders", 1}, "unknown": {"unregistered", "orders", 0}, "expired": {"expired", "orders", 0},
				"garbled": {"undecodable", "orders", 0}, "pickled": {"not accepted", "orders", 0}, "": {"unknown message", "orders", 0}}
			for range len(want) {
				select {
				case d := <-letters:
					name, _ := d.Headers["task"].(string)
					if shadow, _ := d.Headers["shadow"].(string); shadow != "" {
						name = shadow
					}
					n, _ := d.Headers[umbel.HeaderDeadAttempts].(int64)
					got := letter{d.Headers[umbel.HeaderDeadReason], d.Headers[umbel.HeaderDeadQueue], n}
					if got != want[name] {
						t.Errorf("dead letter of %q: %+v, want %+v; its headers are %v", name, got, want[name], d.Headers)
					}
					text, _ := d.Headers[umbel.HeaderDeadError].(string)
					if got.reason == "failed" && !strings.Contains(text, "boom") {
						t.Errorf("dead letter of %q says %q", name, text)
					}
					if text == "" {
						t.Errorf("dead letter of %q says no error", name)
					}
					if _, died := d.Headers["x-death"]; died {
						t.Errorf("dead letter of %q: dead-lettered by the broker", name)
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

// The arguments as Celery spells them, and the options of a route that guides to Celery have, lead to the same place.
func TestHoweverDeadLettersAreSpelledTheyAreKept(t *testing.T) {
	celery := umbel.Config{TaskQueues: []umbel.QueueConfig{{Name: "orders", Arguments: map[string]any{
		"x-dead-letter-exchange": "dlx", "x-dead-letter-routing-key": "orders.dlq"}}}}
	nameless := umbel.Config{TaskQueues: []umbel.QueueConfig{{Name: "orders", Arguments: map[string]any{
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.dlq"}}}}
	guide := umbel.Config{TaskRoutes: []umbel.RouteRule{{Pattern: "*", Options: map[string]any{"queue": "orders",
		"dead_letter_exchange": "dlx", "dead_letter_routing_key": "orders.dlq"}}}}
	for name, c := range map[string]umbel.Config{"queue arguments": celery, "queue arguments, default exchange": nameless, "options of a route": guide} {
		t.Run(name, func(t *testing.T) {
			eachBroker(t, func(t *testing.T, url, _ string) {
				c := c
				c.BrokerURL, c.ResultBackend, c.TaskDefaultQueue = []string{url}, "memory://"+strings.ReplaceAll(t.Name(), "/", "-"), "orders"
				app := umbel.New("test", umbel.WithConfig(c), umbel.WithLogger(slog.New(slog.DiscardHandler)))
				t.Cleanup(func() { _ = app.Close() })
				umbel.Register(app, "fails", func(context.Context, int) (int, error) { return 0, errors.New("boom") })
				_, stop := start(t, app, worker.Config{Concurrency: 1, Queues: []string{"orders"}})
				for _, task := range []string{"fails", "unknown"} {
					if _, err := app.Send(deadline(t), task, umbel.Args{1}); err != nil {
						t.Fatal(err)
					}
				}
				b, err := app.Broker(deadline(t))
				if err != nil {
					t.Fatal(err)
				}
				waitFor(t, func() bool { s, err := b.Stat(deadline(t), "orders.dlq"); return err == nil && s.Ready == 2 }, "two dead letters")
				names, err := app.DeadLetterQueues()
				if err != nil || len(names) != 1 || names[0] != "orders.dlq" {
					t.Errorf("the settings' queues of dead letters are %v, %v", names, err)
				}
				list, _, err := app.DeadLetters("orders.dlq").List(deadline(t), umbel.DeadFilter{Reason: umbel.DeadFailed})
				if err != nil || len(list) != 1 || list[0].Task != "fails" || list[0].Queue != "orders" {
					t.Errorf("the letter of the task that failed: %v, %v", list, err)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A dead-letter exchange that is somebody else's is no reason not to work.
func TestADeadEndThatExistsOtherwiseIsLeftAsItIs(t *testing.T) {
	app := newApp(t, umbel.Config{TaskQueues: []umbel.QueueConfig{{Name: "celery", Arguments: map[string]any{
		"x-dead-letter-exchange": "theirs", "x-dead-letter-routing-key": "k"}}}})
	b, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Declare(deadline(t), broker.Topology{Exchanges: []broker.Exchange{{Name: "theirs", Type: broker.Topic, Durable: true}},
		Queues:   []broker.Queue{{Name: "their queue", Durable: true}},
		Bindings: []broker.Binding{{Source: "theirs", Queue: "their queue", RoutingKey: "k"}}}); err != nil {
		t.Fatal(err)
	}
	umbel.Register(app, "fails", func(context.Context, int) (int, error) { return 0, errors.New("boom") })
	_, stop := start(t, app, worker.Config{Concurrency: 1})
	if _, err := app.Send(deadline(t), "fails", umbel.Args{1}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { s, err := b.Stat(deadline(t), "their queue"); return err == nil && s.Ready == 1 }, "the dead letter, where their exchange sends it")
	if err := stop(); err != nil {
		t.Error(err)
	}
}
