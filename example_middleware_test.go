package umbel_test

import (
	"context"
	"fmt"

	"github.com/umbel-go/umbel"
)

// A tenant travels in a header: put there by the sender, found again around the handler.
type tenancy struct{}

type tenantKey struct{}

func (tenancy) WrapTask(next umbel.Handler) umbel.Handler {
	return func(ctx context.Context, r *umbel.Request) (any, error) {
		tenant, _ := r.Headers()["tenant"].(string)
		return next(context.WithValue(ctx, tenantKey{}, tenant), r)
	}
}

func (tenancy) TaskSuccess(_ context.Context, r *umbel.Request, o *umbel.Outcome) {
	fmt.Println(r.DisplayName(), "succeeded")
}

// Middleware is any value with one or more of a dozen small interfaces, one for each of Celery's signals.
func ExampleApp_Use() {
	app := umbel.New("shop", umbel.WithConfig(umbel.Config{}))
	app.Use(tenancy{})
	app.Eager(true) // for this example
	greet := umbel.Register(app, "greet", func(ctx context.Context, name string) (string, error) {
		return fmt.Sprintf("hello %s of %v", name, ctx.Value(tenantKey{})), nil
	})

	ctx := context.Background()
	result, _ := greet.Send(ctx, "Ada", umbel.Header("tenant", "acme"))
	fmt.Println(result.Get(ctx))
	// Output:
	// greet succeeded
	// hello Ada of acme <nil>
}
