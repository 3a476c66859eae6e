package umbel_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/umbel-go/umbel"
)

// A result is typed. What failed comes back as the error's type and text, whichever language it was written in.
func ExampleResult() {
	app := umbel.New("shop", umbel.WithConfig(umbel.Config{}))
	app.Eager(true) // for this example
	charge := umbel.Register(app, "charge", func(_ context.Context, order Order) (string, error) {
		if order.Total > 100 {
			return "", errors.New("card declined")
		}
		return "charged", nil
	})

	ctx := context.Background()
	result, _ := charge.Send(ctx, Order{ID: 7, Total: 420})
	_, err := result.Get(ctx)
	var failed *umbel.TaskError
	if errors.As(err, &failed) {
		fmt.Println(failed.State, failed.Message)
	}
	state, _ := result.State(ctx)
	fmt.Println(state)
	// Output:
	// FAILURE card declined
	// FAILURE
}

// A policy in place of code: which errors to retry, how often, and when.
func ExampleRetry() {
	errBusy, errGone := errors.New("busy"), errors.New("gone")
	policy := umbel.Retry{Max: 4, Backoff: 1e9, BackoffMax: 5e9, On: []error{errBusy}} // times are time.Duration: a second, five
	for n := range 4 {
		fmt.Print(policy.DelayFor(n), " ")
	}
	fmt.Println(policy.Covers(errBusy), policy.Covers(errGone))
	// Output: 1s 2s 4s 5s true false
}

// A rate limit is of a task on each worker, as Celery's.
func ExampleParseRate() {
	rate, err := umbel.ParseRate("100/m")
	fmt.Println(rate, rate.Interval(), err)
	// Output: 100/m 600ms <nil>
}
