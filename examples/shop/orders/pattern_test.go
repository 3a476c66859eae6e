package orders_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/orders"
)

func TestAServiceThatIsAwayIsAskedAgainThreeTimes(t *testing.T) {
	app := umbel.New("test", umbel.WithConfig(umbel.Config{BrokerURL: []string{"memory://" + t.Name()}}))
	app.Eager(true)
	p := orders.RegisterPatterns(app)
	for failing, attempts := range map[int]int{0: 1, 2: 3, 3: 4, 4: 0} {
		r, err := p.Resilient.Send(t.Context(), orders.Attempt{Failing: failing})
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Get(t.Context())
		var failed *umbel.TaskError
		if given := errors.As(err, &failed) && strings.Contains(failed.Message, "the service is away"); got != attempts || given != (attempts == 0) {
			t.Errorf("away %d times: %d attempts, %v, want %d", failing, got, err, attempts)
		}
	}
	d, err := app.Lookup("apps.orders.tasks.rate_limited_task")
	if err != nil || d == nil {
		t.Fatal(err)
	}
	r, err := p.Limited.Send(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if at, err := r.Get(t.Context()); err != nil || at == "" {
		t.Errorf("got %q, %v", at, err)
	}
}
