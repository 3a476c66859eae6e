package umbel_test

import (
	"context"
	"fmt"

	"github.com/umbel-go/umbel"
)

// A group: all at once, and the results in the order of its members.
func ExampleGroupOf() {
	app := umbel.New("sums", umbel.WithConfig(umbel.Config{BrokerURL: []string{"memory://"}}))
	app.Eager(true)
	square := umbel.Register(app, "square", func(_ context.Context, n int) (int, error) { return n * n, nil })

	results, err := umbel.GroupOf(square.S(2), square.S(3), square.S(4)).Send(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(results.Get(context.Background()))
	// Output: [4 9 16] <nil>
}

// Callbacks: one for success, which gets the result, one for failure.
func ExampleTypedSignature_Link() {
	app := umbel.New("shop", umbel.WithConfig(umbel.Config{BrokerURL: []string{"memory://"}}))
	app.Eager(true)
	total := umbel.Register(app, "total", func(_ context.Context, n int) (int, error) { return n * 10, nil })
	notify := umbel.Register(app, "notify", func(_ context.Context, sum int) (struct{}, error) {
		fmt.Println("total is", sum)
		return struct{}{}, nil
	})

	if _, err := total.S(4).Link(notify.S()).Send(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: total is 40
}
