package worker

import (
	"context"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/internal/version"
	"github.com/umbel-go/umbel/protocol"
)

// A heart tells of the worker itself while events are on: worker-online, a heartbeat now and then, worker-offline.
// Celery: celery/worker/heartbeat.py.
type heart struct {
	worker  *Worker
	changed chan struct{} // 1: events were switched on or off
	stop    chan struct{}
	stopped chan struct{}
}

// briefFreq is what Celery says of its heartbeat when it is asked for one.
const briefFreq = 5

// offlineWait bounds how long a worker that stops waits for its last events to leave.
const offlineWait = 2 * time.Second

func newHeart(w *Worker) *heart {
	return &heart{worker: w, changed: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{})}
}

// run beats while events are on, and does nothing at all while they are off.
func (h *heart) run() {
	defer close(h.stopped)
	w := h.worker
	if w.WithoutHeartbeat {
		<-h.stop
		return
	}
	online := false
	for {
		if w.events.Enabled() {
			kind := protocol.TypeWorkerHeartbeat
			if !online {
				kind = protocol.TypeWorkerOnline
			}
			online = true
			w.events.Send(w.status(kind))
			timer := time.NewTimer(w.HeartbeatInterval)
			select {
			case <-timer.C:
			case <-h.changed:
			case <-h.stop:
				timer.Stop()
				w.events.Send(w.status(protocol.TypeWorkerOffline))
				return
			}
			timer.Stop()
			continue
		}
		online = false
		select {
		case <-h.changed:
		case <-h.stop:
			return
		}
	}
}

func (h *heart) wake() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// close ends run.
func (h *heart) close() {
	close(h.stop)
	<-h.stopped
}

// status is the worker as it is now.
func (w *Worker) status(kind string) *protocol.WorkerStatus {
	s := w.ident(kind)
	s.Freq = w.HeartbeatInterval.Seconds()
	s.Active, s.Processed, s.LoadAvg = int(w.stats.active.Load()), int(w.stats.started.Load()), loadAverage()
	return s
}

func (w *Worker) ident(kind string) *protocol.WorkerStatus {
	v, _ := version.Get()
	return &protocol.WorkerStatus{Kind: kind, Ident: "umbel", Version: v, System: system()}
}

// system is the operating system by the name that Python's platform.system gives it.
func system() string {
	switch runtime.GOOS {
	case "linux":
		return "Linux"
	case "darwin":
		return "Darwin"
	case "windows":
		return "Windows"
	case "freebsd":
		return "FreeBSD"
	}
	return runtime.GOOS
}

// loadAverage is the host's over 1, 5 and 15 minutes, with two decimals; zero where the system does not tell in a file.
func loadAverage() (load [3]float64) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return load
	}
	for i, f := range strings.Fields(string(text)) {
		if i == len(load) {
			break
		}
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return [3]float64{}
		}
		load[i] = math.Round(n*100) / 100
	}
	return load
}

// EnableEvents switches events of tasks and of the worker on, and reports whether they were off. It does nothing before Run.
// Celery: control enable_events.
func (w *Worker) EnableEvents() (changed bool) {
	if w.events == nil || !w.events.Enable() {
		return false
	}
	w.heart.wake()
	return true
}

// DisableEvents switches them off again: the worker then publishes none, heartbeats included. It reports whether they were on.
// Celery: control disable_events, which leaves the heartbeats on.
func (w *Worker) DisableEvents() (changed bool) {
	if w.events == nil || !w.events.Disable() {
		return false
	}
	w.heart.wake()
	return true
}

// Heartbeat tells once that the worker is alive, whether events are on or off. Celery: control heartbeat, which whoever
// begins to listen to events broadcasts.
func (w *Worker) Heartbeat() {
	if w.events == nil {
		return
	}
	s := w.ident(protocol.TypeWorkerHeartbeat)
	s.Brief, s.Freq = true, briefFreq
	w.events.SendAlways(s)
}

// EventClock is the logical clock of the worker's events. Celery: app.clock.
func (w *Worker) EventClock() *event.Clock { return &w.clock }

// startEvents makes events ready, switched off unless a setting wants them.
func (w *Worker) startEvents() {
	w.events = event.NewDispatcher(event.DispatcherConfig{Config: w.settings.EventConfig(), Broker: w.broker, Hostname: w.node,
		Clock: &w.clock, Log: w.log})
	w.heart = newHeart(w)
	go w.events.Run()
	go w.heart.run()
	if w.settings.WorkerSendTaskEvents {
		w.EnableEvents()
	}
}

// endEvents says that the worker leaves, if events are on, and sends what waits.
func (w *Worker) endEvents() {
	w.heart.close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.base), offlineWait)
	defer cancel()
	w.events.Close(ctx)
	if n := w.events.Lost(); n > 0 {
		w.log.Warn("events were lost", "events", n)
	}
}
