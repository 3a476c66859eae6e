package worker

// What a worker shows at metrics_address: its metrics, whether it lives, whether it takes tasks.

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/umbel-go/umbel/internal/metric"
	"github.com/umbel-go/umbel/internal/procpool"
	"github.com/umbel-go/umbel/internal/version"
	"github.com/umbel-go/umbel/internal/vitals"
)

// Families of metrics. The label worker is the node name: several workers of a process share a page.
var (
	metricInfo      = &metric.Family{Name: "umbel_worker_info", Kind: metric.KindGauge, Labels: []string{"worker", "version", "pool"}, Help: "Always 1: which worker this is"}
	metricReady     = &metric.Family{Name: "umbel_worker_ready", Kind: metric.KindGauge, Labels: []string{"worker"}, Help: "1 while the worker takes tasks from all its queues, as /readyz says"}
	metricSince     = &metric.Family{Name: "umbel_worker_start_time_seconds", Kind: metric.KindGauge, Labels: []string{"worker"}, Help: "When the worker began to consume, in seconds since 1970"}
	metricSlots     = &metric.Family{Name: "umbel_worker_slots", Kind: metric.KindGauge, Labels: []string{"worker"}, Help: "Tasks that may run at once"}
	metricRunning   = &metric.Family{Name: "umbel_worker_running", Kind: metric.KindGauge, Labels: []string{"worker"}, Help: "Tasks that run now"}
	metricLostSlots = &metric.Family{Name: "umbel_worker_lost_slots", Kind: metric.KindGauge, Labels: []string{"worker"}, Help: "Goroutines whose handler ignored a hard time limit and still runs"}
	metricWaiting   = &metric.Family{Name: "umbel_worker_waiting", Kind: metric.KindGauge, Labels: []string{"worker", "for"}, Help: "Messages held here that wait: for a slot, or for their time (ETA or rate limit)"}
	metricChildren  = &metric.Family{Name: "umbel_worker_children", Kind: metric.KindGauge, Labels: []string{"worker"}, Help: "Child processes of the pool \"process\""}
	metricStartedCh = &metric.Family{Name: "umbel_worker_children_started_total", Kind: metric.KindCounter, Labels: []string{"worker"}, Help: "Child processes that were started"}
	metricLostCh    = &metric.Family{Name: "umbel_worker_children_lost_total", Kind: metric.KindCounter, Labels: []string{"worker"}, Help: "Child processes that died before their time, or were killed"}
	metricPrefetch  = &metric.Family{Name: "umbel_worker_prefetch", Kind: metric.KindGauge, Labels: []string{"worker", "queue"}, Help: "Messages that the broker hands out at most before one is settled, 0 for no limit"}
	metricConsuming = &metric.Family{Name: "umbel_worker_consuming", Kind: metric.KindGauge, Labels: []string{"worker", "queue"}, Help: "1 while the queue is consumed, 0 while its consumer is lost or the queue is paused"}
	metricDelivered = &metric.Family{Name: "umbel_deliveries_total", Kind: metric.KindCounter, Labels: []string{"worker", "queue"}, Help: "Messages taken from the queue"}
	metricParted    = &metric.Family{Name: "umbel_consumer_losses_total", Kind: metric.KindCounter, Labels: []string{"worker", "queue"}, Help: "How often the consumer was lost, with its connection or without"}
	metricReceived  = &metric.Family{Name: "umbel_tasks_received_total", Kind: metric.KindCounter, Labels: []string{"worker", "task"}, Help: "Messages that are such a task"}
	metricStarted   = &metric.Family{Name: "umbel_tasks_started_total", Kind: metric.KindCounter, Labels: []string{"worker", "task"}, Help: "Tasks begun"}
	metricEnded     = &metric.Family{Name: "umbel_tasks_total", Kind: metric.KindCounter, Labels: []string{"worker", "task", "state"}, Help: "Tasks ended, by Celery's state, IGNORED, or RETURNED to the queue"}
	metricFailures  = &metric.Family{Name: "umbel_task_failures_total", Kind: metric.KindCounter, Labels: []string{"worker", "task", "exception"}, Help: "Failures by type of the exception"}
	metricTook      = &metric.Family{Name: "umbel_task_duration_seconds", Kind: metric.KindHistogram, Labels: []string{"worker", "task"}, Help: "How long handlers ran, in seconds"}
	metricWaited    = &metric.Family{Name: "umbel_task_wait_seconds", Kind: metric.KindHistogram, Labels: []string{"worker", "task"}, Help: "How long messages were held here before they ran, in seconds"}
	metricRefused   = &metric.Family{Name: "umbel_messages_refused_total", Kind: metric.KindCounter, Labels: []string{"worker", "reason"}, Help: "Messages that never became a task"}
	metricDead      = &metric.Family{Name: "umbel_dead_letters_total", Kind: metric.KindCounter, Labels: []string{"worker", "reason"}, Help: "Messages sent to dead letters"}
	metricStoring   = &metric.Family{Name: "umbel_result_store_failures_total", Kind: metric.KindCounter, Labels: []string{"worker"}, Help: "Attempts to store results that failed; they are tried again"}
	metricLinked    = &metric.Family{Name: "umbel_connection_up", Kind: metric.KindGauge, Labels: []string{"worker"}, Help: "1 while every connection to the broker that is wanted stands"}
	metricBlocked   = &metric.Family{Name: "umbel_connection_blocked", Kind: metric.KindGauge, Labels: []string{"worker"}, Help: "1 while the broker takes no messages, because of an alarm"}
	metricBlocks    = &metric.Family{Name: "umbel_connection_blocks_total", Kind: metric.KindCounter, Labels: []string{"worker"}, Help: "How often the broker began to take no messages"}
	metricLosses    = &metric.Family{Name: "umbel_connection_losses_total", Kind: metric.KindCounter, Labels: []string{"worker"}, Help: "How often a connection to the broker was lost; it is made again"}
	metricRenewals  = &metric.Family{Name: "umbel_ack_renewals_total", Kind: metric.KindCounter, Labels: []string{"worker"}, Help: "Running tasks renewed before the broker's ack timeout"}
)

var families = []*metric.Family{metricInfo, metricReady, metricSince, metricSlots, metricRunning, metricLostSlots, metricWaiting,
	metricChildren, metricStartedCh, metricLostCh, metricPrefetch, metricConsuming, metricDelivered, metricParted, metricReceived, metricStarted,
	metricEnded, metricFailures, metricTook, metricWaited, metricRefused, metricDead, metricStoring, metricRenewals,
	metricLinked, metricBlocked, metricBlocks, metricLosses}

// exposed is a worker as others see it from outside of the process.
type exposed struct{ *Worker }

// expose begins to count, and shows it, where the settings say. hide ends the showing.
func (w *Worker) expose() (hide func(), err error) {
	s := w.settings
	if s.MetricsAddress == "" && !w.Metrics {
		return func() {}, nil
	}
	w.meter = newMeter()
	w.metered.Store(true)
	hide, _, err = vitals.Join(vitals.Config{Address: s.MetricsAddress, TokenFile: s.MetricsTokenFile, Public: s.MetricsPublic,
		Names: s.MetricsNames, Log: w.log}, exposed{w})
	if err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	return hide, nil
}

// ServeMetrics shows the worker's metrics to Prometheus. It needs Config.Metrics or metrics_address; who may see them is the caller's
// affair.
func (w *Worker) ServeMetrics(rw http.ResponseWriter, r *http.Request) {
	vitals.Show(rw, r, nil, exposed{w})
}

// Ready says why the worker does not take tasks from all its queues now; nil: it does. Paused queues do not count.
func (w *Worker) Ready() error {
	switch {
	case w.Stage() != Running:
		return errors.New("worker: stopping")
	case !w.begun.Load():
		return errors.New("worker: starting")
	}
	select {
	case <-w.broker.Done():
		return errors.New("worker: the broker is given up")
	default:
	}
	var lost []string
	for _, c := range w.activeConsumers() {
		if c.away.Load() {
			lost = append(lost, c.queue.Name)
		}
	}
	if lost != nil {
		return fmt.Errorf("worker: not consuming %s: the connection to the broker is lost, or the queue is gone", strings.Join(lost, ", "))
	}
	return nil
}

// Live says why the worker should be killed; nil: it should not. A worker that waits for its broker lives, and so does one whose
// tasks take long.
func (w *Worker) Live() error {
	if !w.begun.Load() {
		return nil
	}
	select {
	case <-w.broker.Done():
		if w.Stage() == Running { // Run is about to return
			return errors.New("worker: the broker is given up")
		}
	default:
	}
	return nil
}

// Metrics implements vitals.Source.
func (e exposed) Metrics(p *metric.Page, _ []string) {
	w := e.Worker
	p.Declare(families...)
	if !w.metered.Load() { // not before Run
		return
	}
	m, node := w.meter, w.node
	v, _ := version.Get()
	p.Add(metricInfo, 1, node, v, w.Pool)
	p.Add(metricReady, metric.Truth(w.Ready() == nil), node)
	if w.begun.Load() {
		e.present(p, node)
	}
	m.queues.Each(func(queue string, q *queueMeter) {
		p.Add(metricDelivered, q.deliveries.Value(), node, queue)
		p.Add(metricParted, q.lost.Value(), node, queue)
	})
	m.tasks.Each(func(task string, t *taskMeter) {
		if t.received.Value() == 0 { // a program may have hundreds that this worker never sees
			return
		}
		p.Add(metricReceived, t.received.Value(), node, task)
		p.Add(metricStarted, t.started.Value(), node, task)
		for v := verdictSuccess; v < verdicts; v++ {
			if n := t.ended[v].Value(); n > 0 || v <= verdictRetry { // so that rates have a zero to begin from
				p.Add(metricEnded, n, node, task, verdictNames[v])
			}
		}
		p.AddHistogram(metricTook, t.took, node, task)
		p.AddHistogram(metricWaited, t.waited, node, task)
	})
	m.failures.Each(func(f failure, c *metric.Counter) { p.Add(metricFailures, c.Value(), node, f.task, f.exception) })
	m.refused.Each(func(reason string, c *metric.Counter) { p.Add(metricRefused, c.Value(), node, reason) })
	m.dead.Each(func(reason string, c *metric.Counter) { p.Add(metricDead, c.Value(), node, reason) })
	p.Add(metricStoring, m.storing.Value(), node)
	p.Add(metricRenewals, m.renewals.Value(), node)
}

// present is what is measured, not counted.
func (e exposed) present(p *metric.Page, node string) {
	w := e.Worker
	p.Add(metricSince, float64(w.started.UnixMilli())/1000, node)
	p.Add(metricSlots, float64(w.pool.limit()), node)
	p.Add(metricRunning, float64(w.stats.active.Load()), node)
	p.Add(metricLostSlots, float64(w.pool.writtenOff()), node)
	p.Add(metricWaiting, float64(len(w.pool.ready)), node, "slot")
	p.Add(metricWaiting, float64(w.delay.len()), node, "time")
	var children procpool.Stats // none, in another pool
	if c, is := w.seats.(*processes); is {
		children = c.pool.Stats()
	}
	p.Add(metricChildren, float64(len(children.PIDs)), node)
	p.Add(metricStartedCh, float64(children.Started), node)
	p.Add(metricLostCh, float64(children.Lost), node)
	if c, ok := w.app.BrokerCondition(); ok {
		p.Add(metricLinked, metric.Truth(c.Connected), node)
		p.Add(metricBlocked, metric.Truth(c.Blocked != ""), node)
		p.Add(metricBlocks, float64(c.Blocks), node)
		p.Add(metricLosses, float64(c.Losses), node)
	}
	consumers := w.activeConsumers()
	for _, c := range consumers[:min(len(consumers), meteredQueues)] {
		p.Add(metricPrefetch, float64(c.prefetch()), node, c.queue.Name)
		p.Add(metricConsuming, metric.Truth(!c.away.Load()), node, c.queue.Name)
	}
	w.consumersMu.Lock()
	defer w.consumersMu.Unlock()
	for name, q := range w.paused {
		if q != nil && len(consumers) < meteredQueues {
			p.Add(metricConsuming, 0, node, name)
		}
	}
}

// prefetch is what the broker is asked for now.
func (c *consumer) prefetch() int {
	n := c.worker.prefetchNow()
	if n == 0 {
		return 0
	}
	c.held.mu.Lock()
	defer c.held.mu.Unlock()
	return min(n+c.held.extra, maxPrefetch)
}

// writtenOff is how many slots were lost to handlers that cannot be stopped.
func (p *pool) writtenOff() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// len is how many deliveries wait for their time.
func (d *delay) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting)
}

var _ vitals.Source = exposed{}
