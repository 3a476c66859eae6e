package worker

// Termination: a running task is ended by remote control, by the signal that the command names.
//
//	SIGTERM, the default   its context is cancelled with ErrRevoked; a child process that has not ended it within
//	                       worker_terminate_grace is killed
//	SIGKILL                a child process is killed at once; else as SIGTERM, for goroutines cannot be killed
//	SIGUSR1                its soft time limit is over: the context is cancelled with ErrSoftTimeLimit, and what the handler
//	                       makes of that is how the task ends
//	others                 as SIGTERM, and a child process gets the signal: of SIGQUIT and SIGABRT it dies with its stacks on
//	                       standard error
//
// Celery: Request.terminate; billiard's children hear SIGUSR1 as their soft time limit.

import (
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/control"
)

// signals are the names that Celery's clients send, and their numbers on Linux, which events tell.
var signals = map[string]int{"": 15, "TERM": 15, "KILL": 9, "INT": 2, "QUIT": 3, "HUP": 1, "USR1": 10, "USR2": 12, "ABRT": 6, "ALRM": 14}

// signum reads a signal by name, with or without SIG, or by number.
func signum(name string) (int, error) {
	if n := signals[strings.TrimPrefix(strings.ToUpper(name), "SIG")]; n != 0 {
		return n, nil
	}
	if n, err := strconv.Atoi(name); err == nil {
		for _, known := range signals {
			if n == known {
				return n, nil
			}
		}
	}
	return 0, control.Failf("TypeError", "signal %q is not known", name)
}

// A termination is how a running task was told to end.
type termination struct {
	signum   int             // number of the signal that was asked for
	recorded <-chan struct{} // closed when its revocation has been written down, or could not be at once
}

// soft says that the task may end as it likes.
func (t *termination) soft() bool { return t.signum == signals["USR1"] }

// terminate ends the running tasks that f chooses and returns their ids.
func (w *Worker) terminate(how *termination, f func(*run) bool) []string {
	var ids []string
	for _, r := range w.pool.running() {
		if !f(r) || !r.terminate(how) {
			continue
		}
		w.log.Info("terminating task", "task", r.request.DisplayName(), "id", r.task.ID, "signal", how.signum)
		ids = append(ids, r.task.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// terminate ends a running task because it was revoked, and reports whether it ran.
func (r *run) terminate(t *termination) bool {
	r.view.Lock()
	stop, seat := r.stop, r.seat
	r.view.Unlock()
	if stop == nil {
		return false
	}
	if t.soft() {
		r.termination.CompareAndSwap(nil, t) // one that was not soft goes on
		stop(umbel.ErrSoftTimeLimit)
		return true
	}
	r.termination.Store(t)
	stop(umbel.ErrRevoked)
	seat.terminate(syscall.Signal(t.signum))
	return true
}

// terminated reports whether the run was told to end, and not only to come to its end.
func (r *run) terminated() bool {
	t := r.termination.Load()
	return t != nil && !t.soft()
}

// awaitRecord waits until the revocation that has ended the run is written down, so that the state it ends in is the last one.
func (r *run) awaitRecord() {
	if t := r.termination.Load(); t != nil {
		select {
		case <-t.recorded:
		case <-r.consumer.worker.revoked.stopped:
		}
	}
}
