package worker

import (
	"fmt"

	"github.com/umbel-go/umbel/protocol"
)

// A death is how a process died in the middle of a task.
type death struct {
	status string // in Celery's words: "exitcode 1" or "signal 9 (SIGKILL)"
	order  int64  // of the task, among all that were given to children
}

// exception is what a Python worker would store.
func (d *death) exception() protocol.Exception {
	return namedException("billiard.exceptions", "WorkerLostError", fmt.Sprintf("Worker exited prematurely: %s Job: %d.", d.status, d.order))
}

// lost ends a task whose process died under it: FAILURE, or its message goes back, counted as started, for another run.
// Celery: celery/worker/request.py, on_failure; task_reject_on_worker_lost.
func (w *Worker) lost(r *run, d *death) {
	log := w.log.With("task", r.request.DisplayName(), "id", r.task.ID, "reason", d.status)
	if !r.acked && r.known.policy.RejectOnWorkerLost {
		log.Error("task lost its process; its message goes back to the queue")
		w.settleRun(r, settleReturn)
		return
	}
	exc := d.exception()
	w.stats.failed.Add(1)
	log.Error("task lost its process")
	w.conclude(r, w.failureDocument(r, &exc, ""), w.failureSettlement(r), failureOf(&exc, ""))
}
