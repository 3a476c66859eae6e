package worker

// Deadlines of a shutdown: when it becomes cold by itself.
//
//	warm   worker_shutdown_grace after it began, less what a cold shutdown takes; a notice that says when
//	soft   worker_soft_shutdown_timeout after it began

import (
	"os"
	"sync"
	"time"

	"github.com/umbel-go/umbel/internal/notice"
)

// deadlines are when a shutdown becomes cold.
type deadlines struct {
	mu    sync.Mutex // guards what follows
	timer *time.Timer
	at    time.Time // zero: none
	over  bool
}

// coldMargin is what a cold shutdown takes besides ColdGrace: messages go back, results are stored.
const coldMargin = 2 * time.Second

// keepDeadlines has stages enter the next by time, until the returned function is called.
func (w *Worker) keepDeadlines() (stop func()) {
	endWarm := w.stage.onWarm(func() {
		if grace := w.settings.WorkerShutdownGrace; grace > 0 {
			w.coldBefore(time.Now().Add(grace), "worker_shutdown_grace")
		}
	})
	endSoft := w.stage.onSoft(func() {
		timeout := w.settings.WorkerSoftShutdownTimeout
		if timeout <= 0 {
			w.Stop(Cold)
			return
		}
		w.log.Warn("worker: initiating soft shutdown", "terminating_in", timeout, "running", w.stats.active.Load())
		w.coldAt(time.Now().Add(timeout))
	})
	return func() {
		endWarm()
		endSoft()
		d := &w.deadlines
		d.mu.Lock()
		defer d.mu.Unlock()
		d.over = true
		if d.timer != nil {
			d.timer.Stop()
		}
	}
}

// coldBefore makes the shutdown cold early enough to be over by then.
func (w *Worker) coldBefore(end time.Time, why string) {
	at := end.Add(-w.ColdGrace - coldMargin)
	w.log.Info("worker: running tasks are cancelled at a deadline", "in", max(time.Until(at), 0).Round(time.Second), "why", why)
	w.coldAt(at)
}

// coldAt makes the shutdown cold then, unless it becomes cold before.
func (w *Worker) coldAt(at time.Time) {
	d := &w.deadlines
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over || !d.at.IsZero() && !at.Before(d.at) {
		return
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	d.at = at
	d.timer = time.AfterFunc(max(time.Until(at), 0), func() { w.Stop(Cold) })
}

// idle waits for the end of a soft shutdown in which nothing runs, if it is to be waited for. Celery:
// worker_enable_soft_shutdown_on_idle.
func (w *Worker) idle() {
	if w.Stage() == Soft && w.settings.WorkerEnableSoftShutdownOnIdle {
		<-w.stage.cold
	}
}

// listenForNotices stops the worker warmly when the platform says that it is to be stopped, until the returned function is
// called.
func (w *Worker) listenForNotices() (stop func()) {
	c := notice.Config{Kinds: w.settings.WorkerStopNotices, Instance: w.settings.WorkerMetadataURL, Container: os.Getenv("ECS_CONTAINER_METADATA_URI_V4"),
		Every: w.noticesEvery, Log: w.log}
	if len(c.Kinds) == 0 && c.Container != "" {
		c.Kinds = []string{notice.ECS}
	}
	kinds := c.Kinds[:0:0]
	for _, kind := range c.Kinds {
		switch {
		case kind == "none":
		case kind == notice.ECS && c.Container == "":
			w.log.Warn("worker_stop_notices names ecs, but this is no container of ECS: ECS_CONTAINER_METADATA_URI_V4 is not set")
		default:
			kinds = append(kinds, kind)
		}
	}
	if c.Kinds = kinds; len(kinds) == 0 {
		return func() {}
	}
	return notice.Listen(c, func(n notice.Notice) {
		w.log.Warn("worker: the platform is about to stop this worker", "notice", n.Kind, "text", n.Text, "at", n.At)
		w.Stop(Warm)
		if !n.At.IsZero() {
			w.coldBefore(n.At, "notice of kind "+n.Kind)
		}
	})
}
