package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHelloIsSaidByAWorker(t *testing.T) {
	err := app.Configure(umbel.Config{BrokerURL: []string{"sqlite://" + t.TempDir() + "/umbel.db"}})
	if err != nil {
		t.Fatal(err)
	}
	app.SetLogger(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	stopped := make(chan error, 1)
	w := worker.New(app, worker.Config{})
	go func() { stopped <- w.Run(ctx) }()

	result, err := greet.Send(ctx, greeting{Name: "Ada"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := result.Get(ctx)
	if err != nil || text != "Hello, Ada!" {
		t.Errorf("got %q, %v", text, err)
	}
	w.Stop(worker.Warm)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := app.Close(); err != nil {
		t.Error(err)
	}
}
