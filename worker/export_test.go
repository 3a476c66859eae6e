package worker

import (
	"time"

	"github.com/umbel-go/umbel/backend"
)

// SetResults puts another result store in the place of a worker's, before it has stored anything.
func SetResults(w *Worker, b backend.Backend) { w.results = b }

// PoolSize is how many tasks may run at once now, PoolProcesses the processes that they run in.
func PoolSize(w *Worker) int        { return w.pool.limit() }
func PoolProcesses(w *Worker) []int { return w.seats.pids() }

// AskForNotices sets how often a worker that does not run yet asks for notices.
func AskForNotices(w *Worker, every time.Duration) { w.noticesEvery = every }

// OnCrossing has f told of each step in front of which a crash is a case of its own, on the goroutine that takes the step. It
// is called before Run.
func OnCrossing(w *Worker, f func(step string)) { w.crossing = f }

// PrefetchCount is how many deliveries a worker holds at most now, PrefetchLimit how many it ever does at "auto".
func PrefetchCount(w *Worker) int { return w.prefetchCount() }
func PrefetchLimit(slots int) int { return prefetchLimit(slots) }
