package beat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// ErrKept: the entry is from settings or file, which alone can remove it, and nothing of it was changed at run time.
var ErrKept = errors.New("the entry was not added at run time")

type keptError struct{ name, source string }

func (e *keptError) Error() string {
	return fmt.Sprintf("entry %q is from %s: remove it there, or pause it", e.name, e.source)
}

func (e *keptError) Is(target error) bool { return target == ErrKept }

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

// Zone is where the clocks of entries without a timezone hang.
func (t *Timetable) Zone() *time.Location { return t.s.zone }

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
	return t.AddPlain(ctx, e.Name, schedule.Entry(e).Plain())
}

// AddPlain is Add with the entry's keys named and written as in settings.
func (t *Timetable) AddPlain(ctx context.Context, name string, keys map[string]any) error {
	d, err := t.DraftNew(ctx, name, keys)
	if err != nil {
		return err
	}
	return d.Write(ctx)
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
	d, err := t.DraftEdit(ctx, name, changes)
	if err != nil {
		return err
	}
	return d.Write(ctx)
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
// time. The error is ErrKept when there is nothing to remove.
func (t *Timetable) Remove(ctx context.Context, name string) (restored bool, err error) {
	l, records, err := t.find(ctx, name)
	if err != nil {
		return false, err
	}
	if records[name] == nil {
		return false, &keptError{name, l.source}
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
	return t.series(t.item(l, states[name], time.Now()), n)
}
