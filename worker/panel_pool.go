package worker

import (
	"context"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/control"
)

func (p *panel) poolInfo() []codec.NamedValue {
	w := p.worker
	return object("implementation", "umbel:goroutine", "max-concurrency", w.pool.limit(), "processes", []int{pid},
		"max-tasks-per-child", "N/A", "put-guarded-by-semaphore", false,
		"timeouts", []float64{w.settings.TaskSoftTimeLimit.Seconds(), w.settings.TaskTimeLimit.Seconds()}, "writes", "N/A")
}

// autoscaleInfo is nil when the pool does not scale by itself.
func (p *panel) autoscaleInfo() any { return nil }

func (p *panel) poolGrow(_ context.Context, a arguments) (any, error) {
	return p.resize(a, +1, "pool will grow")
}

func (p *panel) poolShrink(_ context.Context, a arguments) (any, error) {
	return p.resize(a, -1, "pool will shrink")
}

func (p *panel) resize(a arguments, sign int, text string) (any, error) {
	n, err := a.number("n", 1)
	if err != nil {
		return nil, err
	}
	size := p.worker.pool.limit() + sign*n
	if size < 1 || size > maxConcurrency {
		return nil, control.Failf("ValueError", "a pool of %d: want 1 to %d", size, maxConcurrency)
	}
	p.worker.resize(size)
	p.worker.log.Info("pool resized", "concurrency", size)
	return control.Done(text), nil
}

func (p *panel) autoscale(context.Context, arguments) (any, error) {
	return nil, control.Failf("ValueError", "Autoscale not enabled")
}

func (p *panel) poolRestart(context.Context, arguments) (any, error) {
	return nil, control.Failf("ValueError", "Pool restarts not enabled")
}
