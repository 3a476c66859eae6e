package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/internal/procpool"
	"github.com/umbel-go/umbel/protocol"
)

// A Worker takes tasks from queues and runs them.
type Worker struct {
	app    *umbel.App
	config Config

	*resolved // from Run on
	log       *slog.Logger
	broker    broker.Broker
	results   backend.Backend // nil: results are disabled
	tasks     map[string]*known
	decode    protocol.DecodeOptions

	consumersMu sync.Mutex // guards consumers, retired and paused
	consumers   []*consumer
	retired     []*consumer                 // consume no more; what they brought still runs
	paused      map[string]*umbel.QueuePlan // queues that nobody is to consume; not nil: this worker would

	waiting waiting
	revoked *revoked
	panel   *panel
	events  *event.Dispatcher // from Run on; off until wanted
	heart   *heart
	clock   event.Clock // of events
	started time.Time
	grown   atomic.Int64 // prefetch on top of what it was at the start

	pool  *pool
	seats seats

	autoscaler *autoscaler // nil: the pool keeps its size
	delay      *delay
	pacer      *pacer
	postponer  *postponer
	finisher   *finisher
	lease      *lease // nil: the broker has no ack timeout
	inflight   inflight
	finished   finished
	postponed  finished // sent back until their ETA, without an ack that surely arrived
	twins      twins
	stats      stats
	meter      *meter      // nil: nobody asks for metrics
	metered    atomic.Bool // meter is there
	begun      atomic.Bool // Run consumes

	aside   sync.WaitGroup // endings that no slot waits for
	burials chan struct{}  // cap buriesAtOnce: refused messages on their way to the dead letters

	taking context.Context         // ends when nothing is to be started any more
	base   context.Context         // of every task; outlives warm shutdown
	cancel context.CancelCauseFunc // ends it: cold shutdown

	stage    stages
	timeouts sync.WaitGroup // hard limits that may still end a task

	deadlines    deadlines
	noticesEvery time.Duration // 0 is the default; for tests

	crossing func(step string) // nil but in tests: told before each step that a crash may come in front of

	failMu sync.Mutex
	cause  error // why the worker must stop, though nobody asked; guarded by failMu
}

// New makes a worker of the app's tasks. It connects in Run.
func New(app *umbel.App, c Config) *Worker {
	return &Worker{app: app, config: c, stage: newStages(), burials: make(chan struct{}, buriesAtOnce)}
}

// Run consumes and runs tasks until ctx is cancelled, which starts a warm shutdown, or Stop is called, or the broker is
// given up. When it returns nothing it started is left, except handlers that ignored a cold shutdown: these are named in
// the error.
func (w *Worker) Run(ctx context.Context) error {
	r, err := w.config.resolve(w.app)
	if err != nil {
		return err
	}
	w.resolved, w.log = r, r.Log
	defer context.AfterFunc(ctx, func() { w.Stop(Warm) })()
	if pool, is := procpool.InChild(); is {
		return w.serveParent(pool)
	}
	w.base, w.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	defer w.cancel(nil)
	defer w.stage.onCold(func() { w.cancel(umbel.ErrShutdown) })()
	defer w.keepDeadlines()()
	starting, started := context.WithCancel(ctx)
	defer started()
	defer w.stage.onWarm(started)()
	w.taking = starting
	if w.Pool != poolProcess {
		w.warnOfChildren()
	}
	hide, err := w.expose()
	if err != nil {
		return err
	}
	defer hide()
	if err := w.connect(starting); err != nil {
		if w.stage.stopping() {
			w.log.Info("worker: stopped before it could connect", "error", err)
			return nil
		}
		return err
	}
	if w.pacer, err = newPacer(w); err != nil {
		return err
	}
	if w.seats, err = w.openSeats(starting); err != nil {
		if w.stage.stopping() {
			w.log.Info("worker: stopped before its children were up", "error", err)
			return nil
		}
		return err
	}
	room := w.roomOfQueue()
	w.pool = newPool(w.startSize(), min(max(room, readyRoom)*max(len(w.queues), 1), max(room, readyMost)), newLine(w.QueueOrder, w.queues, room), w.execute)
	if w.Autoscale.Max > 0 {
		w.autoscaler = newAutoscaler(w, w.Autoscale, w.settings.WorkerAutoscaleKeepalive)
		w.pool.scaler = w.autoscaler
		go w.autoscaler.run()
	}
	w.startEvents()
	w.delay = newDelay(w.due)
	w.postponer = newPostponer(w)
	w.finisher = newFinisher(w)
	w.revoked = newRevoked(w)
	w.started = time.Now()
	if err := w.loadPaused(starting); err != nil {
		w.log.Warn("cannot read which queues are paused", "error", err)
	}
	if err := w.revoked.load(starting); err != nil {
		w.log.Warn("cannot read what was revoked before this worker started", "error", err)
	}
	go w.revoked.run()
	if w.broker.Traits().AckTimeout {
		w.lease = newLease(w)
	}
	go w.delay.run()
	w.pacer.start(w.base)
	go w.postponer.run()
	go w.finisher.run()

	w.panel = newPanel(w)
	if err = w.panel.open(starting); err == nil {
		err = w.consume(starting)
	}
	if w.lease != nil {
		go w.lease.run()
	}
	if err != nil && w.stage.stopping() {
		w.log.Info("worker: stopped before it could consume", "error", err)
		return w.shutdown()
	}
	if err == nil {
		w.log.Info("worker ready", "node", w.node, "queues", w.queueNames(), "pool", w.Pool, "concurrency", w.Concurrency, "tasks", len(w.tasks))
		w.begun.Store(true)
		if w.OnReady != nil {
			w.OnReady()
		}
		defer w.listenForNotices()() // through the shutdown: a deadline may become known
		err = w.wait()
	}
	return errors.Join(err, w.shutdown())
}

// connect opens the broker and the result store, again and again if the settings say so.
func (w *Worker) connect(ctx context.Context) error {
	err := w.learn()
	if err != nil {
		return err
	}
	if err := w.retryStart(ctx, "broker", func() error {
		w.broker, err = w.app.Broker(ctx)
		return err
	}); err != nil {
		return err
	}
	return w.retryStart(ctx, "result backend", func() error {
		w.results, err = w.app.Backend(ctx)
		if errors.Is(err, umbel.ErrNoBackend) {
			w.results, err = nil, nil
		}
		return err
	})
}

// learn takes in the app's tasks, and what it accepts.
func (w *Worker) learn() error {
	accept, err := w.app.Accept()
	if err != nil {
		return err
	}
	w.decode = protocol.DecodeOptions{Accept: accept, Limit: w.settings.AcceptDecompressedBytes}
	w.tasks = make(map[string]*known)
	for _, d := range append(w.app.Tasks(), w.app.BuiltinTasks()...) {
		k := &known{def: d, policy: d.Policy(w.settings)}
		if soft, hard := k.policy.SoftTimeLimit, k.policy.TimeLimit; hard > 0 && soft > hard && !InChild() {
			w.log.Warn("soft time limit of a task is never reached: its time limit is shorter", "task", d.Name(), "soft", soft, "limit", hard)
		}
		k.limit = newLimiter(k.policy.RateLimit)
		w.tasks[d.Name()] = k
	}
	w.meter.meters(w.tasks)
	return nil
}

// retryStart repeats the first connection while what it reaches is merely away. Celery: broker_connection_retry_on_startup,
// broker_connection_max_retries.
func (w *Worker) retryStart(ctx context.Context, what string, open func() error) error {
	for n := 1; ; n++ {
		err := open()
		if err == nil {
			return nil
		}
		limit := w.settings.BrokerConnectionMaxRetries
		if !*w.settings.BrokerConnectionRetryOnStartup || (limit > 0 && n >= limit) || !retriable(err) {
			return &StartError{What: what, Err: err}
		}
		wait := backoff(n)
		w.log.Error("cannot connect to the "+what+"; trying again", "error", err, "wait", wait.Round(time.Millisecond), "attempt", n)
		select {
		case <-time.After(wait):
		case <-w.stage.warm:
			return fmt.Errorf("worker: stopped before it could connect: %w", err)
		}
	}
}

// consume starts a consumer for each queue.
func (w *Worker) consume(ctx context.Context) error {
	for _, q := range w.queues {
		if err := w.addConsumer(ctx, q); err != nil {
			return fmt.Errorf("worker: %w", err)
		}
	}
	return nil
}

func (w *Worker) queueNames() []string {
	names := make([]string, len(w.queues))
	for i, q := range w.queues {
		names[i] = q.Name
	}
	return names
}

// fail stops the worker warmly with an error that Run returns.
func (w *Worker) fail(err error) {
	w.failMu.Lock()
	w.cause = errors.Join(w.cause, err)
	w.failMu.Unlock()
	w.Stop(Warm)
}

// wait returns when the worker is to stop, with an error if that was not asked for.
func (w *Worker) wait() error {
	select {
	case <-w.stage.warm:
		w.failMu.Lock()
		defer w.failMu.Unlock()
		return w.cause
	case <-w.broker.Done():
		return fmt.Errorf("worker: the broker is gone: %w", w.broker.Err())
	}
}

// cross tells a test where it is.
func (w *Worker) cross(step string) {
	if w.crossing != nil {
		w.crossing(step)
	}
}
