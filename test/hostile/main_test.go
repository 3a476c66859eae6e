package hostile

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
	"github.com/umbel-go/umbel/worker"
)

// patience only decides how long a failing test takes.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv("HOSTILE_ROLE") == "umbel" {
		cli.Main(umbel.New("umbel")) // this binary is then the program umbel
	}
	goleak.VerifyTestMain(m)
}

func newApp(t *testing.T, c umbel.Config) *umbel.App {
	t.Helper()
	app := umbel.New("hostile", umbel.WithConfig(c), umbel.WithLogger(slog.New(slog.DiscardHandler)))
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Errorf("close app: %v", err)
		}
	})
	return app
}

// start runs a worker until stop, which waits for it.
func start(t *testing.T, app *umbel.App, c worker.Config) (w *worker.Worker, stop func()) {
	t.Helper()
	ready := make(chan struct{})
	c.OnReady = func() { close(ready) }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	w = worker.New(app, c)
	go func() { done <- w.Run(ctx) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		t.Fatalf("worker ended before it was ready: %v", err)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("worker: %v", err)
		}
	})
	t.Cleanup(stop)
	return w, stop
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
