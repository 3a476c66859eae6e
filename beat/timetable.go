package beat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/schedule"
	"github.com/umbel-go/umbel/internal/setting"
)

// A Timetable reads and changes an app's schedule while schedulers run. Whoever leads follows within a second.
type Timetable struct {
	s     *Scheduler
	close func() error
}

// An Item is one entry of a Timetable as it stands.
type Item struct {
	umbel.ScheduleEntry
	Source string    // settings, file, store or built in
	Edited bool      // at run time, over what settings or file say
	Err    error     // why it is not sent
	Next   time.Time // when it is next due; zero: never, or not while it is disabled
	Last   time.Time // due time of the task that was sent last; zero: none was
	Sent   time.Time // when that was
	ID     string    // of that task
	Count  int64     // of tasks sent
}

// ErrNoEntry: the schedule has no entry of that name.
var ErrNoEntry = errors.New("no such entry")

// ErrEntryExists: the schedule has an entry of that name.
var ErrEntryExists = errors.New("there is an entry of that name")

// OpenTimetable opens the app's schedule.
func OpenTimetable(ctx context.Context, app *umbel.App, c Config) (*Timetable, error) {
	s := New(app, c)
	closeStore, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	return &Timetable{s, closeStore}, nil
}

// Close lets the store go.
func (t *Timetable) Close() error { return t.close() }

// Name is the schedule's name: beat_name, else the app's.
func (t *Timetable) Name() string { return t.s.Name }

// Leader is the scheduler that leads, "" when none does.
func (t *Timetable) Leader(ctx context.Context) (string, error) {
	l, err := t.s.store.Leader(ctx, t.s.Name)
	return l.Holder, err
}

// List are all entries by name.
func (t *Timetable) List(ctx context.Context) ([]Item, error) {
	all, _, err := t.read(ctx)
	if err != nil {
		return nil, err
	}
	states, err := t.s.store.ReadSchedule(ctx, t.s.Name, backend.ScheduleStates)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	items := make([]Item, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		items = append(items, t.item(all[name], states[name], now))
	}
	return items, nil
}

// read is the schedule of all sources, and the records of the store.
func (t *Timetable) read(ctx context.Context) (map[string]*listed, map[string][]byte, error) {
	if _, err := t.s.declared.refresh(); err != nil {
		return nil, nil, err
	}
	records, err := t.s.store.ReadSchedule(ctx, t.s.Name, backend.ScheduleEntries)
	if err != nil {
		return nil, nil, err
	}
	return merge(append(ownEntries(t.s.settings), t.s.declared.list()...), records, t.s.zone), records, nil
}

func (t *Timetable) item(l *listed, text []byte, now time.Time) Item {
	i := Item{ScheduleEntry: l.entry, Source: l.source, Edited: l.changed, Err: l.err}
	it := item{entry: l.entry, since: l.since, index: -1}
	if text != nil {
		st, err := decodeState(text)
		i.Err = cmp.Or(i.Err, err)
		it.state = st
		if i.ID, i.Sent, i.Count = st.ID, st.Sent, st.Count; st.Count > 0 || st.Open {
			i.Last = st.Last
		}
	}
	if i.Err = cmp.Or(i.Err, t.s.canTell(l.entry)); i.Err != nil {
		return i
	}
	due, err := schedule.Entry(l.entry).Due(t.s.zone)
	if err != nil {
		i.Err = err
		return i
	}
	it.due = due
	(&loop{Scheduler: t.s}).settle(&it, now)
	i.Next = it.slot
	return i
}

// find is one entry, or ErrNoEntry with the nearest name.
func (t *Timetable) find(ctx context.Context, name string) (*listed, map[string][]byte, error) {
	all, records, err := t.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	if l := all[name]; l != nil {
		return l, records, nil
	}
	text := ""
	if near := setting.Nearest(name, slices.Collect(maps.Keys(all))); near != "" {
		text = fmt.Sprintf("; did you mean %q?", near)
	}
	return nil, nil, fmt.Errorf("schedule %q: %w as %q%s", t.s.Name, ErrNoEntry, name, text)
}

// Add adds an entry at run time. The error is ErrEntryExists when there is one of its name.
func (t *Timetable) Add(ctx context.Context, e umbel.ScheduleEntry) error {
	all, _, err := t.read(ctx)
	if err != nil {
		return err
	}
	if l := all[e.Name]; l != nil {
		return fmt.Errorf("schedule %q: %w, %q, from %s: edit it, or choose another name", t.s.Name, ErrEntryExists, e.Name, l.source)
	}
	return t.put(ctx, e.Name, schedule.Entry(e).Plain(), nil)
}

// AddPlain is Add with the entry's keys named and written as in settings.
func (t *Timetable) AddPlain(ctx context.Context, name string, keys map[string]any) error {
	plain := numbers(maps.Clone(keys)).(map[string]any)
	e, err := readEntry(name, plain, t.s.zone)
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	return t.Add(ctx, e)
}

// Get is one entry as it stands; the error is ErrNoEntry when there is none.
func (t *Timetable) Get(ctx context.Context, name string) (Item, error) {
	l, _, err := t.find(ctx, name)
	if err != nil {
		return Item{}, err
	}
	states, err := t.s.store.ReadSchedule(ctx, t.s.Name, backend.ScheduleStates)
	if err != nil {
		return Item{}, err
	}
	return t.item(l, states[name], time.Now()), nil
}

// Edit changes some of an entry's keys, named and written as in settings; nil makes one default again. What was due before
// is not made up for.
func (t *Timetable) Edit(ctx context.Context, name string, changes map[string]any) error {
	l, records, err := t.find(ctx, name)
	if err != nil {
		return err
	}
	record := map[string]any{}
	if text := records[name]; text != nil {
		if record, _, err = decodeRecord(text); err != nil {
			return err
		}
	}
	maps.Copy(record, numbers(maps.Clone(changes)).(map[string]any))
	if l.source == fromStore {
		maps.DeleteFunc(record, func(_ string, v any) bool { return v == nil })
	}
	return t.put(ctx, name, record, l)
}

// put checks and writes a record. base is the entry as it stood, nil for a new one.
func (t *Timetable) put(ctx context.Context, name string, record map[string]any, base *listed) error {
	whole := maps.Clone(record)
	if base != nil && base.source != fromStore {
		whole = schedule.Entry(base.entry).Plain()
		maps.Copy(whole, record)
	}
	e, err := readEntry(name, whole, t.s.zone)
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	now := time.Now()
	if due, err := schedule.Entry(e).Due(t.s.zone); err == nil && due.After(now, now).IsZero() {
		return fmt.Errorf("entry %q: %s has passed: it would never be sent", name, e.Schedule)
	}
	text, err := encodeRecord(record, now)
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	return t.s.store.WriteSchedule(ctx, t.s.Name, backend.ScheduleEntries, 0, map[string][]byte{name: text})
}

// Pause stops an entry from being sent, wherever it comes from.
func (t *Timetable) Pause(ctx context.Context, name string) error {
	return t.Edit(ctx, name, map[string]any{"enabled": false})
}

// Resume undoes Pause. What would have been due meanwhile is not made up for.
func (t *Timetable) Resume(ctx context.Context, name string) error {
	return t.Edit(ctx, name, map[string]any{"enabled": true})
}

// Remove removes an entry that was added at run time; of one from settings or file it takes back what was changed at run
// time. The error says so when there is nothing to remove.
func (t *Timetable) Remove(ctx context.Context, name string) (restored bool, err error) {
	l, records, err := t.find(ctx, name)
	if err != nil {
		return false, err
	}
	if records[name] == nil {
		return false, fmt.Errorf("entry %q is from %s: remove it there, or pause it", name, strings.TrimSpace(l.source))
	}
	return l.source != fromStore, t.s.store.WriteSchedule(ctx, t.s.Name, backend.ScheduleEntries, 0, map[string][]byte{name: nil})
}

// Run sends an entry's task now, whatever its schedule, policies and state say, and leaves those as they are.
func (t *Timetable) Run(ctx context.Context, name string) (*umbel.AsyncResult, error) {
	l, _, err := t.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if l.err != nil {
		return nil, fmt.Errorf("entry %q: %w", name, l.err)
	}
	c := entryCall(l.entry)
	return t.s.app.Send(ctx, c.Name, c.Input, append(c.Options, umbel.TaskID(uuid.NewString()))...)
}

// Next are an entry's next n due times by its own clocks, without jitter.
func (t *Timetable) Next(ctx context.Context, name string, n int) ([]time.Time, error) {
	l, _, err := t.find(ctx, name)
	if err != nil {
		return nil, err
	}
	states, err := t.s.store.ReadSchedule(ctx, t.s.Name, backend.ScheduleStates)
	if err != nil {
		return nil, err
	}
	i := t.item(l, states[name], time.Now())
	if i.Err != nil {
		return nil, fmt.Errorf("entry %q: %w", name, i.Err)
	}
	due, err := schedule.Entry(l.entry).Due(t.s.zone)
	if err != nil {
		return nil, err
	}
	loc, err := schedule.Entry(l.entry).Location(t.s.zone)
	if err != nil {
		return nil, err
	}
	it := item{entry: l.entry, due: due, index: -1, state: state{Last: i.Next}}
	var out []time.Time
	for at := i.Next; !at.IsZero() && len(out) < n; at = it.next(at) {
		out = append(out, at.In(loc))
		it.state.Last = at
	}
	return out, nil
}
