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
	"syscall"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// deadApp is an app whose queue orders keeps dead letters.
func deadApp(t *testing.T, url, kind string) *umbel.App {
	t.Helper()
	var arguments map[string]any
	if kind == "quorum" {
		arguments = map[string]any{"x-queue-type": "quorum"}
	}
	app := umbel.New("test", umbel.WithConfig(umbel.Config{BrokerURL: []string{url}, ResultBackend: "memory://" + strings.ReplaceAll(t.Name(), "/", "-"),
		TaskQueues: []umbel.QueueConfig{{Name: "orders", Arguments: arguments, DeadLetter: "orders.dlq"}}, TaskDefaultQueue: "orders",
	}), umbel.WithLogger(slog.New(slog.DiscardHandler)))
	t.Cleanup(func() { _ = app.Close() })
	return app
}

// kinds are the brokers of these tests; each gives its URL and a queue type.
func eachBroker(t *testing.T, f func(t *testing.T, url, kind string)) {
	for _, on := range []string{"SQLite", "RabbitMQ classic", "RabbitMQ quorum"} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			if on == "SQLite" {
				f(t, "sqlite://"+filepath.Join(t.TempDir(), "broker.db"), "classic")
				return
			}
			f(t, testenv.RabbitMQ(t).URL(), strings.TrimPrefix(on, "RabbitMQ "))
		})
	}
}

func ready(t *testing.T, app *umbel.App, queue string) int {
	t.Helper()
	b, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Stat(deadline(t), queue)
	if err != nil {
		t.Fatal(err)
	}
	return s.Ready
}

func TestDeadLettersAreFoundReplayedChangedAndDropped(t *testing.T) {
	eachBroker(t, func(t *testing.T, url, kind string) {
		app := deadApp(t, url, kind)
		fail := true
		umbel.Register(app, "charge", func(ctx context.Context, in struct {
			OrderID int `json:"order_id"`
		}) (string, error) {
			r := umbel.RequestFrom(ctx)
			if fail {
				return "", fmt.Errorf("no money for order %d", in.OrderID)
			}
			return fmt.Sprintf("order %d retries %d eta %v", in.OrderID, r.Retries, !r.ETA.IsZero()), nil
		}, umbel.AcksLate(), umbel.Retry{Max: 1, Backoff: time.Millisecond})
		_, stop := start(t, app, worker.Config{Concurrency: 1})
		for n := range 4 {
			if _, err := app.Send(deadline(t), "charge", umbel.Args{umbel.Kwargs{"order_id": n}}, umbel.TaskID(fmt.Sprint("order-", n)), umbel.ExpiresIn(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		b, err := app.Broker(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool { s, err := b.Stat(deadline(t), "orders.dlq"); return err == nil && s.Ready == 4 }, "four dead letters")
		dead := app.DeadLetters("orders.dlq")
		list, more, err := dead.List(deadline(t), umbel.DeadFilter{})
		if err != nil || more || len(list) != 4 {
			t.Fatalf("listed %d, more %v, %v", len(list), more, err)
		}
		l := list[0]
		if l.ID != "order-0" || l.Task != "charge" || l.Reason != umbel.DeadFailed || !strings.Contains(l.Error, "no money for order 0") ||
			l.Attempts != 2 || l.Queue != "orders" || l.Worker == "" || l.Time.IsZero() || l.Kwargs != "{'order_id': 0}" {
			t.Errorf("the first letter is %+v", *l)
		}
		for name, c := range map[string]struct {
			filter umbel.DeadFilter
			want   int
		}{
			"task":            {umbel.DeadFilter{Task: "ch*"}, 4},
			"another task":    {umbel.DeadFilter{Task: "refund"}, 0},
			"reason":          {umbel.DeadFilter{Reason: umbel.DeadRejected}, 0},
			"argument":        {umbel.DeadFilter{Argument: "'order_id': 2"}, 1},
			"id and argument": {umbel.DeadFilter{IDs: []string{"order-1"}, Argument: "'order_id': 2"}, 0},
			"old":             {umbel.DeadFilter{OlderThan: time.Hour}, 0},
			"new":             {umbel.DeadFilter{NewerThan: time.Hour}, 4},
		} {
			if list, _, err := dead.List(deadline(t), c.filter); err != nil || len(list) != c.want {
				t.Errorf("by %s: %d, %v, want %d", name, len(list), err, c.want)
			}
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		fail = false
		if n, _, err := dead.Drop(deadline(t), umbel.DeadFilter{IDs: []string{"order-3"}}, umbel.DeadAction{}); n != 1 || err != nil {
			t.Errorf("dropped %d, %v", n, err)
		}
		if n, _, err := dead.Replay(deadline(t), umbel.DeadFilter{}, umbel.DeadAction{DryRun: true}); n != 3 || err != nil {
			t.Errorf("would replay %d, %v", n, err)
		}
		before := 0
		n, _, err := dead.Replay(deadline(t), umbel.DeadFilter{Argument: "'order_id': 1"}, umbel.DeadAction{Rate: 1000, Before: func(*umbel.DeadLetter) error { before++; return nil }})
		if n != 1 || before != 1 || err != nil {
			t.Errorf("replayed %d, told of %d, %v", n, before, err)
		}
		if got := ready(t, app, "orders.dlq"); got != 2 {
			t.Errorf("%d letters are left, want 2", got)
		}
		_, stop = start(t, app, worker.Config{Concurrency: 1})
		var said string
		if err := app.Result("order-1").Get(deadline(t), &said); err == nil && said != "order 1 retries 0 eta false" {
			t.Errorf("the replayed task says %q", said)
		}
		waitFor(t, func() bool {
			return app.Result("order-1").Get(deadline(t), &said) == nil && said == "order 1 retries 0 eta false"
		}, "the replayed task's result")
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestReplayingChild replays and is killed in the middle of it.
func TestReplayingChild(t *testing.T) {
	url := os.Getenv("UMBEL_TEST_REPLAYS_ON")
	if url == "" {
		t.Skip("runs as the child of another test")
	}
	seen := 0
	_, _, err := deadApp(t, url, os.Getenv("UMBEL_TEST_REPLAYS_TYPE")).DeadLetters("orders.dlq").Replay(deadline(t), umbel.DeadFilter{}, umbel.DeadAction{
		Before: func(*umbel.DeadLetter) error {
			if seen++; seen == 11 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
			return nil
		}})
	t.Fatalf("the replay ended: %v", err)
}

func TestAReplayThatIsKilledLosesNothing(t *testing.T) {
	eachBroker(t, func(t *testing.T, url, kind string) {
		app := deadApp(t, url, kind)
		const letters = 20
		q, err := app.QueueNamed("orders")
		if err != nil {
			t.Fatal(err)
		}
		b, err := app.Broker(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Declare(deadline(t), q.Topology); err != nil {
			t.Fatal(err)
		}
		for n := range letters {
			m := &broker.Message{RoutingKey: "orders.dlq"}
			m.Properties.DeliveryMode, m.Properties.CorrelationID = 2, fmt.Sprint(n)
			m.Headers = map[string]any{"task": "t", "id": fmt.Sprint(n)}
			umbel.Dead(m.Headers, umbel.DeadFailed, "boom", "", "orders", "w@h", 1, time.Now())
			if err := b.Publish(deadline(t), m); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestReplayingChild$")
		cmd.Env = append(os.Environ(), "UMBEL_TEST_REPLAYS_ON="+url, "UMBEL_TEST_REPLAYS_TYPE="+kind)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the replay ended with %v; it said\n%s", err, said.String())
		}
		ids := make(map[string]int)
		browser := b.(broker.Browser)
		look := func(queue string) (n int) {
			if _, err := browser.Browse(deadline(t), queue, 100, func(m *broker.Message) (bool, error) {
				n++
				ids[m.Properties.CorrelationID]++
				return false, nil
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		// What the killed process was shown comes back when the broker has seen its end.
		waitFor(t, func() bool {
			clear(ids)
			return look("orders")+look("orders.dlq") >= letters
		}, "all letters, in one queue or the other")
		if len(ids) != letters {
			t.Errorf("%d of %d letters are left", len(ids), letters)
		}
		if n := look("orders"); n != 10 {
			t.Errorf("%d were sent before the kill, want 10", n)
		}
		if n, _, err := app.DeadLetters("orders.dlq").Replay(deadline(t), umbel.DeadFilter{}, umbel.DeadAction{}); err != nil || n < letters-10 || n > letters-10+1 {
			t.Errorf("the second replay sent %d, %v: want the %d others, and one twice at most", n, err, letters-10)
		}
	})
}
