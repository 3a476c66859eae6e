package beat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/schedule"
)

// waitsFor is how often an entry that waits for its previous task looks whether that has ended.
const waitsFor = time.Second

// clear reports whether a tick may be sent though the entry's previous task may be running. The item waits when it may not
// yet.
func (l *loop) clear(ctx context.Context, it *item, slot time.Time) (send bool, err error) {
	it.waits = false
	policy := it.entry.Overlap
	if policy == "" || policy == schedule.Allow || it.state.ID == "" || it.state.ID == TaskID(l.Name, it.entry.Name, slot) {
		return true, nil
	}
	ended, err := l.ended(ctx, it)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	l.tell(it.entry.Name+" (overlap)", err)
	if err != nil {
		it.waits = true // until the store answers again
		return false, nil
	}
	switch {
	case ended:
	case policy == schedule.Skip:
		l.Log.Info("scheduler: skipped: the previous task has not ended", "entry", it.entry.Name, "task", it.entry.Task, "due", slot, "previous", it.state.ID)
		return false, nil
	case policy == schedule.Queue:
		it.waits = true
		return false, nil
	case policy == schedule.Cancel:
		l.Log.Info("scheduler: revoking the previous task", "entry", it.entry.Name, "task", it.entry.Task, "previous", it.state.ID)
		if err := l.Revoke(ctx, it.state.ID); err != nil {
			l.tell(it.entry.Name+" (overlap)", fmt.Errorf("cannot revoke the previous task: %w", err))
			it.waits = true
			return false, nil
		}
	}
	return true, nil
}

// ended reports whether the entry's previous task has ended. Of one that nothing is stored of, that is only known when its
// result would have expired: it waits in its queue, or runs.
func (l *loop) ended(ctx context.Context, it *item) (bool, error) {
	results, err := l.app.Backend(ctx)
	if err != nil {
		return false, fmt.Errorf("cannot tell whether the previous task has ended: %w", err)
	}
	doc, err := results.Get(ctx, it.state.ID)
	if errors.Is(err, backend.ErrNotFound) {
		expires := l.settings.ResultExpires
		return expires > 0 && time.Since(it.state.Sent) > expires, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot tell whether the previous task has ended: %w", err)
	}
	return doc.Status.Ready(), nil
}
