package worker

import (
	"context"
	"syscall"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/protocol"
)

// A seat is where one task runs: its slot's own goroutine, or a child process.
type seat interface {
	// pid is the process that runs the task.
	pid() int

	// run runs the task to its end and says how it ended. lost is how its process died instead, nil if it did not.
	run(ctx context.Context, r *run, body *protocol.Body) (o *umbel.Outcome, lost *death)

	// expel ends a task past its hard time limit here and now, as far as that can be done, and says what was done. The slot
	// is free when it returns, or another is in its place. It may be called while run runs, by another goroutine.
	expel(r *run) (what string, details []any)

	// terminate sees to it that a task whose context is cancelled ends, as far as that can be done: by this signal. It may be
	// called while run runs, and after, by another goroutine.
	terminate(syscall.Signal)

	// leave gives the seat up once run has returned.
	leave()
}

// seats hands out seats, one to each slot at a time.
type seats interface {
	// take waits for a seat until ctx is done.
	take(ctx context.Context) (seat, error)

	// keepsMessages says that a task's message is needed until it has run.
	keepsMessages() bool

	// resize changes how many tasks run at once.
	resize(n int)

	// restart has what tasks run in replaced, once they have ended, and reports whether it can be.
	restart() bool

	// pids are the processes that tasks run in.
	pids() []int

	// clear ends the tasks that sit here still, whatever they do, and reports whether it can.
	clear() bool

	// close ends what belongs to the seats, once nobody sits there.
	close()
}

func (w *Worker) openSeats(ctx context.Context) (seats, error) {
	if w.Pool == poolProcess {
		return openProcesses(ctx, w)
	}
	return &ownSeats{worker: w}, nil
}

// ownSeats are the slots' own goroutines: there is one for every slot, and nothing to hand out.
type ownSeats struct{ worker *Worker }

func (s *ownSeats) take(context.Context) (seat, error) { return s, nil }
func (s *ownSeats) keepsMessages() bool                { return false }
func (s *ownSeats) pids() []int                        { return []int{pid} }
func (s *ownSeats) resize(int)                         {}
func (s *ownSeats) restart() bool                      { return false }
func (s *ownSeats) clear() bool                        { return false }
func (s *ownSeats) close()                             {}
func (s *ownSeats) pid() int                           { return pid }
func (s *ownSeats) leave()                             {}
func (s *ownSeats) terminate(syscall.Signal)           {}

func (s *ownSeats) run(ctx context.Context, r *run, body *protocol.Body) (*umbel.Outcome, *death) {
	return s.worker.app.Execute(ctx, r.known.def, r.request, body), nil
}

// expel writes the slot off: a goroutine cannot be killed.
func (s *ownSeats) expel(r *run) (string, []any) {
	s.worker.pool.writeOff(r.slot)
	return "its goroutine cannot be killed and is left to itself, another takes its slot", []any{"stack", r.slot.stack()}
}
