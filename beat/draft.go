package beat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/schedule"
)

// A Draft is a change of one entry that was checked and is not written yet.
type Draft struct {
	// Item is the entry as it would be; what is known of its past is not in it.
	Item

	t      *Timetable
	record map[string]any // to be written
}

// DraftNew is a new entry, its keys named and written as in settings. The error is ErrEntryExists when there is one of its name, else
// it says all that is wrong with the keys.
func (t *Timetable) DraftNew(ctx context.Context, name string, keys map[string]any) (*Draft, error) {
	all, _, err := t.read(ctx)
	if err != nil {
		return nil, err
	}
	if l := all[name]; l != nil {
		return nil, fmt.Errorf("schedule %q: %w, %q, from %s: edit it, or choose another name", t.s.Name, ErrEntryExists, name, l.source)
	}
	record := numbers(maps.Clone(keys)).(map[string]any)
	maps.DeleteFunc(record, func(_ string, v any) bool { return v == nil })
	return t.draft(name, record, nil)
}

// DraftEdit is an entry with some of its keys changed, named and written as in settings; nil makes one default again. The error is
// ErrNoEntry when there is none of its name, else it says all that is wrong with the keys.
func (t *Timetable) DraftEdit(ctx context.Context, name string, changes map[string]any) (*Draft, error) {
	l, records, err := t.find(ctx, name)
	if err != nil {
		return nil, err
	}
	record := map[string]any{}
	if text := records[name]; text != nil {
		if record, _, err = decodeRecord(text); err != nil {
			return nil, err
		}
	}
	maps.Copy(record, numbers(maps.Clone(changes)).(map[string]any))
	if l.source == fromStore {
		maps.DeleteFunc(record, func(_ string, v any) bool { return v == nil })
	}
	return t.draft(name, record, l)
}

// draft checks a record. base is the entry as it stands.
func (t *Timetable) draft(name string, record map[string]any, base *listed) (*Draft, error) {
	whole := maps.Clone(record)
	if base != nil && base.source != fromStore {
		whole = schedule.Entry(base.entry).Plain()
		maps.Copy(whole, record)
	}
	e, err := readEntry(name, whole, t.s.zone)
	if paused := base != nil && e.Disabled && !base.entry.Disabled; err == nil && !paused {
		err = t.useful(e)
	}
	if err != nil {
		return nil, fmt.Errorf("entry %q: %w", name, err)
	}
	i := Item{ScheduleEntry: e, Source: fromStore}
	if base != nil {
		i.Source, i.Edited = base.source, base.source != fromStore
	}
	return &Draft{Item: i, t: t, record: record}, nil
}

// useful says why an entry that is right would never be sent, or nil.
func (t *Timetable) useful(e umbel.ScheduleEntry) error {
	if err := t.s.canTell(e); err != nil {
		return err
	}
	due, err := schedule.Entry(e).Due(t.s.zone)
	if err != nil {
		return &schedule.FieldError{Key: "schedule", Text: err.Error()}
	}
	now := time.Now()
	it := item{entry: e, due: due, index: -1, state: state{Last: now}}
	switch {
	case due.After(now, now).IsZero():
		return &schedule.FieldError{Key: "schedule", Text: e.Schedule + " has passed: it would never be sent"}
	case !e.End.IsZero() && it.next(now).IsZero():
		return &schedule.FieldError{Key: "end", Text: "it is not due any more before " + e.End.Format(time.RFC3339) + ": it would never be sent"}
	}
	return nil
}

// Write makes the draft what schedulers send. What was due before is not made up for.
func (d *Draft) Write(ctx context.Context) error {
	text, err := encodeRecord(d.record, time.Now())
	if err != nil {
		return fmt.Errorf("entry %q: %w", d.Name, err)
	}
	return d.t.s.store.WriteSchedule(ctx, d.t.s.Name, backend.ScheduleEntries, 0, map[string][]byte{d.Name: text})
}

// Next are the next n due times of the entry if it were written now, by its own clocks and without jitter; of one that is disabled,
// those that it would have otherwise.
func (d *Draft) Next(ctx context.Context, n int) ([]time.Time, error) {
	states, err := d.t.s.store.ReadSchedule(ctx, d.t.s.Name, backend.ScheduleStates)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	l := &listed{entry: d.ScheduleEntry, since: now}
	l.entry.Disabled = false
	i := d.t.item(l, states[d.Name], now)
	return d.t.series(i, n)
}

// series are an item's next due times.
func (t *Timetable) series(i Item, n int) ([]time.Time, error) {
	if i.Err != nil {
		return nil, fmt.Errorf("entry %q: %w", i.Name, i.Err)
	}
	due, err1 := schedule.Entry(i.ScheduleEntry).Due(t.s.zone)
	loc, err2 := schedule.Entry(i.ScheduleEntry).Location(t.s.zone)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	it := item{entry: i.ScheduleEntry, due: due, index: -1, state: state{Last: i.Next}}
	var out []time.Time
	for at := i.Next; !at.IsZero() && len(out) < n; at = it.next(at) {
		out = append(out, at.In(loc))
		it.state.Last = at
	}
	return out, nil
}
