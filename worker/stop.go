package worker

// Stopping, in Celery's stages. Stage order is the worker's business; turning signals into stages is the command's.
//
//	Warm   consuming stops, what waited goes back to its queue at once, running tasks finish
//	Cold   the contexts of running tasks are cancelled with umbel.ErrShutdown; late-acked messages go back

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel"
)

// A Stage is how far a worker's shutdown has gone.
type Stage int

const (
	Running Stage = iota
	Warm
	Cold
)

// Stage is where the worker stands.
func (w *Worker) Stage() Stage {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stage
}

// Stop asks for a stage and returns at once; Run returns when the worker has stopped. A stage cannot be taken back.
func (w *Worker) Stop(s Stage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s <= w.stage {
		return
	}
	w.stage = s
	close(w.staged)
	w.staged = make(chan struct{})
	if s >= Cold && w.cancel != nil {
		w.cancel(umbel.ErrShutdown)
	}
}

// coldAsked is closed when the shutdown is cold.
func (w *Worker) coldAsked() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stage >= Cold {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	return w.staged
}

// giveUpStore is closed when results that cannot be stored must be given up: the worker is stopping cold.
func (w *Worker) giveUpStore() <-chan struct{} { return w.coldAsked() }

// shutdown ends everything that Run started, in the reverse order. It is the only place where that happens.
func (w *Worker) shutdown() error {
	w.Stop(Warm)
	w.log.Info("worker: warm shutdown", "running", w.stats.active.Load())
	var errs []error
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.base), drainWait)
	defer cancel()
	for _, c := range w.consumers {
		if err := c.sub.Stop(ctx); err != nil {
			w.log.Warn("cannot stop consuming", "queue", c.queue.Name, "error", err)
		}
	}
	// What has not started goes back at once, for others to take.
	for _, r := range append(w.delay.close(), w.pool.close()...) {
		if !r.stale() {
			w.giveBack(r.delivery)
		}
	}
	for _, c := range w.consumers {
		_ = c.sub.Flush(ctx) // a lost connection has given them back already
	}
	errs = append(errs, w.drain())
	w.finisher.close()
	for _, c := range w.consumers {
		if err := c.sub.Close(ctx); err != nil {
			w.log.Warn("cannot close consumer", "queue", c.queue.Name, "error", err)
		}
	}
	w.log.Info("worker: stopped", "node", w.node, "done", w.stats.succeeded.Load()+w.stats.failed.Load())
	return errors.Join(errs...)
}

// drainWait bounds what shutdown asks of the broker.
const drainWait = 30 * time.Second

// drain waits for running tasks: without limit while the shutdown is warm, ColdGrace once it is cold.
func (w *Worker) drain() error {
	done := w.pool.done()
	select {
	case <-done:
		return nil
	case <-w.coldAsked():
	}
	w.log.Warn("worker: cold shutdown", "running", w.stats.active.Load())
	select {
	case <-done:
		return nil
	case <-time.After(w.ColdGrace):
		return fmt.Errorf("worker: %d tasks did not heed the cold shutdown within %v and were left running", w.stats.active.Load(), w.ColdGrace)
	}
}
