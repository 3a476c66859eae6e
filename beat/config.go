package beat

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel"
)

// Config says how a Scheduler runs. The zero value takes everything from the app's settings.
type Config struct {
	// Name tells schedules in one store apart. Defaults to beat_name, else to the app's name.
	Name string

	// Holder is what this scheduler is called as a leader. Defaults to host, process id and a random part.
	Holder string

	// Lease is how long the leader may be unheard of before another takes its place, at least 100 ms. It takes over within
	// twice as long. Defaults to beat_lease, 10 s.
	Lease time.Duration

	// Poll is how often the leader looks for entries that were changed at run time, and at the watched file, which is
	// read when it has not changed between two looks. Defaults to 400 ms.
	Poll time.Duration

	// MaxInterval is the longest sleep between two looks at the schedule. Defaults to beat_max_loop_interval, 300 s.
	MaxInterval time.Duration

	// Revoke ends a task for the overlap policy "cancel". Defaults to App.Revoke with Terminate.
	Revoke func(ctx context.Context, id string) error

	// Log is told of every task that is sent. Defaults to the app's log.
	Log *slog.Logger
}

func (c Config) withDefaults(app *umbel.App, s *umbel.Config) Config {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	c.Name = cmp.Or(c.Name, s.BeatName, app.Name())
	c.Holder = cmp.Or(c.Holder, fmt.Sprintf("%s/%d/%s", host, os.Getpid(), uuid.NewString()[:8]))
	c.Lease = max(cmp.Or(c.Lease, s.BeatLease), 100*time.Millisecond)
	c.Poll = cmp.Or(c.Poll, 400*time.Millisecond)
	c.MaxInterval = cmp.Or(c.MaxInterval, s.BeatMaxLoopInterval)
	if c.Revoke == nil {
		c.Revoke = func(ctx context.Context, id string) error { return app.Revoke(ctx, []string{id}, umbel.Terminate()) }
	}
	c.Log = cmp.Or(c.Log, app.Logger())
	return c
}
