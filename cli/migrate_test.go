//go:build unix

package cli_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// The names that workers have registered are asked of them, and a task without a source gets a stub.
func TestTasksOfLiveWorkersAreMigrated(t *testing.T) {
	r := testenv.RabbitMQ(t)
	app := umbel.New("old", umbel.WithConfig(umbel.Config{BrokerURL: []string{r.URL()}, ResultBackend: "disabled"}))
	app.SetLogger(slog.New(slog.DiscardHandler))
	umbel.Register(app, "legacy.sync", func(context.Context, umbel.Args) (any, error) { return nil, nil })
	ready, ended := make(chan struct{}), make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { ended <- worker.New(app, worker.Config{OnReady: func() { close(ready) }}).Run(ctx) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "go")
	code, out, errs := umbelRun(t, "-b", r.URL(), "migrate", "celery", "--live", "-o", dir)
	if code != 0 || !strings.Contains(out, "1 task, 1 thing needs a hand") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	text, err := os.ReadFile(filepath.Join(dir, "tasks", "legacy.go"))
	if err != nil || !strings.Contains(string(text), `umbel.Register(App, "legacy.sync", sync)`) || !strings.Contains(string(text), "in umbel.Args") {
		t.Errorf("%v\n%s", err, text)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := app.Close(); err != nil {
		t.Error(err)
	}
	if code, _, errs := umbelRun(t, "-b", r.URL(), "migrate", "celery", "--live"); code != 69 || !strings.Contains(errs, "no worker has answered") {
		t.Errorf("nobody there: exit code %d, %s", code, errs)
	}
}
