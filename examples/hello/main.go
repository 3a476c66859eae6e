// Command hello is the smallest program with a task.
//
//	go run ./examples/hello worker                                   # in one terminal
//	go run ./examples/hello call hello.greet '{"name": "Ada"}' --wait   # in another: "Hello, Ada!"
package main

import (
	"context"
	"fmt"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
)

var app = umbel.New("hello") // no settings: tasks and results live in umbel.db

type greeting struct {
	Name string `json:"name"`
}

var greet = umbel.Register(app, "hello.greet", func(_ context.Context, g greeting) (string, error) {
	return fmt.Sprintf("Hello, %s!", g.Name), nil
})

func main() { cli.Main(app) }
