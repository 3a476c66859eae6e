package umbel_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
)

// Whoever only sends needs the name of a task, not its code: it may be one of Python's.
func ExampleApp_Send() {
	app := umbel.New("web", umbel.WithConfig(umbel.Config{BrokerURL: []string{"amqps://shop@rabbit.example.com/shop"}}))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()

	result, err := app.Send(ctx, "apps.orders.tasks.process_order", umbel.Kwargs{"order_id": 7},
		umbel.Queue("high_priority"), umbel.Countdown(time.Minute), umbel.ExpiresIn(time.Hour))
	var refused *broker.RefusedError
	switch {
	case err == nil: // in a queue, confirmed
		fmt.Println("sent", result.ID())
	case errors.Is(err, broker.ErrNotSent): // nothing has left this process: safe to send again
	case errors.Is(err, broker.ErrUnconfirmed): // it may have arrived: only you can decide
	case errors.As(err, &refused): // the broker said no
		fmt.Println("refused:", refused.Reason)
	}
}

// Many at once are one batch: each is confirmed, and those that were not are named.
func ExampleTask_SendMany() {
	app := umbel.New("shop", umbel.WithConfig(umbel.Config{}))
	app.Eager(true) // for this example
	double := umbel.Register(app, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

	ctx := context.Background()
	results, err := double.SendMany(ctx, []int{1, 2, 3})
	if err != nil {
		fmt.Println(err) // a *umbel.BatchError says which
		return
	}
	for _, r := range results {
		n, _ := r.Get(ctx)
		fmt.Print(n, " ")
	}
	// Output: 2 4 6
}
