package worker

// Paused queues: consumed by nobody until they are resumed. The record in the result store tells workers that start
// meanwhile, or were cut off.

import (
	"context"
	"errors"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/control"
)

// loadPaused notes which queues are paused, before any is consumed.
func (w *Worker) loadPaused(ctx context.Context) error {
	names, err := w.app.PausedQueues(ctx)
	w.consumersMu.Lock()
	defer w.consumersMu.Unlock()
	if w.paused == nil {
		w.paused = make(map[string]*umbel.QueuePlan)
	}
	for _, n := range names {
		w.paused[n] = nil
	}
	return err
}

// setAside notes a queue that is to be consumed once it is resumed, and reports whether it is paused.
func (w *Worker) setAside(q *umbel.QueuePlan) bool {
	w.consumersMu.Lock()
	defer w.consumersMu.Unlock()
	if _, is := w.paused[q.Name]; !is {
		return false
	}
	w.paused[q.Name] = q
	return true
}

// pause consumes a queue no more until it is resumed, and reports whether it was consumed.
func (w *Worker) pause(ctx context.Context, queue string) (was bool, err error) {
	c := w.consumerOf(queue)
	w.consumersMu.Lock()
	if c != nil {
		w.paused[queue] = &c.queue
	} else if _, is := w.paused[queue]; !is {
		w.paused[queue] = nil
	}
	w.consumersMu.Unlock()
	if c == nil {
		return false, nil
	}
	return true, w.cancelConsumer(ctx, queue)
}

// resume consumes a queue again if it was consumed, or was to be, and reports whether it was.
func (w *Worker) resume(ctx context.Context, queue string) (was bool, err error) {
	w.consumersMu.Lock()
	q := w.paused[queue]
	delete(w.paused, queue)
	w.consumersMu.Unlock()
	if q == nil {
		return false, nil
	}
	return true, w.addConsumer(ctx, *q)
}

// recallPaused makes what is consumed agree with the record, after commands may have been missed.
func (w *Worker) recallPaused(ctx context.Context) error {
	names, err := w.app.PausedQueues(ctx)
	if err != nil {
		return err
	}
	recorded := make(map[string]bool)
	var errs []error
	for _, n := range names {
		recorded[n] = true
		_, err := w.pause(ctx, n)
		errs = append(errs, err)
	}
	w.consumersMu.Lock()
	var over []string
	for n := range w.paused {
		if !recorded[n] {
			over = append(over, n)
		}
	}
	w.consumersMu.Unlock()
	if !w.keepsRecords() {
		return errors.Join(errs...)
	}
	for _, n := range over {
		_, err := w.resume(ctx, n)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// pauseQueue is cancel_consumer as App.PauseQueue sends it.
func (p *panel) pauseQueue(ctx context.Context, queue string) (any, error) {
	was, err := p.worker.pause(ctx, queue)
	if err != nil {
		return nil, err
	}
	if !was {
		return control.Done("not consuming from " + queue), nil
	}
	p.worker.log.Warn("queue is paused", "queue", queue)
	return control.Done("paused " + queue), nil
}

// resumeQueue is Umbel's own command.
func (p *panel) resumeQueue(ctx context.Context, a arguments) (any, error) {
	queue := a.text("queue")
	was, err := p.worker.resume(ctx, queue)
	if err != nil {
		return nil, err
	}
	if !was {
		return control.Done("not consuming from " + queue), nil
	}
	p.worker.log.Warn("queue is resumed", "queue", queue)
	return control.Done("resumed " + queue), nil
}
