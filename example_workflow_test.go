package umbel_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/umbel-go/umbel"
)

// A chord: the words are shouted at once, then joined in their order. Eager mode runs it here, without a broker.
func ExampleChordOf() {
	app := umbel.New("shouting", umbel.WithConfig(umbel.Config{BrokerURL: []string{"memory://"}}))
	app.Eager(true)
	shout := umbel.Register(app, "shout", func(_ context.Context, word string) (string, error) { return strings.ToUpper(word), nil })
	join := umbel.Register(app, "join", func(_ context.Context, words []string) (string, error) { return strings.Join(words, " "), nil })

	result, err := umbel.ChordOf(umbel.Group(shout.S("hello"), shout.S("world")), join.S()).Send(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Get(context.Background()))
	// Output: HELLO WORLD <nil>
}

// A chain: each step gets the result of the one before in front of its own arguments.
func ExampleThen() {
	app := umbel.New("sums", umbel.WithConfig(umbel.Config{BrokerURL: []string{"memory://"}}))
	app.Eager(true)
	type pair struct {
		X int `json:"x"`
		Y int `json:"y"`
	}
	add := umbel.Register(app, "add", func(_ context.Context, in pair) (int, error) { return in.X + in.Y, nil })

	result, err := umbel.Then(add.S(pair{2, 3}), add.Partial(umbel.Args{10})).Send(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Get(context.Background()))
	// Output: 15 <nil>
}
