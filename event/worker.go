package event

import (
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// A Worker is what events tell of one worker. Celery: celery.events.state.Worker.
type Worker struct {
	Hostname string
	PID      int

	Freq      float64   // seconds between its heartbeats
	LastHeard time.Time // by the listener's clock; zero: it has said that it leaves
	Clock     int64

	Active    int        // tasks that ran when it last said so
	Processed int        // tasks begun since its start
	LoadAvg   [3]float64 // of its host

	Ident, Version, System string // "umbel" or "py-celery", its version, its operating system
}

// defaultFreq is assumed of a worker that has sent no heartbeat: it sends events of tasks alone.
const defaultFreq = 60

// expireWindow times Freq is how long a silent worker counts as alive. Celery: HEARTBEAT_EXPIRE_WINDOW.
const expireWindow = 2

// Expires is when a worker that says nothing more is taken for dead.
func (w *Worker) Expires() time.Time {
	return w.LastHeard.Add(time.Duration(w.Freq * expireWindow * float64(time.Second)))
}

// Alive reports whether the worker was heard of lately and has not said that it leaves.
func (w *Worker) Alive(now time.Time) bool { return !w.LastHeard.IsZero() && now.Before(w.Expires()) }

func (w *Worker) beat(received time.Time) {
	if received.After(w.LastHeard) {
		w.LastHeard = received
	}
}

// status takes an event of the worker's own.
func (w *Worker) status(e *protocol.Event, s *protocol.WorkerStatus, received time.Time) {
	w.PID, w.Clock = e.PID, max(w.Clock, e.Clock)
	if s.Freq > 0 && s.Freq < 1e6 {
		w.Freq = s.Freq
	}
	w.Ident, w.Version, w.System = cutText(s.Ident, nameMost), cutText(s.Version, nameMost), cutText(s.System, nameMost)
	if !s.Brief {
		w.Active, w.Processed, w.LoadAvg = s.Active, s.Processed, s.LoadAvg
	}
	if s.Kind == protocol.TypeWorkerOffline {
		w.LastHeard = time.Time{}
		return
	}
	w.beat(received)
}
