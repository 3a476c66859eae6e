package umbel_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel"
)

type Order struct {
	ID    int64   `json:"order_id"`
	Total float64 `json:"total"`
}

type Receipt struct {
	Number string `json:"number"`
}

// A task is a function with a typed input and output, registered under the name that messages carry.
func ExampleRegister() {
	app := umbel.New("shop", umbel.WithConfig(umbel.Config{}))
	process := umbel.Register(app, "apps.orders.tasks.process_order",
		func(ctx context.Context, order Order) (Receipt, error) {
			return Receipt{Number: fmt.Sprintf("R-%04d", order.ID)}, nil
		},
		umbel.Queue("high_priority"), umbel.AcksLate(),
		umbel.Retry{Max: 3, Backoff: time.Second, BackoffMax: 10 * time.Minute, Jitter: true})

	app.Eager(true) // run in the caller, without a broker: for this example
	ctx := context.Background()
	result, err := process.Send(ctx, Order{ID: 7, Total: 42})
	if err != nil {
		fmt.Println(err)
		return
	}
	receipt, err := result.Get(ctx)
	fmt.Println(receipt.Number, err)
	// Output: R-0007 <nil>
}

// Arguments that do not fit fail the task with an error that names the field, as TypeError does in Python.
func ExampleArgumentError() {
	app := umbel.New("shop", umbel.WithConfig(umbel.Config{}))
	umbel.Register(app, "process", func(context.Context, Order) (Receipt, error) { return Receipt{}, nil })
	app.Eager(true)

	ctx := context.Background()
	result, _ := app.Send(ctx, "process", umbel.Kwargs{"order_id": 7, "totl": 42})
	err := result.Get(ctx, nil)

	var failed *umbel.TaskError
	if errors.As(err, &failed) {
		fmt.Println(failed.State, failed.Type)
		fmt.Println(failed.Message)
	}
	// Output:
	// FAILURE TypeError
	// process() argument "totl": got an unexpected keyword argument; known are order_id, total
}

// The returned error decides: retry later, give up at once, or leave no trace.
func ExampleRetryIn() {
	errBusy := errors.New("payment service is busy")
	app := umbel.New("shop", umbel.WithConfig(umbel.Config{}))
	attempts := 0
	charge := umbel.Register(app, "charge", func(ctx context.Context, order Order) (string, error) {
		attempts++
		switch {
		case order.Total <= 0:
			return "", umbel.Permanent(errors.New("nothing to charge"))
		case umbel.RequestFrom(ctx).Retries < 2:
			return "", umbel.RetryIn(30*time.Second, errBusy)
		}
		return "charged", nil
	})
	app.Eager(true) // attempts follow each other at once

	ctx := context.Background()
	result, _ := charge.Send(ctx, Order{ID: 7, Total: 42})
	got, err := result.Get(ctx)
	fmt.Println(got, err, attempts)
	// Output: charged <nil> 3
}
