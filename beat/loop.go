package beat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/schedule"
)

// A loop sends what is due during one term. Its goroutine owns all of it.
type loop struct {
	*Scheduler
	term     *term
	items    map[string]*item
	agenda   agenda
	revision int64
	polled   time.Time
	faults   map[string]string // of entries and sources, as they were told
}

// run sends until ctx ends or the lease is lost.
func (l *loop) run(ctx context.Context) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	for {
		now := time.Now()
		if l.term.left() <= 0 {
			return fmt.Errorf("%w: it ran out", errLost)
		}
		if now.Sub(l.polled) >= l.Poll {
			if err := l.poll(ctx, now); err != nil {
				return err
			}
		}
		sent, err := l.tick(ctx, time.Now())
		if err != nil {
			return err
		}
		l.meter.look(l)
		if sent {
			continue
		}
		wait := min(l.polled.Add(l.Poll).Sub(now), l.MaxInterval)
		if len(l.agenda) > 0 {
			wait = min(wait, time.Until(l.agenda[0].fire))
		}
		if wait > 0 && !sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

// begin reads everything: what is to be sent, and what has been.
func (l *loop) begin(ctx context.Context) error {
	if _, err := l.declared.refresh(); err != nil {
		l.tell("beat_schedule_file", err)
	}
	revision, err := l.store.ScheduleRevision(ctx, l.Name)
	if err != nil {
		return err
	}
	states, err := l.store.ReadSchedule(ctx, l.Name, backend.ScheduleStates)
	if err != nil {
		return err
	}
	if err := l.load(ctx, states); err != nil {
		return err
	}
	l.revision, l.polled = revision, time.Now()
	l.Log.Info("beat: schedule loaded", "entries", len(l.items))
	return nil
}

// poll loads the schedule anew when it has changed.
func (l *loop) poll(ctx context.Context, now time.Time) error {
	l.polled = now
	changed, err := l.declared.refresh()
	l.tell("beat_schedule_file", err)
	revision, err := l.store.ScheduleRevision(ctx, l.Name)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.tell("store", err)
	if err != nil || !changed && revision == l.revision {
		return nil
	}
	if err := l.load(ctx, nil); err != nil {
		return err
	}
	l.revision = revision
	return nil
}

// tell logs what is wrong with an entry or a source, once.
func (l *loop) tell(what string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if l.faults[what] == text {
		return
	}
	if err == nil {
		delete(l.faults, what)
		return
	}
	l.faults[what] = text
	l.Log.Error("beat: something of the schedule cannot be used", "what", what, "error", err)
}

// load brings the items up to date with all sources. states are those of the store, for the first time.
func (l *loop) load(ctx context.Context, states map[string][]byte) error {
	records, err := l.store.ReadSchedule(ctx, l.Name, backend.ScheduleEntries)
	if err != nil {
		return err
	}
	now := time.Now()
	all := merge(append(ownEntries(l.settings), l.declared.list()...), records, l.zone)
	dirty := make(map[string][]byte)
	for name := range states {
		if all[name] == nil {
			dirty[name] = nil
		}
	}
	for name, it := range l.items {
		if all[name] == nil {
			it.slot = time.Time{}
			l.agenda.set(it)
			delete(l.items, name)
			dirty[name] = nil
		}
	}
	for name, e := range all {
		it := l.items[name]
		if it != nil && e.err == nil && it.since.Equal(e.since) && reflect.DeepEqual(it.entry, e.entry) {
			continue
		}
		due, err := l.usable(e)
		l.tell(name, err)
		if err != nil {
			if it != nil { // the state stays: it may be mended
				it.slot = time.Time{}
				l.agenda.set(it)
				delete(l.items, name)
			}
			continue
		}
		if it == nil {
			it = &item{index: -1}
			if text, ok := states[name]; ok {
				if it.state, err = decodeState(text); err != nil {
					l.tell(name+" (state)", err)
				}
			}
		}
		it.entry, it.due, it.source, it.since = e.entry, due, e.source, e.since
		l.items[name] = it
		if l.settle(it, now) {
			dirty[name] = it.state.encode()
		}
		l.agenda.set(it)
	}
	return l.write(ctx, dirty)
}

// settle finds the next due time of an entry that is new or has changed; it reports whether its state has.
func (l *loop) settle(it *item, now time.Time) (changed bool) {
	st, text := &it.state, it.due.String()
	begun := now
	if !it.since.IsZero() && it.since.Before(now) {
		begun = it.since
	}
	if st.Last.IsZero() {
		st.Last, st.From, st.Schedule, changed = begun, begun, text, true
	}
	if it.since.After(st.From) { // changed by hand: what was due before is settled
		st.From, changed = it.since, true
	}
	if st.Schedule != text {
		st.From, st.Schedule, st.Open, changed = begun, text, false, true
	}
	if st.Off != it.entry.Disabled {
		if st.Off && !it.since.Equal(st.From) { // enabled by settings, just now
			st.From = now
		}
		st.Off, changed = it.entry.Disabled, true
	}
	if it.entry.Disabled {
		st.From = now
		it.slot = time.Time{}
		return changed
	}
	it.plan(latestOf(st.Last, st.From))
	if st.Open && !st.Last.Before(st.From) {
		it.slot, it.fire = st.Last, now // it may not have been sent
	}
	return changed
}

func latestOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// usable is the entry's schedule, or why it cannot be used.
func (l *loop) usable(e *listed) (schedule.Schedule, error) {
	if e.err != nil {
		return nil, e.err
	}
	due, err := schedule.Entry(e.entry).Due(l.zone)
	if err != nil {
		return nil, err
	}
	return due, l.canTell(e.entry)
}

// canTell says why an entry's overlap policy cannot be followed, or nil.
func (s *Scheduler) canTell(e umbel.ScheduleEntry) error {
	if e.Overlap == "" || e.Overlap == schedule.Allow || keepsResults(s.settings) {
		return nil
	}
	return &schedule.FieldError{Key: "overlap", Text: e.Overlap + " needs a result store that tells when a task has ended: set result_backend"}
}

// keepsResults reports whether results can be asked for by others than who sent the task.
func keepsResults(c *umbel.Config) bool {
	return c.ResultBackend != "disabled" && !strings.HasPrefix(c.ResultBackend, "rpc")
}

// write writes states under the lease.
func (l *loop) write(ctx context.Context, states map[string][]byte) error {
	for names := range slices.Chunk(slices.Collect(maps.Keys(states)), backend.ScheduleTogether) {
		some := make(map[string][]byte, len(names))
		for _, name := range names {
			some[name] = states[name]
		}
		if err := l.store.WriteSchedule(ctx, l.Name, backend.ScheduleStates, l.term.token, some); err != nil {
			if errors.Is(err, backend.ErrFenced) {
				return fmt.Errorf("%w: %w", errLost, err)
			}
			return err
		}
	}
	return nil
}

// deadline is how late an entry's task may be sent; 0 is no limit.
func (l *loop) deadline(it *item) time.Duration {
	if it.entry.Deadline > 0 {
		return it.entry.Deadline
	}
	if it.entry.Missed == schedule.Skip {
		return skipAfter
	}
	if _, ok := it.due.(*schedule.Crontab); ok {
		return cmp.Or(l.settings.BeatCronStartingDeadline, 0)
	}
	return 0
}

// skipAfter is when a due time counts as missed, for entries that skip those.
const skipAfter = 10 * time.Second
