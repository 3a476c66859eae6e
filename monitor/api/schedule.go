package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/umbel-go/umbel/monitor/history"
)

// Schedules are what a scheduler sends, and may be told. Beat has them; who runs the monitor hands them over, because things that
// run do not know each other. Celery: beat.
type Schedules interface {
	// List tells of all entries by name, and of who sends them: "" when nobody does.
	List(ctx context.Context) (list []Schedule, leader string, err error)

	Pause(ctx context.Context, name string) error
	Resume(ctx context.Context, name string) error

	// Run sends an entry's task now, beside its schedule, and returns its id.
	Run(ctx context.Context, name string) (id string, err error)

	// Entry is all of one entry.
	Entry(ctx context.Context, name string) (*Entry, error)

	// Add adds an entry, its keys named and written as in the setting beat_schedule; Edit changes some of an entry's keys, and nil makes
	// one default again. Both return the entry as it is then; with dry it is not written. What is wrong with keys is an *EntryError.
	Add(ctx context.Context, name string, keys map[string]any, dry bool) (*Entry, error)
	Edit(ctx context.Context, name string, changes map[string]any, dry bool) (*Entry, error)

	// Remove removes an entry that was added at run time. Of one from settings or file it takes back what was changed at run time:
	// it is restored.
	Remove(ctx context.Context, name string) (restored bool, err error)
}

var (
	// ErrNoSchedule: there is no entry of that name.
	ErrNoSchedule = errors.New("there is no such entry")

	// ErrScheduleExists: there is an entry of that name.
	ErrScheduleExists = errors.New("there is an entry of that name")

	// ErrScheduleKept: the entry is from settings or file, and nothing of it was changed at run time.
	ErrScheduleKept = errors.New("the entry is removed where it is from")
)

// A Schedule is one entry.
type Schedule struct {
	Name, Task, When string
	Source           string // "settings", "file", "store" or "built in": who can remove it
	Edited           bool   // at run time
	Paused           bool
	Problem          string // why it is not sent
	Next, Last       time.Time
	Sent             time.Time // when the task of Last was
	ID               string    // of that task
	Count            int64     // of tasks that were sent
}

func describe(s *Schedule) schedule {
	return schedule{Name: s.Name, Task: s.Task, When: s.When, Source: s.Source, Edited: s.Edited, Paused: s.Paused, Problem: s.Problem,
		Next: unix(s.Next), Last: unix(s.Last), Sent: unix(s.Sent), ID: s.ID, Count: s.Count}
}

type schedule struct {
	Name    string   `json:"name"`
	Task    string   `json:"task"`
	When    string   `json:"when"`
	Source  string   `json:"source"`
	Edited  bool     `json:"edited"`
	Paused  bool     `json:"paused"`
	Problem string   `json:"problem"`
	Next    *float64 `json:"next"` // null: never, or not while it is paused
	Last    *float64 `json:"last"`
	Sent    *float64 `json:"sent"`
	ID      string   `json:"id"`
	Count   int64    `json:"count"`
}

func (a *API) schedules(w http.ResponseWriter, r *http.Request) {
	list := []schedule{}
	leader, why := "", ""
	if a.Schedules != nil {
		ctx, cancel := context.WithTimeout(r.Context(), actWithin)
		defer cancel()
		all, who, err := a.Schedules.List(ctx)
		if err != nil {
			why = err.Error()
		}
		for i := range all {
			list = append(list, describe(&all[i]))
		}
		leader = who
	}
	reply(w, http.StatusOK, map[string]any{"schedules": list, "leader": leader, "known": a.Schedules != nil && why == "", "error": why})
}

// entry does something with one entry.
func (a *API) entry(action, past string, do func(ctx context.Context, name string) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !Decode(w, r, &struct{}{}) || !a.scheduled(w) {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actWithin)
		defer cancel()
		name := r.PathValue("name")
		id, err := do(ctx, name)
		if a.faulty(w, err) {
			return
		}
		text := past + " " + name
		if id != "" {
			text += " as " + id
		}
		a.finish(w, r, history.Act{Action: action, Target: name, Detail: id}, err, map[string]any{"message": text, "id": id})
	}
}

func (a *API) pauseEntry(ctx context.Context, name string) (string, error) {
	return "", a.Schedules.Pause(ctx, name)
}

func (a *API) resumeEntry(ctx context.Context, name string) (string, error) {
	return "", a.Schedules.Resume(ctx, name)
}

func (a *API) runEntry(ctx context.Context, name string) (string, error) {
	return a.Schedules.Run(ctx, name)
}
