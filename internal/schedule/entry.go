package schedule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// An Entry is one task that is sent by schedule, as settings, files and stores hold it.
type Entry struct {
	Name, Task, Schedule string
	Args                 []any
	Kwargs               map[string]any
	Options              map[string]any
	Relative             bool
	Timezone             string
	Start, End           time.Time
	Jitter               time.Duration
	Disabled             bool
	Overlap              string
	Missed               string
	Deadline             time.Duration
}

// What an entry does when its previous task has not ended.
const (
	Allow  = "allow"
	Skip   = "skip"
	Queue  = "queue"
	Cancel = "cancel"
)

// What becomes of due times at which nobody led; Skip is one of them.
const (
	Last = "last"
	All  = "all"
)

// A FieldError is what is wrong with one key of an entry.
type FieldError struct {
	Key  string // with the option's name after a dot
	Text string

	Unknown string   // the name that is not known
	Known   []string // those that are
}

func (e *FieldError) Error() string {
	switch {
	case e.Key == "":
		return e.Text
	case e.Unknown != "":
		return e.Key + " " + e.Text
	}
	return e.Key + ": " + e.Text
}

// Faults are the FieldErrors that an error is made of.
func Faults(err error) []*FieldError {
	switch e := err.(type) {
	case *FieldError:
		return []*FieldError{e}
	case interface{ Unwrap() []error }:
		var all []*FieldError
		for _, one := range e.Unwrap() {
			all = append(all, Faults(one)...)
		}
		return all
	case interface{ Unwrap() error }:
		return Faults(e.Unwrap())
	}
	return nil
}

// keys are what an entry may hold.
var keys = []string{"task", "schedule", "args", "kwargs", "options", "relative", "timezone", "start", "end", "jitter", "enabled",
	"overlap", "missed", "deadline"}

// Keys are the names that Read knows, in the order of the manual.
func Keys() []string { return slices.Clone(keys) }

// Read makes an entry of plain values: nil, bool, int64, float64, string, []any, map[string]any. zone is the location of
// entries without a timezone. The errors are FieldErrors, all of them.
func Read(name string, m map[string]any, zone *time.Location) (Entry, []*FieldError) {
	r := reader{}
	e := Entry{Name: name}
	if strings.TrimSpace(name) == "" {
		r.fail("", "an entry has no name")
	}
	loc := zone
	if v := m["timezone"]; v != nil {
		e.Timezone, _ = v.(string)
		var err error
		if loc, err = time.LoadLocation(e.Timezone); err != nil || e.Timezone == "" {
			r.fail("timezone", "%v is not a time zone: write an IANA name such as Europe/Berlin", v)
			loc = zone
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		v := m[key]
		if v == nil {
			continue
		}
		switch key {
		case "task":
			e.Task = r.text(key, v)
		case "schedule":
			e.Schedule = r.schedule(key, v)
		case "args":
			e.Args = r.list(key, v)
		case "kwargs":
			e.Kwargs = r.table(key, v)
		case "options":
			e.Options = r.table(key, v)
			r.options(e.Options)
		case "relative":
			e.Relative = r.boolean(key, v)
		case "enabled":
			e.Disabled = !r.boolean(key, v)
		case "start":
			e.Start = r.time(key, v, loc)
		case "end":
			e.End = r.time(key, v, loc)
		case "jitter":
			e.Jitter = r.seconds(key, v)
		case "deadline":
			e.Deadline = r.seconds(key, v)
		case "overlap":
			e.Overlap = r.oneOf(key, v, Allow, Skip, Queue, Cancel)
		case "missed":
			e.Missed = r.oneOf(key, v, Skip, Last, All)
		case "timezone":
		default:
			r.unknown(key, "", keys)
		}
	}
	if e.Task == "" {
		r.fail("task", "which task is to be sent?")
	}
	if m["schedule"] == nil {
		r.fail("schedule", "when is it due? want %s", forms)
	} else if e.Schedule != "" {
		if _, err := Parse(e.Schedule, loc, e.Relative); err != nil {
			r.fail("schedule", "%v", err)
		}
	}
	if !e.Start.IsZero() && !e.End.IsZero() && !e.End.After(e.Start) {
		r.fail("end", "%s is not after start, %s", e.End.Format(time.RFC3339), e.Start.Format(time.RFC3339))
	}
	return e, r.errs
}

// Check reads the entry as Read does, and joins what is wrong.
func (e Entry) Check(zone *time.Location) error {
	_, errs := Read(e.Name, e.Plain(), zone)
	all := make([]error, len(errs))
	for i, err := range errs {
		all[i] = err
	}
	return errors.Join(all...)
}

// Location is the zone of the entry's clocks.
func (e Entry) Location(zone *time.Location) (*time.Location, error) {
	if e.Timezone == "" {
		return zone, nil
	}
	return time.LoadLocation(e.Timezone)
}

// Due is the entry's schedule.
func (e Entry) Due(zone *time.Location) (Schedule, error) {
	loc, err := e.Location(zone)
	if err != nil {
		return nil, fmt.Errorf("timezone: %w", err)
	}
	return Parse(e.Schedule, loc, e.Relative)
}

// Plain is the entry as Read takes it; what is default is left out.
func (e Entry) Plain() map[string]any {
	m := map[string]any{"task": e.Task, "schedule": e.Schedule}
	put := func(key string, v any, set bool) {
		if set {
			m[key] = v
		}
	}
	put("args", e.Args, len(e.Args) > 0)
	put("kwargs", e.Kwargs, len(e.Kwargs) > 0)
	put("options", e.Options, len(e.Options) > 0)
	put("relative", true, e.Relative)
	put("timezone", e.Timezone, e.Timezone != "")
	put("start", e.Start.Format(time.RFC3339Nano), !e.Start.IsZero())
	put("end", e.End.Format(time.RFC3339Nano), !e.End.IsZero())
	put("jitter", e.Jitter.Seconds(), e.Jitter != 0)
	put("enabled", false, e.Disabled)
	put("overlap", e.Overlap, e.Overlap != "")
	put("missed", e.Missed, e.Missed != "")
	put("deadline", e.Deadline.Seconds(), e.Deadline != 0)
	return m
}
