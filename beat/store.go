package beat

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
)

// DefaultFile holds the schedule where results are not stored and beat_schedule_filename names no other file.
const DefaultFile = "umbel-schedule.db"

// openStore opens what beat_schedule_filename names, else the app's result store, else a file.
func openStore(ctx context.Context, app *umbel.App, c *umbel.Config) (s backend.Schedules, close func() error, err error) {
	where := c.BeatScheduleFilename
	if where == "" && keepsResults(c) || where == c.ResultBackend {
		b, err := app.Backend(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("open the schedule's store: %w", err)
		}
		if s, ok := b.(backend.Schedules); ok {
			return s, func() error { return nil }, nil // the app closes it
		}
		if where != "" {
			return nil, nil, fmt.Errorf("beat_schedule_filename: %s keeps no schedules: name a Redis, SQLite or PostgreSQL store", where)
		}
	}
	if where == "" {
		where = DefaultFile
	}
	if !strings.Contains(where, "://") {
		where = "sqlite://" + (&url.URL{Path: where}).EscapedPath()
	}
	b, err := backend.Open(ctx, backend.Config{URL: where, Log: app.Logger(), ConnectTimeout: c.BrokerConnectionTimeout})
	if err != nil {
		return nil, nil, fmt.Errorf("open the schedule's store (beat_schedule_filename): %w", err)
	}
	s, ok := b.(backend.Schedules)
	if !ok {
		_ = b.Close() // it is of no use either way
		return nil, nil, fmt.Errorf("beat_schedule_filename: %s keeps no schedules: name a Redis, SQLite or PostgreSQL store", where)
	}
	return s, b.Close, nil
}
