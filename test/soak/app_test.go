package soak

import (
	"log/slog"
	"testing"

	"github.com/umbel-go/umbel"
)

// newApp is the lab's own client: it sends by name and reads results.
func newApp(t *testing.T, c umbel.Config) *umbel.App {
	t.Helper()
	app := umbel.New("soak", umbel.WithConfig(c), umbel.WithLogger(slog.New(slog.DiscardHandler)))
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Errorf("close app: %v", err)
		}
	})
	return app
}
