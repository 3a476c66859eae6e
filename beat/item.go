package beat

import (
	"container/heap"
	"hash/fnv"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/schedule"
)

// An item is one entry under the scheduler's hands. The scheduler's loop owns it.
type item struct {
	entry  umbel.ScheduleEntry
	due    schedule.Schedule
	source string
	since  time.Time // when it was added or changed at run time; due times before are not its
	state  state

	slot     time.Time // the due time that comes next; zero: none does
	fire     time.Time // when it is sent: slot, later by jitter, by waiting or by trying again
	waits    bool      // overlap: queue, and the previous task has not ended
	failures int       // of the present slot's sending
	index    int       // in the heap; -1 when not there
}

// next is the first due time after t.
func (it *item) next(t time.Time) time.Time {
	last, start := it.state.Last, it.entry.Start
	_, isInterval := it.due.(*schedule.Interval)
	var slot time.Time
	switch {
	case !start.IsZero() && t.Before(start) && isInterval:
		slot = start
	case !start.IsZero() && t.Before(start):
		before := start.Add(-1)
		slot = it.due.After(before, before)
	default:
		if isInterval && last.Before(start) {
			last = start
		}
		if last.After(t) {
			t = last
		}
		slot = it.due.After(last, t)
	}
	if end := it.entry.End; !end.IsZero() && slot.After(end) {
		return time.Time{}
	}
	return slot
}

// latest is the last due time up to t, where slot is one of them.
func (it *item) latest(slot, t time.Time) time.Time {
	for _, back := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour, 32 * 24 * time.Hour, 366 * 24 * time.Hour, 1 << 62} {
		from := t.Add(-back)
		if from.Before(slot) || back == 1<<62 {
			from = slot.Add(-1)
		}
		found := slot
		if n := it.next(from); !n.IsZero() && !n.After(t) {
			for ; !n.IsZero() && !n.After(t); n = it.next(n) {
				found = n
			}
			return found
		}
		if from.Before(slot) {
			return found
		}
	}
	return slot
}

// plan sets the slot that comes after t, and when it is sent.
func (it *item) plan(t time.Time) {
	it.slot, it.waits, it.failures = it.next(t), false, 0
	it.fire = it.slot
	if !it.slot.IsZero() {
		it.fire = it.slot.Add(it.jitter(it.slot))
	}
}

// jitter is how much later than its due time a task is sent: the same for every scheduler.
func (it *item) jitter(slot time.Time) time.Duration {
	if it.entry.Jitter <= 0 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(it.entry.Name))
	h.Write([]byte(slot.UTC().Format(time.RFC3339Nano)))
	return time.Duration(h.Sum64() % uint64(it.entry.Jitter))
}

// agenda is a heap of items, the first to send first.
type agenda []*item

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].fire.Before(a[j].fire) }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

// Push and Pop serve container/heap.
func (a *agenda) Push(x any) {
	it := x.(*item)
	it.index = len(*a)
	*a = append(*a, it)
}

func (a *agenda) Pop() any {
	last := len(*a) - 1
	it := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	it.index = -1
	return it
}

// set puts an item where its time says: nowhere when it has none.
func (a *agenda) set(it *item) {
	switch {
	case it.slot.IsZero() && it.index >= 0:
		heap.Remove(a, it.index)
	case it.slot.IsZero():
	case it.index >= 0:
		heap.Fix(a, it.index)
	default:
		heap.Push(a, it)
	}
}
