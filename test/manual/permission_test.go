package manual

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// The permissions that docs/security.md gives to each role are enough for all that the role does, and not for another's.
func TestLeastPrivilegeOnRabbitMQ(t *testing.T) {
	t.Parallel()
	roles := table(t, "docs/security.md", "permissions")
	rabbit := testenv.RabbitMQ(t)
	app := func(role string) *umbel.App {
		p, ok := roles[role]
		if !ok || len(p) != 3 {
			t.Fatalf("docs/security.md has no permissions of the %s", role)
		}
		for i := range p {
			p[i] = strings.ReplaceAll(strings.Trim(p[i], "`"), `\|`, "|")
		}
		user := role + "-" + rabbit.Vhost()
		rabbit.User(user, "secret", p[0], p[1], p[2])
		return newApp(t, umbel.Config{BrokerURL: []string{rabbit.URLFor(user, "secret")}, ResultBackend: "memory://least-privilege",
			TaskQueues: []umbel.QueueConfig{{Name: "orders", DeadLetter: "orders.dlq"}, {Name: "reports"}}, TaskDefaultQueue: "orders", WorkerSendTaskEvents: true})
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	serve := app("worker")
	umbel.Register(serve, "orders.fine", func(ctx context.Context, n int) (int, error) {
		if umbel.RequestFrom(ctx).Retries == 0 {
			return 0, umbel.RetryIn(1500*time.Millisecond, errors.New("once more")) // through the delay queues
		}
		return n, nil
	}, umbel.AcksLate(), umbel.Retry{Max: 1})
	umbel.Register(serve, "orders.fails", func(context.Context, int) (int, error) { return 0, errors.New("no") }, umbel.AcksLate())
	startWorker(t, serve, worker.Config{Concurrency: 2})

	send := app("producer")
	result, err := send.Send(ctx, "orders.fine", 7, umbel.Countdown(2*time.Second))
	if err != nil {
		t.Fatalf("the producer cannot send: %v", err)
	}
	var got int
	if err := result.Get(ctx, &got); err != nil || got != 7 {
		t.Errorf("%d %v", got, err)
	}
	failed, err := send.Send(ctx, "orders.fails", 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := failed.Get(ctx, nil); err == nil {
		t.Error("it did not fail")
	}
	operate := app("operator")
	nodes, err := operate.Control().Timeout(10 * time.Second).Limit(1).Ping(ctx)
	if err != nil || len(nodes) != 1 {
		t.Errorf("the operator hears %v %v", nodes, err)
	}
	letters, _, err := operate.DeadLetters("orders.dlq").List(ctx, umbel.DeadFilter{})
	if err != nil || len(letters) != 1 {
		t.Errorf("the operator finds %d dead letters: %v", len(letters), err)
	}

	// A producer commands nobody, and takes no messages.
	if _, err := send.Control().Ping(ctx); err == nil {
		t.Error("a producer may command workers")
	}
	if _, _, err := send.DeadLetters("orders.dlq").List(ctx, umbel.DeadFilter{}); err == nil {
		t.Error("a producer may read dead letters")
	}
}
