package worker

// Reports: states that a running task stores itself, PROGRESS and its own. None may overwrite how the task ended: a handler
// that its hard time limit has ended, or a goroutine that a handler left behind, reports to nobody.

import (
	"context"
	"fmt"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// report stores a state that the task reports, unless it has ended meanwhile. It runs on a goroutine of the handler's.
func (r *run) report(ctx context.Context, q *umbel.Request, state umbel.State, meta any) error {
	w := r.consumer.worker
	if w.results == nil {
		return umbel.ErrNoBackend
	}
	if r.task.IgnoreResult != nil && *r.task.IgnoreResult {
		return nil
	}
	r.reports.RLock()
	defer r.reports.RUnlock()
	if r.ended.Load() {
		return umbel.ErrTaskEnded
	}
	ctx, cancel := context.WithTimeoutCause(ctx, storeWait, errReportLate)
	defer cancel()
	if r.life != nil {
		defer context.AfterFunc(r.life, cancel)()
	}
	doc := q.Document(state, codec.Of(meta), w.settings.ResultExtended)
	if errs := w.results.Store(ctx, []*protocol.Result{doc}); errs != nil {
		return errs[0]
	}
	return nil
}

var errReportLate = fmt.Errorf("the result store has not taken it within %v", storeWait)

// endReports returns when no report is under way; none begins any more, since ended is set.
func (r *run) endReports() {
	r.reports.Lock()
	defer r.reports.Unlock()
}
