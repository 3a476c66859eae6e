package worker

// Telling: events of tasks, for those who watch. Nothing here waits for the broker, and while events are off nothing is
// gathered: it costs an atomic load a step.
//
//	admit     task-received, or task-revoked (expired)      Celery: celery/worker/strategy.py
//	execute   task-started                                  celery/worker/request.py
//	          task-retried, before the next attempt is published
//	end       task-succeeded, -failed, -revoked, when the result is stored and the delivery settled
//	          task-rejected, when the message is dropped or goes back

import (
	"fmt"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// telling reports whether events of a run are wanted. A child process tells nothing: its parent does.
func (w *Worker) telling(r *run) bool {
	return w.events != nil && w.events.Enabled() && (r.known == nil || r.known.policy.SendEvents)
}

func (w *Worker) tellReceived(r *run) {
	if !w.telling(r) {
		return
	}
	t := r.task
	w.events.Send(&protocol.TaskReceived{UUID: t.ID, Name: r.request.DisplayName(), Args: t.ArgsRepr, Kwargs: t.KwargsRepr,
		RootID: t.RootID, ParentID: t.ParentID, Retries: t.Retries, ETA: isoTime(t.ETA), Expires: isoTime(t.Expires)})
}

func (w *Worker) tellStarted(r *run) {
	if w.telling(r) {
		w.events.Send(&protocol.TaskStarted{UUID: r.task.ID})
	}
}

// tellUnknown tells of a task that is not registered here.
func (w *Worker) tellUnknown(t *protocol.Task, exc *protocol.Exception) {
	if w.events.Enabled() {
		w.events.Send(&protocol.TaskFailed{UUID: t.ID, Exception: fmt.Sprintf("%s(%s)", exc.Type, codec.Repr(t.Name))})
	}
}

// tellEnd tells how a run ended, now that its delivery is settled.
func (w *Worker) tellEnd(r *run, how settlement) {
	w.meter.ended(r, how)
	if !w.telling(r) {
		return
	}
	goesBack := how == settleRequeue || how == settleReturn
	if r.outcome != nil && !goesBack {
		w.events.Send(r.outcome)
	}
	if !r.acked && (goesBack || how == settleReject) {
		w.events.Send(&protocol.TaskRejected{UUID: r.task.ID, Requeue: goesBack})
	}
}

// concluded notes the event of a conclusion, to be sent when the run is settled.
func (w *Worker) concluded(r *run, c conclusion) {
	r.judge(verdictOf(c.state), c.exception)
	if !w.telling(r) {
		return
	}
	switch c.state {
	case umbel.Success:
		r.outcome = &protocol.TaskSucceeded{UUID: r.task.ID, Result: reprValue(c.value), Runtime: c.runtime.Seconds()}
	case umbel.Revoked:
		e := &protocol.TaskRevoked{UUID: r.task.ID, Terminated: c.reason == "terminated", Expired: c.reason == "expired"}
		if t := r.termination.Load(); t != nil {
			e.Signum = codec.Of(t.signum)
		}
		r.outcome = e
	default:
		r.outcome = failedEvent(r, c.exception, c.traceback)
	}
}

func failedEvent(r *run, exc *protocol.Exception, traceback string) *protocol.TaskFailed {
	if traceback == "" {
		traceback = exc.Error() + "\n"
	}
	return &protocol.TaskFailed{UUID: r.task.ID, Exception: exc.Repr(), Traceback: traceback, HasTraceback: true}
}

// tellRetried tells that the next attempt is about to be published. Should that fail, what becomes of the task is told next.
func (w *Worker) tellRetried(r *run, o *umbel.Outcome) {
	if !w.telling(r) {
		return
	}
	cause := "None"
	if o.Cause != nil {
		cause = umbel.NewException(o.Cause).Repr()
	}
	w.events.Send(&protocol.TaskRetried{UUID: r.task.ID, Exception: cause, Traceback: o.Traceback})
}

func isoTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return protocol.FormatTime(t)
}
