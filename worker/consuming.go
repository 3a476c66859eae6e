package worker

// Consumers that come and go while the worker runs: add_consumer, cancel_consumer.

import (
	"context"
	"fmt"
	"slices"

	"github.com/umbel-go/umbel"
)

// retiredMost bounds the consumers that were cancelled and whose tasks may still run. Beyond it the oldest is closed: what
// it still held unacked goes back to its queue.
const retiredMost = 64

// addConsumer starts to consume a queue, unless it is consumed.
func (w *Worker) addConsumer(ctx context.Context, q umbel.QueuePlan) error {
	if w.consumerOf(q.Name) != nil {
		return nil
	}
	if w.setAside(&q) {
		w.log.Warn("queue is paused: not consumed until it is resumed (umbel queues resume)", "queue", q.Name)
		return nil
	}
	c := newConsumer(w, q)
	if err := c.start(ctx); err != nil {
		return fmt.Errorf("consume from queue %q: %w", q.Name, err)
	}
	w.consumersMu.Lock()
	w.consumers = append(w.consumers, c)
	w.consumersMu.Unlock()
	return nil
}

// cancelConsumer consumes a queue no more. What was taken from it still runs.
func (w *Worker) cancelConsumer(ctx context.Context, queue string) error {
	c := w.consumerOf(queue)
	if c == nil {
		return nil
	}
	if err := c.sub.Stop(ctx); err != nil {
		return fmt.Errorf("stop consuming from queue %q: %w", queue, err)
	}
	w.consumersMu.Lock()
	w.consumers = slices.DeleteFunc(w.consumers, func(o *consumer) bool { return o == c })
	w.retired = append(w.retired, c)
	var oldest *consumer
	if len(w.retired) > retiredMost {
		oldest, w.retired = w.retired[0], w.retired[1:]
	}
	w.consumersMu.Unlock()
	if oldest == nil {
		return nil
	}
	return oldest.close(ctx)
}

func (w *Worker) consumerOf(queue string) *consumer {
	for _, c := range w.activeConsumers() {
		if c.queue.Name == queue {
			return c
		}
	}
	return nil
}

// activeConsumers consume now.
func (w *Worker) activeConsumers() []*consumer {
	w.consumersMu.Lock()
	defer w.consumersMu.Unlock()
	return slices.Clone(w.consumers)
}

// allConsumers are those and the retired ones.
func (w *Worker) allConsumers() []*consumer {
	w.consumersMu.Lock()
	defer w.consumersMu.Unlock()
	return slices.Concat(w.consumers, w.retired)
}
