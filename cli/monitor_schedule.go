package cli

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/beat"
	"github.com/umbel-go/umbel/monitor/api"
)

// schedules hand beat's schedule to the monitor. It is opened when it is first asked for, and stays open.
type schedules struct {
	app *umbel.App

	mu    sync.Mutex // guards table, and is held while it is used
	table *beat.Timetable
}

// open opens the timetable. It is nil where there is none, so that a monitor makes no file only to find it empty.
func (s *schedules) open(ctx context.Context) (*beat.Timetable, error) {
	if s.table != nil {
		return s.table, nil
	}
	c, err := s.app.Config()
	if err != nil {
		return nil, err
	}
	if len(c.BeatSchedule) == 0 && c.BeatScheduleFile == "" && c.BeatScheduleFilename == "" && (c.ResultBackend == "" || strings.HasPrefix(c.ResultBackend, "rpc")) {
		if _, err := os.Stat(beat.DefaultFile); errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
	}
	s.table, err = beat.OpenTimetable(ctx, s.app, beat.Config{})
	return s.table, err
}

func (s *schedules) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table == nil {
		return nil
	}
	return s.table.Close()
}

// List implements api.Schedules.
func (s *schedules) List(ctx context.Context) (list []api.Schedule, leader string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.open(ctx)
	if err != nil || t == nil {
		return nil, "", err
	}
	items, err := t.List(ctx)
	if err != nil {
		return nil, "", err
	}
	for _, it := range items {
		one := api.Schedule{Name: it.Name, Task: it.Task, When: it.Schedule, Source: it.Source, Edited: it.Edited, Paused: it.Disabled, Next: it.Next, Last: it.Last,
			Sent: it.Sent, ID: it.ID, Count: it.Count}
		if it.Err != nil {
			one.Problem = it.Err.Error()
		}
		list = append(list, one)
	}
	leader, err = t.Leader(ctx)
	return list, leader, err
}

// with does something with an entry.
func (s *schedules) with(ctx context.Context, f func(*beat.Timetable) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.open(ctx)
	if err != nil {
		return err
	}
	if t == nil {
		return api.ErrNoSchedule
	}
	if err = f(t); errors.Is(err, beat.ErrNoEntry) {
		return errors.Join(api.ErrNoSchedule, err)
	}
	return err
}

// Pause implements api.Schedules.
func (s *schedules) Pause(ctx context.Context, name string) error {
	return s.with(ctx, func(t *beat.Timetable) error { return t.Pause(ctx, name) })
}

// Resume implements api.Schedules.
func (s *schedules) Resume(ctx context.Context, name string) error {
	return s.with(ctx, func(t *beat.Timetable) error { return t.Resume(ctx, name) })
}

// Run implements api.Schedules.
func (s *schedules) Run(ctx context.Context, name string) (id string, err error) {
	err = s.with(ctx, func(t *beat.Timetable) error {
		r, err := t.Run(ctx, name)
		if err == nil {
			id = r.ID()
		}
		return err
	})
	return id, err
}
