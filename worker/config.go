package worker

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/umbel-go/umbel"
)

// Config says how a Worker runs. The zero value is a good worker: it takes what the app's settings say.
type Config struct {
	// Queues to consume. Defaults to the configured queues (task_queues, else the default queue). Celery: -Q.
	Queues []string

	// ExcludeQueues are left out of the configured ones. It cannot go with Queues. Celery: -X.
	ExcludeQueues []string

	// Concurrency is how many tasks run at once: raise it for tasks that wait, lower it for tasks that compute.
	// Defaults to worker_concurrency, which defaults to the number of CPUs.
	Concurrency int

	// PrefetchMultiplier times Concurrency is how many unsettled deliveries the worker holds of each queue;
	// umbel.NoLimit is no limit. Defaults to worker_prefetch_multiplier, which defaults to 4.
	PrefetchMultiplier int

	// Nodename is this worker's name, name@host; %h, %n, %d and %i are replaced. Defaults to celery@%h. Celery: -n.
	Nodename string

	// StateFile keeps what was revoked over restarts of this worker. Defaults to worker_state_db.
	// Celery: --statedb.
	StateFile string

	// ColdGrace is how long a cold shutdown waits for tasks whose context was cancelled. Defaults to 10 s.
	ColdGrace time.Duration

	// Log takes the worker's log. Defaults to the app's.
	Log *slog.Logger

	// OnReady, when set, is called once the worker consumes from all its queues.
	OnReady func()
}

// resolved is a Config with every default filled from the app's settings.
type resolved struct {
	Config
	settings  *umbel.Config
	queues    []umbel.QueuePlan
	prefetch  int // per queue; 0 is no limit
	node      string
	stateFile string // "": none
}

func (c Config) resolve(app *umbel.App) (*resolved, error) {
	s, err := app.Config()
	if err != nil {
		return nil, err
	}
	r := &resolved{Config: c, settings: s}
	var errs []error
	if r.Concurrency == 0 {
		r.Concurrency = s.WorkerConcurrency
	}
	if s.WorkerPool == "solo" {
		r.Concurrency = 1
	}
	if r.Concurrency < 1 || r.Concurrency > maxConcurrency {
		errs = append(errs, fmt.Errorf("concurrency is %d: want 1 to %d", r.Concurrency, maxConcurrency))
	}
	if r.PrefetchMultiplier == 0 {
		r.PrefetchMultiplier = s.WorkerPrefetchMultiplier
	}
	if r.PrefetchMultiplier > 0 {
		r.prefetch = r.PrefetchMultiplier * r.Concurrency
		if r.prefetch > maxPrefetch {
			r.prefetch = 0 // what AMQP cannot count is no limit, as in Celery
		}
	}
	if r.ColdGrace == 0 {
		r.ColdGrace = 10 * time.Second
	}
	if r.Log == nil {
		r.Log = app.Logger()
	}
	if r.node, err = Nodename(c.Nodename); err != nil {
		errs = append(errs, err)
	}
	r.stateFile = cmp.Or(c.StateFile, s.WorkerStateDB)
	if r.queues, err = c.plan(app); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	return r, nil
}

const (
	maxPrefetch    = 65535     // what basic.qos can say
	maxConcurrency = 1_000_000 // goroutines, not processes; beyond it is surely a slip of the hand
)

func (c Config) plan(app *umbel.App) ([]umbel.QueuePlan, error) {
	if len(c.Queues) > 0 && len(c.ExcludeQueues) > 0 {
		return nil, errors.New("queues to consume (-Q) and queues to leave out (-X) were both given: give one")
	}
	if len(c.Queues) > 0 {
		var plans []umbel.QueuePlan
		for _, name := range slices.Compact(slices.Clone(c.Queues)) {
			if slices.ContainsFunc(plans, func(q umbel.QueuePlan) bool { return q.Name == name }) {
				continue
			}
			q, err := app.QueueNamed(name)
			if err != nil {
				return nil, err
			}
			plans = append(plans, q)
		}
		return plans, nil
	}
	plans, err := app.Queues()
	if err != nil {
		return nil, err
	}
	for _, name := range c.ExcludeQueues {
		n := len(plans)
		plans = slices.DeleteFunc(plans, func(q umbel.QueuePlan) bool { return q.Name == name })
		if len(plans) == n {
			return nil, fmt.Errorf("queue %q to leave out (-X) is not among the configured queues", name)
		}
	}
	if len(plans) == 0 {
		return nil, errors.New("no queue is left to consume")
	}
	return plans, nil
}
