package cli

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"
	"sync"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/beat"
	"github.com/umbel-go/umbel/internal/schedule"
	"github.com/umbel-go/umbel/monitor/api"
)

// schedules hand beat's schedule to the monitor. It is opened when it is first asked for, and stays open.
type schedules struct {
	app *umbel.App

	mu    sync.Mutex // guards table, and is held while it is used
	table *beat.Timetable
}

// open opens the timetable. It is nil where there is none, so that a monitor makes no file only to find it empty; with anew one is made.
func (s *schedules) open(ctx context.Context, anew bool) (*beat.Timetable, error) {
	if s.table != nil {
		return s.table, nil
	}
	c, err := s.app.Config()
	if err != nil {
		return nil, err
	}
	if !anew && len(c.BeatSchedule) == 0 && c.BeatScheduleFile == "" && c.BeatScheduleFilename == "" && (c.ResultBackend == "" || strings.HasPrefix(c.ResultBackend, "rpc")) {
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
	t, err := s.open(ctx, false)
	if err != nil || t == nil {
		return nil, "", err
	}
	items, err := t.List(ctx)
	if err != nil {
		return nil, "", err
	}
	for i := range items {
		list = append(list, scheduleOf(&items[i]))
	}
	leader, err = t.Leader(ctx)
	return list, leader, err
}

func scheduleOf(it *beat.Item) api.Schedule {
	one := api.Schedule{Name: it.Name, Task: it.Task, When: it.Schedule, Source: it.Source, Edited: it.Edited, Paused: it.Disabled, Next: it.Next, Last: it.Last,
		Sent: it.Sent, ID: it.ID, Count: it.Count}
	if it.Err != nil {
		one.Problem = it.Err.Error()
	}
	return one
}

// with does something with an entry.
func (s *schedules) with(ctx context.Context, f func(*beat.Timetable) error) error {
	return s.use(ctx, false, f)
}

func (s *schedules) use(ctx context.Context, anew bool, f func(*beat.Timetable) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.open(ctx, anew)
	if err != nil {
		return err
	}
	if t == nil {
		return api.ErrNoSchedule
	}
	return told(f(t))
}

// A knownError is one of beat's that the monitor has a name for.
type knownError struct {
	error
	as error
}

func (e knownError) Is(target error) bool { return target == e.as }

// told is an error of beat's as the monitor knows it.
func told(err error) error {
	switch {
	case errors.Is(err, beat.ErrNoEntry):
		return knownError{err, api.ErrNoSchedule}
	case errors.Is(err, beat.ErrEntryExists):
		return knownError{err, api.ErrScheduleExists}
	case errors.Is(err, beat.ErrKept):
		return knownError{err, api.ErrScheduleKept}
	}
	if faults := schedule.Faults(err); len(faults) > 0 {
		e := &api.EntryError{}
		for _, f := range faults {
			e.Faults = append(e.Faults, api.Fault{Field: cmp.Or(f.Key, "name"), Error: f.Text})
		}
		return e
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

// Entry implements api.Schedules.
func (s *schedules) Entry(ctx context.Context, name string) (e *api.Entry, err error) {
	err = s.with(ctx, func(t *beat.Timetable) error {
		it, err := t.Get(ctx, name)
		if err != nil {
			return err
		}
		e = s.entry(t, &it)
		if it.Err == nil {
			e.Due, err = t.Next(ctx, name, api.DueTimes)
		}
		return err
	})
	return e, err
}

func (s *schedules) entry(t *beat.Timetable, it *beat.Item) *api.Entry {
	e := &api.Entry{Schedule: scheduleOf(it), Keys: schedule.Entry(it.ScheduleEntry).Plain(), Zone: t.Zone().String()}
	if it.Timezone != "" {
		e.Zone = it.Timezone
	}
	return e
}

// Add implements api.Schedules.
func (s *schedules) Add(ctx context.Context, name string, keys map[string]any, dry bool) (*api.Entry, error) {
	return s.write(ctx, !dry, func(t *beat.Timetable) (*beat.Draft, error) { return t.DraftNew(ctx, name, keys) })
}

// Edit implements api.Schedules.
func (s *schedules) Edit(ctx context.Context, name string, changes map[string]any, dry bool) (*api.Entry, error) {
	return s.write(ctx, !dry, func(t *beat.Timetable) (*beat.Draft, error) { return t.DraftEdit(ctx, name, changes) })
}

func (s *schedules) write(ctx context.Context, really bool, draft func(*beat.Timetable) (*beat.Draft, error)) (e *api.Entry, err error) {
	err = s.use(ctx, true, func(t *beat.Timetable) error {
		d, err := draft(t)
		if err != nil {
			return err
		}
		due, err := d.Next(ctx, api.DueTimes)
		if err != nil {
			return err
		}
		it := d.Item
		if really {
			if err := d.Write(ctx); err != nil {
				return err
			}
			if it, err = t.Get(ctx, d.Name); err != nil {
				return err
			}
		} else if len(due) > 0 && !it.Disabled {
			it.Next = due[0]
		}
		e = s.entry(t, &it)
		e.Due = due
		return nil
	})
	return e, err
}

// Remove implements api.Schedules.
func (s *schedules) Remove(ctx context.Context, name string) (restored bool, err error) {
	err = s.with(ctx, func(t *beat.Timetable) error {
		restored, err = t.Remove(ctx, name)
		return err
	})
	return restored, err
}
