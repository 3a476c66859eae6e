package umbeltest_test

import (
	"context"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/umbeltest"
)

type cart struct {
	Order int `json:"order_id"`
}

// A test of code that sends: nothing leaves, and what would have been sent is looked at.
func ExampleRecord() {
	app := umbel.New("shop", umbel.WithConfig(umbel.Config{}))
	process := umbel.Register(app, "orders.process", func(context.Context, cart) (string, error) { return "", nil })
	checkout := func(ctx context.Context) error {
		_, err := process.Send(ctx, cart{Order: 7})
		return err
	}

	_ = func(t *testing.T) { // TestCheckout
		sent := umbeltest.Record(t, app)
		if err := checkout(t.Context()); err != nil {
			t.Fatal(err)
		}
		umbeltest.RequireSent(t, sent, process, cart{Order: 7})
	}
}
