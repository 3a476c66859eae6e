package manual

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel"
	_ "github.com/umbel-go/umbel/backend/memory"
	_ "github.com/umbel-go/umbel/broker/amqp"
	_ "github.com/umbel-go/umbel/broker/memory"
	"github.com/umbel-go/umbel/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience only decides how long a failing test takes.
const patience = 2 * time.Minute

func newApp(t *testing.T, c umbel.Config) *umbel.App {
	t.Helper()
	app := umbel.New("manual", umbel.WithConfig(c), umbel.WithLogger(slog.New(slog.DiscardHandler)))
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Errorf("close app: %v", err)
		}
	})
	return app
}

// runs something until the test ends.
func runs(t *testing.T, what string, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(patience):
			t.Errorf("%s does not end", what)
		}
	})
}

// startWorker runs a worker and waits until it consumes.
func startWorker(t *testing.T, app *umbel.App, c worker.Config) *worker.Worker {
	t.Helper()
	ready := make(chan struct{})
	c.OnReady = func() { close(ready) }
	w := worker.New(app, c)
	runs(t, "worker", w.Run)
	select {
	case <-ready:
	case <-time.After(patience):
		t.Fatal("the worker is not ready")
	}
	return w
}
