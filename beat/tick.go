package beat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/schedule"
)

// A tick is one due time of one entry, about to be sent.
type tick struct {
	item *item
	slot time.Time
	id   string
	prev state // to go back to when it could not be sent
}

// space is the name space of ticks' ids.
var space = uuid.MustParse("6f0b52c6-5f0e-5b0c-9d5c-0d1d0e6d8a11")

// TaskID is the id of the task that a schedule's entry sends for a due time: the same whoever sends it.
func TaskID(schedule, entry string, due time.Time) string {
	return uuid.NewSHA1(space, fmt.Appendf(nil, "%s\x00%s\x00%s", schedule, entry, due.UTC().Format(time.RFC3339Nano))).String()
}

// tick sends what is due, at most some hundred tasks. It reports whether there was anything to do.
func (l *loop) tick(ctx context.Context, now time.Time) (busy bool, err error) {
	var ticks []tick
	states := make(map[string][]byte)
	for len(ticks) < backend.ScheduleTogether && len(l.agenda) > 0 && !l.agenda[0].fire.After(now) {
		busy = true
		it := l.agenda[0]
		slot, send := l.choose(it, now)
		if send {
			send, err = l.clear(ctx, it, slot)
			if err != nil {
				return busy, err
			}
			if it.waits {
				it.fire = now.Add(waitsFor)
				l.agenda.set(it)
				continue
			}
		}
		prev := it.state
		if it.state.Open && !send && it.state.ID == TaskID(l.Name, it.entry.Name, it.state.Last) {
			it.state.ID = "" // nobody knows whether it was sent
		}
		it.state.Last, it.state.Open = slot, send
		if send {
			it.state.ID = TaskID(l.Name, it.entry.Name, slot)
			ticks = append(ticks, tick{it, slot, it.state.ID, prev})
		}
		states[it.entry.Name] = it.state.encode()
		failures := it.failures
		it.plan(slot)
		it.failures = failures
		l.agenda.set(it)
	}
	if len(states) == 0 {
		return busy, nil
	}
	if err := l.write(ctx, states); err != nil {
		return busy, err
	}
	return busy, l.send(ctx, ticks)
}

// choose finds the due time to deal with, by the entry's policy for those that were missed, and whether to send for it.
func (l *loop) choose(it *item, now time.Time) (slot time.Time, send bool) {
	slot = it.slot
	reach := now.Add(-it.entry.Jitter)
	if it.waits || it.entry.Missed != schedule.All {
		if !slot.After(reach) {
			slot = it.latest(slot, reach)
		}
	}
	if it.waits {
		return slot, true
	}
	if it.state.Open && it.entry.Overlap != "" {
		// It may be at the broker already: this one is sent again, for whether it has ended is what the next must know.
		slot = it.slot
	}
	late := now.Sub(it.slot.Add(it.jitter(it.slot)))
	if d := l.deadline(it); d > 0 {
		if it.entry.Missed == schedule.All && late > d { // straight to the first that is not too late
			if first := it.next(now.Add(-d - 1)); !first.IsZero() && first.Before(now) {
				l.Log.Warn("scheduler: due times were missed", "entry", it.entry.Name, "from", it.slot, "to", first)
				slot = first
			}
		}
		if late := now.Sub(slot.Add(it.jitter(slot))); late > d {
			l.meter.missed.Inc()
			l.Log.Warn("scheduler: a due time was missed", "entry", it.entry.Name, "task", it.entry.Task, "due", slot, "late", late.Round(time.Millisecond))
			return slot, false
		}
	}
	return slot, true
}

// send publishes ticks that have been claimed, and confirms them.
func (l *loop) send(ctx context.Context, ticks []tick) error {
	if len(ticks) == 0 {
		return nil
	}
	calls := make([]umbel.Call, len(ticks))
	for i, t := range ticks {
		l.Log.Info("scheduler: sending due task", "entry", t.item.entry.Name, "task", t.item.entry.Task, "id", t.id)
		calls[i] = l.call(t)
	}
	// Nothing leaves after the lease: what is not sent by then another will send.
	left := l.term.left()
	if left <= 0 {
		return fmt.Errorf("%w: it ran out", errLost)
	}
	// What has been claimed is sent and confirmed even if the scheduler is asked to end meanwhile.
	ctx, cancelAll := context.WithTimeout(context.WithoutCancel(ctx), l.Lease)
	defer cancelAll()
	sending, cancel := context.WithTimeoutCause(ctx, left, errLost)
	_, err := l.app.SendMany(sending, calls)
	cancel()
	errs := make([]error, len(ticks))
	var batch *umbel.BatchError
	if errors.As(err, &batch) {
		errs = batch.Errs
	} else if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	if l.term.left() <= 0 {
		return fmt.Errorf("%w: it ran out", errLost)
	}
	states := make(map[string][]byte)
	for i, t := range ticks {
		l.settled(t, errs[i])
		states[t.item.entry.Name] = t.item.state.encode()
	}
	return l.write(ctx, states)
}

// settled notes what became of a tick.
func (l *loop) settled(t tick, err error) {
	it := t.item
	switch {
	case err == nil:
		l.meter.arrived(t, time.Now())
		l.Log.Debug("scheduler: sent", "task", it.entry.Task, "id", t.id)
	case !again(err):
		l.meter.failed.Inc()
		l.Log.Error("scheduler: cannot send", "entry", it.entry.Name, "task", it.entry.Task, "due", t.slot, "error", err)
	default:
		// It stays claimed, and due, until it is sent or its next due time takes its place.
		it.failures++
		l.meter.deferred.Inc()
		wait := min(time.Second<<min(it.failures-1, 5), 30*time.Second)
		l.Log.Error("scheduler: cannot send; trying again", "entry", it.entry.Name, "task", it.entry.Task, "due", t.slot, "error", err, "wait", wait)
		failures := it.failures
		id, sent, count := t.prev.ID, t.prev.Sent, t.prev.Count
		it.state.ID, it.state.Sent, it.state.Count, it.state.Open = id, sent, count, true
		it.slot, it.fire, it.failures = t.slot, time.Now().Add(wait), failures
		l.agenda.set(it)
		return
	}
	it.failures = 0
	it.state.Open, it.state.Sent = false, time.Now()
	if err == nil {
		it.state.Count++
	}
}

// again reports whether a message may go through later: it was not refused, and nothing is wrong with it.
func again(err error) bool {
	var refused *broker.RefusedError
	return !errors.As(err, &refused) && (errors.Is(err, broker.ErrNotSent) || errors.Is(err, broker.ErrUnconfirmed) ||
		errors.Is(err, context.DeadlineExceeded))
}
