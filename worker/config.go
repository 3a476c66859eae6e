package worker

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"time"

	"github.com/umbel-go/umbel"
)

// Config says how a Worker runs. The zero value is a good worker: it takes what the app's settings say.
type Config struct {
	// Queues to consume, each a name, or with a weight "name=5". Defaults to the configured queues (task_queues, else the
	// default queue). Celery: -Q.
	Queues []string

	// QueueOrder is which of the tasks that wait for a slot begins first: umbel.QueueOrderArrival, QueueOrderStrict or
	// QueueOrderWeighted. Defaults to worker_queue_order, which defaults to that of arrival.
	QueueOrder string

	// ExcludeQueues are left out of the configured ones. It cannot go with Queues. Celery: -X.
	ExcludeQueues []string

	// Concurrency is how many tasks run at once: raise it for tasks that wait, lower it for tasks that compute.
	// Defaults to worker_concurrency, which defaults to the number of CPUs.
	Concurrency int

	// Autoscale is the range in which the number of tasks at once follows the load; Concurrency is then its Max. Defaults to
	// worker_autoscale, which defaults to none. Celery: --autoscale.
	Autoscale Autoscale

	// Pool is where tasks run: goroutine (the default), solo (one task at a time), or process: children of this program, one
	// task each at a time, which can be killed. Defaults to worker_pool. Celery: -P.
	Pool string

	// ChildCommand makes the command of a child of the pool "process"; its pipes are added. Defaults to this program with
	// the same arguments, which must come to the same Run: there the child serves its parent instead of consuming. See
	// InChild.
	ChildCommand func() *exec.Cmd

	// PrefetchMultiplier times Concurrency is how many unsettled deliveries the worker holds of each queue;
	// umbel.NoLimit is no limit, umbel.AutoPrefetch follows the length of the queue's tasks. Defaults to worker_prefetch_multiplier, which defaults to 4.
	PrefetchMultiplier int

	// Nodename is this worker's name, name@host; %h, %n, %d and %i are replaced. Defaults to celery@%h. Celery: -n.
	Nodename string

	// StateFile keeps what was revoked over restarts of this worker. Defaults to worker_state_db.
	// Celery: --statedb.
	StateFile string

	// HeartbeatInterval is how often the worker tells that it is alive while events are on. Defaults to 2 s.
	// Celery: --heartbeat-interval.
	HeartbeatInterval time.Duration

	// WithoutHeartbeat leaves out events of the worker itself. Celery: --without-heartbeat.
	WithoutHeartbeat bool

	// Metrics counts for ServeMetrics also where metrics_address is not set.
	Metrics bool

	// ColdGrace is how long a cold shutdown waits for tasks whose context was cancelled. Defaults to 10 s.
	ColdGrace time.Duration

	// Log takes the worker's log. Defaults to the app's.
	Log *slog.Logger

	// SetLogLevel, when set, carries out remote control's loglevel: it changes the lowest level of Log, or says what is wrong
	// with the name. It must not block. Umbel's own.
	SetLogLevel func(level string) error

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
	most := maxConcurrency
	switch r.Pool = cmp.Or(r.Pool, s.WorkerPool); r.Pool {
	case "goroutine":
	case "solo":
		r.Concurrency = 1
	case poolProcess:
		most = maxProcesses
	default:
		errs = append(errs, fmt.Errorf("pool %q is not known: want goroutine, solo or process", r.Pool))
	}
	if r.Autoscale == (Autoscale{}) {
		r.Autoscale.Max, r.Autoscale.Min, _ = s.Autoscale() // Check has refused what cannot be read
	}
	if r.Autoscale != (Autoscale{}) {
		if err := r.Autoscale.check(most); err != nil {
			errs = append(errs, err)
		}
		r.Concurrency = r.Autoscale.Max
	}
	if r.Concurrency < 1 || r.Concurrency > most {
		errs = append(errs, fmt.Errorf("concurrency is %d: want 1 to %d", r.Concurrency, most))
	}
	if r.PrefetchMultiplier == 0 {
		r.PrefetchMultiplier = s.WorkerPrefetchMultiplier
	}
	if r.PrefetchMultiplier == umbel.AutoPrefetch {
		r.prefetch = min(r.Concurrency, maxPrefetch) // each consumer has a window of its own
	}
	if r.PrefetchMultiplier > 0 {
		r.prefetch = r.PrefetchMultiplier * r.Concurrency
		if r.prefetch > maxPrefetch {
			r.prefetch = 0 // what AMQP cannot count is no limit, as in Celery
		}
	}
	r.QueueOrder = cmp.Or(r.QueueOrder, s.WorkerQueueOrder)
	if !slices.Contains([]string{umbel.QueueOrderArrival, umbel.QueueOrderStrict, umbel.QueueOrderWeighted}, r.QueueOrder) {
		errs = append(errs, fmt.Errorf("queue order %q is not known: want arrival, strict or weighted", r.QueueOrder))
	}
	if r.HeartbeatInterval == 0 {
		r.HeartbeatInterval = 2 * time.Second
	}
	if r.HeartbeatInterval < 0 {
		errs = append(errs, fmt.Errorf("heartbeat interval is %v: want more than 0; WithoutHeartbeat switches it off", r.HeartbeatInterval))
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

// startSize is how many tasks run at once at the start.
func (r *resolved) startSize() int {
	if r.Autoscale.Max > 0 {
		return max(r.Autoscale.Min, 1)
	}
	return r.Concurrency
}

// warnOfChildren says of settings for children that there are none.
func (w *Worker) warnOfChildren() {
	for name, set := range map[string]bool{"worker_max_tasks_per_child": w.settings.WorkerMaxTasksPerChild > 0,
		"worker_max_memory_per_child": w.settings.WorkerMaxMemoryPerChild > 0} {
		if set {
			w.log.Warn(name + " has no effect: tasks run in goroutines; set worker_pool to process for children")
		}
	}
}

// poolProcess is the pool whose tasks run in children of this program.
const poolProcess = "process"

const (
	maxPrefetch    = 65535     // what basic.qos can say
	maxProcesses   = 4096      // children; beyond it is surely a slip of the hand
	maxConcurrency = 1_000_000 // goroutines, not processes; beyond it is surely a slip of the hand
)

func (c Config) plan(app *umbel.App) ([]umbel.QueuePlan, error) {
	if len(c.Queues) > 0 && len(c.ExcludeQueues) > 0 {
		return nil, errors.New("queues to consume (-Q) and queues to leave out (-X) were both given: give one")
	}
	if len(c.Queues) > 0 {
		var plans []umbel.QueuePlan
		for _, name := range slices.Compact(slices.Clone(c.Queues)) {
			q, err := app.QueueWeighed(name)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(plans, func(had umbel.QueuePlan) bool { return had.Name == q.Name }) {
				continue
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
