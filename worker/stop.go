package worker

// Stopping, in Celery's stages. Stage order is the worker's business; turning signals into stages is the command's.
//
//	Warm   consuming stops, what waited goes back to its queue at once, running tasks finish
//	Soft   the same against a deadline, at which it becomes cold (deadline.go)
//	Cold   the contexts of running tasks are cancelled with umbel.ErrShutdown; late-acked messages go back

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A Stage is how far a worker's shutdown has gone.
type Stage int

const (
	Running Stage = iota
	Warm
	Soft
	Cold
)

// stages are the stage reached and channels closed on entering each.
type stages struct {
	mu   sync.Mutex // guards now
	now  Stage
	warm chan struct{}
	soft chan struct{}
	cold chan struct{}
}

func newStages() stages {
	return stages{warm: make(chan struct{}), soft: make(chan struct{}), cold: make(chan struct{})}
}

// stopping reports that no more tasks are to be taken.
func (s *stages) stopping() bool {
	select {
	case <-s.warm:
		return true
	default:
		return false
	}
}

// onWarm, onSoft and onCold call f when that stage is entered, unless the returned function was called before.
func (s *stages) onWarm(f func()) (stop func()) { return on(s.warm, f) }
func (s *stages) onSoft(f func()) (stop func()) { return on(s.soft, f) }
func (s *stages) onCold(f func()) (stop func()) { return on(s.cold, f) }

func on(entered <-chan struct{}, f func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-entered:
			f()
		case <-done:
		}
	}()
	return func() { close(done) }
}

// Stage is where the worker stands.
func (w *Worker) Stage() Stage {
	w.stage.mu.Lock()
	defer w.stage.mu.Unlock()
	return w.stage.now
}

// Stop asks for a stage and returns at once; Run returns when the worker has stopped. A stage cannot be taken back.
func (w *Worker) Stop(to Stage) {
	s := &w.stage
	s.mu.Lock()
	defer s.mu.Unlock()
	if to >= Warm && s.now < Warm {
		close(s.warm)
	}
	if to == Soft && s.now < Soft { // what is cold already has no deadline
		close(s.soft)
	}
	if to >= Cold && s.now < Cold {
		close(s.cold)
	}
	s.now = max(s.now, to)
}

// shutdown ends everything that Run started, in the reverse order. It is the only place where that happens.
func (w *Worker) shutdown() error {
	w.Stop(Warm)
	w.log.Info("worker: warm shutdown", "running", w.stats.active.Load())
	var errs []error
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.base), drainWait)
	defer cancel()
	w.panel.close(ctx)
	consumers := w.allConsumers()
	for _, c := range consumers {
		if err := c.sub.Stop(ctx); err != nil {
			w.log.Warn("cannot stop consuming", "queue", c.queue.Name, "error", err)
		}
	}
	w.autoscaler.close()
	w.pacer.close()
	// What has not started goes back at once, for others to take.
	waiting := w.pool.close()
	waiting = append(waiting, w.delay.close()...)
	w.postponer.close()
	waiting = append(waiting, w.delay.left()...)
	for _, r := range waiting {
		if !r.stale() && r.withdraw() {
			w.giveBack(r.delivery)
		}
	}
	for _, c := range consumers {
		_ = c.sub.Flush(ctx) // a lost connection has given them back already
	}
	errs = append(errs, w.drain())
	w.seats.close()
	w.timeouts.Wait() // each ends within a moment
	w.aside.Wait()    // ends with the cold stage at the latest
	w.finisher.close()
	w.revoked.close()
	if w.lease != nil {
		w.lease.close()
	}
	ctx, cancel = context.WithTimeout(context.WithoutCancel(w.base), drainWait) // draining may have taken long
	defer cancel()
	for _, c := range consumers {
		if err := c.close(ctx); err != nil {
			w.log.Warn("cannot close consumer", "queue", c.queue.Name, "error", err)
		}
	}
	w.endEvents()
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
		w.idle()
		return nil
	case <-w.stage.cold:
	}
	w.log.Warn("worker: cold shutdown", "running", w.stats.active.Load())
	select {
	case <-done:
		return nil
	case <-time.After(w.ColdGrace):
	}
	if w.seats.clear() {
		w.log.Warn("worker: killed tasks that did not return after a cold shutdown", "tasks", names(w.pool.running()))
		<-done
		return nil
	}
	return fmt.Errorf("worker: left running after a cold shutdown, not having returned within %v of their context's end: %s",
		w.ColdGrace, names(w.pool.running()))
}

// names lists tasks for people, the first ten of them.
func names(runs []*run) string {
	var b strings.Builder
	for i, r := range runs {
		if i == 10 {
			fmt.Fprintf(&b, " and %d more", len(runs)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s[%s]", r.request.DisplayName(), r.task.ID)
	}
	return b.String()
}
