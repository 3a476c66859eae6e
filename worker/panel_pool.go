package worker

import (
	"context"
	"fmt"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/control"
)

func (p *panel) poolInfo() []codec.NamedValue {
	w := p.worker
	var perChild any = "N/A"
	if n := w.settings.WorkerMaxTasksPerChild; n > 0 && w.Pool == poolProcess {
		perChild = n
	}
	return object("implementation", "umbel:"+w.Pool, "max-concurrency", w.pool.limit(), "processes", w.seats.pids(),
		"max-tasks-per-child", perChild, "put-guarded-by-semaphore", false,
		"timeouts", []float64{w.settings.TaskSoftTimeLimit.Seconds(), w.settings.TaskTimeLimit.Seconds()}, "writes", "N/A")
}

// autoscaleInfo is nil when the pool does not scale by itself.
func (p *panel) autoscaleInfo() any {
	s := p.worker.autoscaler
	if s == nil {
		return nil
	}
	a := s.limits()
	return object("max", a.Max, "min", a.Min, "current", p.worker.pool.limit(), "qty", 0)
}

func (p *panel) poolGrow(_ context.Context, a arguments) (any, error) {
	return p.resize(a, +1, "pool will grow")
}

func (p *panel) poolShrink(_ context.Context, a arguments) (any, error) {
	return p.resize(a, -1, "pool will shrink")
}

func (p *panel) resize(a arguments, sign int, text string) (any, error) {
	if p.worker.autoscaler != nil {
		return control.Refused(a.Method + " is not supported with autoscale. Adjust autoscale range instead."), nil
	}
	n, err := a.number("n", 1)
	if err != nil {
		return nil, err
	}
	size := p.worker.pool.limit() + sign*n
	if size < 1 || size > p.worker.mostAtOnce() {
		return nil, control.Failf("ValueError", "a pool of %d: want 1 to %d", size, p.worker.mostAtOnce())
	}
	p.worker.resize(size)
	p.worker.log.Info("pool resized", "concurrency", size)
	return control.Done(text), nil
}

func (p *panel) autoscale(_ context.Context, a arguments) (any, error) {
	s := p.worker.autoscaler
	if s == nil {
		return nil, control.Failf("ValueError", "Autoscale not enabled")
	}
	most, err := a.number("max", -1)
	if err != nil {
		return nil, err
	}
	least, err := a.number("min", -1)
	if err != nil {
		return nil, err
	}
	now, err := s.update(most, least)
	if err != nil {
		return nil, control.Failf("ValueError", "%v", err)
	}
	p.worker.log.Info("autoscale range changed", "max", now.Max, "min", now.Min)
	return control.Done(fmt.Sprintf("autoscale now max=%d min=%d", now.Max, now.Min)), nil
}

// poolRestart replaces the children of a process pool, each when its task has ended. Modules cannot be loaded anew.
func (p *panel) poolRestart(_ context.Context, a arguments) (any, error) {
	w := p.worker
	switch {
	case !w.settings.WorkerPoolRestarts:
		return nil, control.Failf("ValueError", "Pool restarts not enabled")
	case a.flag("reload"):
		return nil, control.Failf("ValueError", "a Go program cannot load its modules anew: start the worker again")
	case !w.seats.restart():
		return nil, control.Failf("ValueError", "Pool restarts need worker_pool: process; goroutines have nothing to restart")
	}
	w.log.Info("pool restarts")
	return control.Done("reload started"), nil
}
