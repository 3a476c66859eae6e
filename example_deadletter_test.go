package umbel_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/umbel-go/umbel"
	_ "github.com/umbel-go/umbel/backend/memory"
	_ "github.com/umbel-go/umbel/broker/memory"
	"github.com/umbel-go/umbel/worker"
)

// A task fails for good, its message is kept with the reason, and runs again once its cause is mended.
func ExampleApp_DeadLetters() {
	app := umbel.New("shop", umbel.WithLogger(slog.New(slog.DiscardHandler)), umbel.WithConfig(umbel.Config{
		BrokerURL: []string{"memory://dead"}, ResultBackend: "memory://dead",
		TaskQueues: []umbel.QueueConfig{{Name: "orders", DeadLetter: "orders.dlq"}}, TaskDefaultQueue: "orders"}))
	defer app.Close()
	var mended atomic.Bool
	charge := umbel.Register(app, "orders.charge", func(_ context.Context, order Order) (string, error) {
		if !mended.Load() {
			return "", errors.New("no such account")
		}
		return fmt.Sprintf("order %d charged", order.ID), nil
	}, umbel.AcksLate())

	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- worker.New(app, worker.Config{Concurrency: 1}).Run(ctx) }()
	defer func() { stop(); <-ended }()

	result, _ := charge.Send(ctx, Order{ID: 7})
	_, err := result.Get(ctx)
	fmt.Println(err != nil)

	letters, _, _ := app.DeadLetters("orders.dlq").List(ctx, umbel.DeadFilter{Task: "orders.*"})
	for _, l := range letters {
		fmt.Println(l.Task, l.Reason, l.Error)
	}

	mended.Store(true)
	_ = result.Forget(ctx) // else Get would find the failure
	n, _, _ := app.DeadLetters("orders.dlq").Replay(ctx, umbel.DeadFilter{}, umbel.DeadAction{Rate: 10})
	text, _ := result.Get(ctx)
	fmt.Println(n, text)
	// Output:
	// true
	// orders.charge failed Exception: no such account
	// 1 order 7 charged
}
