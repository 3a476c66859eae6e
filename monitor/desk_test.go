package monitor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/umbel-go/umbel/internal/schedule"
	"github.com/umbel-go/umbel/monitor/api"
)

// A desk stands for beat, and reads entries as beat does: package cli has the real one, and its tests.
type desk struct {
	mu    sync.Mutex // guards what follows
	list  []api.Schedule
	keys  map[string]map[string]any // of entries, as they stand
	first map[string]map[string]any // of those that settings and file have, as those have them
}

func newDesk() *desk {
	now := time.Now()
	d := &desk{list: []api.Schedule{
		{Name: "cleanup", Task: "apps.stock.tasks.reserve", When: "1h", Source: "file", Next: now.Add(25 * time.Minute), Last: now.Add(-35 * time.Minute), Sent: now.Add(-35 * time.Minute), ID: "f10a-root", Count: 812},
		{Name: "misspelt", Task: "apps.reports.tasks.build_report", When: "0 25 * * *", Source: "settings", Problem: "hour: 25 is not between 0 and 23"},
		{Name: "nightly-report", Task: "apps.reports.tasks.build_report", When: "0 4 * * mon-fri", Source: "settings", Next: now.Add(9 * time.Hour), Last: now.Add(-15 * time.Hour), Sent: now.Add(-15 * time.Hour), ID: "f10a-pay", Count: 211},
		{Name: "sunset-lights", Task: "apps.house.tasks.lights", When: "sunset 52.52 13.405", Source: "store", Paused: true},
	}, keys: make(map[string]map[string]any), first: make(map[string]map[string]any)}
	for _, s := range d.list {
		d.keys[s.Name] = map[string]any{"task": s.Task, "schedule": s.When}
		if s.Paused {
			d.keys[s.Name]["enabled"] = false
		}
		if s.Source != "store" {
			d.first[s.Name] = maps.Clone(d.keys[s.Name])
		}
	}
	d.keys["nightly-report"]["kwargs"] = map[string]any{"format": "pdf", "password": "hunter2"}
	d.keys["nightly-report"]["options"] = map[string]any{"queue": "reports", "expires": float64(3600)}
	return d
}

func (d *desk) List(context.Context) ([]api.Schedule, string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list), "beat@shop-1", nil
}

func (d *desk) set(name string, f func(*api.Schedule)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.list {
		if d.list[i].Name == name {
			f(&d.list[i])
			return nil
		}
	}
	return api.ErrNoSchedule
}

func (d *desk) Pause(_ context.Context, name string) error {
	return d.set(name, func(s *api.Schedule) { s.Paused = true })
}

func (d *desk) Resume(_ context.Context, name string) error {
	return d.set(name, func(s *api.Schedule) { s.Paused = false })
}

func (d *desk) Run(_ context.Context, name string) (string, error) {
	return "run-1", d.set(name, func(s *api.Schedule) { s.Count++ })
}

// plain are keys as settings are read.
func plain(keys map[string]any) (out map[string]any) {
	text, _ := json.Marshal(keys)
	_ = json.Unmarshal(text, &out)
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == nil })
	return out
}

// entry is an entry of these keys.
func (d *desk) entry(s api.Schedule, keys map[string]any) (*api.Entry, error) {
	read, faults := schedule.Read(s.Name, keys, time.UTC)
	e := &api.Entry{Schedule: s, Keys: keys, Zone: "UTC"}
	if len(faults) > 0 {
		wrong := &api.EntryError{}
		for _, f := range faults {
			if f.Key == "" {
				f.Key = "name"
			}
			wrong.Faults = append(wrong.Faults, api.Fault{Field: f.Key, Error: f.Text})
		}
		return e, wrong
	}
	e.Task, e.When, e.Paused, e.Keys = read.Task, read.Schedule, read.Disabled, read.Plain()
	if read.Timezone != "" {
		e.Zone = read.Timezone
	}
	due, err := read.Due(time.UTC)
	if err != nil {
		return nil, err
	}
	loc, err := read.Location(time.UTC)
	if err != nil {
		return nil, err
	}
	at := time.Now()
	for range api.DueTimes {
		if at = due.After(at, at); at.IsZero() {
			break
		}
		e.Due = append(e.Due, at.In(loc))
	}
	if len(e.Due) > 0 && !e.Paused {
		e.Next = e.Due[0]
	}
	return e, nil
}

func (d *desk) at(name string) int {
	return slices.IndexFunc(d.list, func(s api.Schedule) bool { return s.Name == name })
}

func (d *desk) Entry(_ context.Context, name string) (*api.Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.at(name)
	if i < 0 {
		return nil, api.ErrNoSchedule
	}
	e, _ := d.entry(d.list[i], d.keys[name]) // one that cannot be used is shown too
	return e, nil
}

func (d *desk) Add(_ context.Context, name string, keys map[string]any, dry bool) (*api.Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at(name) >= 0 {
		return nil, api.ErrScheduleExists
	}
	e, err := d.entry(api.Schedule{Name: name, Source: "store"}, plain(keys))
	if err == nil && !dry {
		d.list = append(d.list, e.Schedule)
		d.keys[name] = e.Keys
	}
	return e, err
}

func (d *desk) Edit(_ context.Context, name string, changes map[string]any, dry bool) (*api.Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.at(name)
	if i < 0 {
		return nil, api.ErrNoSchedule
	}
	keys := maps.Clone(d.keys[name])
	maps.Copy(keys, changes)
	s := d.list[i]
	s.Problem, s.Edited = "", s.Source != "store"
	e, err := d.entry(s, plain(keys))
	if err == nil && !dry {
		d.list[i], d.keys[name] = e.Schedule, e.Keys
	}
	return e, err
}

func (d *desk) Remove(_ context.Context, name string) (restored bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.at(name)
	switch {
	case i < 0:
		return false, api.ErrNoSchedule
	case d.list[i].Source == "store":
		d.list = slices.Delete(d.list, i, i+1)
		delete(d.keys, name)
		return false, nil
	case !d.list[i].Edited:
		return false, fmt.Errorf("%w: it is from %s", api.ErrScheduleKept, d.list[i].Source)
	}
	s := d.list[i]
	s.Edited = false
	e, _ := d.entry(s, maps.Clone(d.first[name]))
	d.list[i], d.keys[name] = e.Schedule, e.Keys
	return true, nil
}

// stored are the keys of an entry as they are kept.
func (d *desk) stored(name string) map[string]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.keys[name])
}
