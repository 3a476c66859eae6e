package orders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel"
)

// The two tasks by which guides show a rate limit and retries: here so that they can be tried, from Go and from Python.

// Patterns are their handles.
type Patterns struct {
	Limited   *umbel.Task[struct{}, string]
	Resilient *umbel.Task[Attempt, int]
}

// An Attempt is the input of resilient_task.
type Attempt struct {
	Failing int `json:"failing"` // how many attempts fail, as those of a service that is away for a moment
}

// ErrAway is what resilient_task retries. Other errors are faults of the program, which no retry mends.
var ErrAway = errors.New("the service is away")

// RegisterPatterns makes them known to an app.
func RegisterPatterns(app *umbel.App) *Patterns {
	p := &Patterns{}
	p.Limited = umbel.Register(app, "apps.orders.tasks.rate_limited_task",
		func(ctx context.Context, _ struct{}) (string, error) {
			return time.Now().UTC().Format(time.RFC3339Nano), nil
		},
		umbel.RateLimit("100/m"), // one every 600 ms on each worker
		umbel.Summary("tell the time, not oftener than a hundred times a minute"))
	p.Resilient = umbel.Register(app, "apps.orders.tasks.resilient_task",
		func(ctx context.Context, in Attempt) (int, error) {
			made := umbel.RequestFrom(ctx).Retries
			if made < in.Failing {
				return 0, fmt.Errorf("attempt %d: %w", made+1, ErrAway)
			}
			return made + 1, nil
		},
		// Each wait is drawn from twice as long a time as the one before: up to 1, 2 and 4 s.
		umbel.Retry{Max: 3, Backoff: time.Second, BackoffMax: 10 * time.Minute, Jitter: true, On: []error{ErrAway}},
		umbel.Summary("succeed at a later attempt"))
	return p
}
