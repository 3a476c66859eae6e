package worker

import (
	"context"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
)

// tickKept is how long it is remembered which message of a scheduler's tick came first. The second follows within moments
// of a scheduler's death; it may then wait in its queue.
const tickKept = 24 * time.Hour

// tickedBefore reports whether a scheduler's task has come in another message already, here or elsewhere: two schedulers
// have sent for one due time, since the first died before it could note that it had. The second message is acked without
// running. A message that comes again itself runs again, as any does.
func (w *Worker) tickedBefore(r *run) bool {
	message, _ := r.task.Headers[umbel.TickHeader].(string)
	store, ok := w.results.(backend.Schedules)
	if message == "" || !ok {
		return false
	}
	ctx, cancel := context.WithTimeout(w.base, storeWait)
	defer cancel()
	first, err := store.ClaimTick(ctx, r.task.ID, message, tickKept)
	if err != nil {
		w.log.Warn("cannot ask whether the task has come in another message; running it", "id", r.task.ID, "error", err)
		return false
	}
	if first == message {
		return false
	}
	w.log.Info("task was sent twice by schedulers; this message is dropped", "task", r.request.DisplayName(), "id", r.task.ID)
	w.ackAgain(r)
	return true
}
