package prometheus

// The names of celery-exporter (danihodovic/celery-exporter) and of Flower, for dashboards that stand on them.

import (
	"time"

	"github.com/umbel-go/umbel/internal/metric"
)

var celeryLabels = []string{"name", "hostname", "queue_name"}

func celeryCounter(name, help string) *metric.Family {
	return &metric.Family{Name: "celery_task_" + name + "_total", Kind: metric.KindCounter, Labels: celeryLabels, Help: help}
}

// celeryEvents are in the order of kinds.
var celeryEvents = []*metric.Family{
	{Name: "celery_task_sent_total", Kind: metric.KindCounter, Labels: celeryLabels, Help: "Messages sent (task_send_sent_event); hostname is empty"},
	celeryCounter("received", "Tasks received"),
	celeryCounter("started", "Tasks started"),
	celeryCounter("succeeded", "Tasks that succeeded"),
	{Name: "celery_task_failed_total", Kind: metric.KindCounter, Labels: []string{"name", "hostname", "queue_name", "exception"}, Help: "Tasks that failed, by type of the exception"},
	celeryCounter("retried", "Tasks retried"),
	celeryCounter("revoked", "Tasks revoked"),
	celeryCounter("rejected", "Tasks rejected"),
}

var (
	celeryRuntime   = &metric.Family{Name: "celery_task_runtime", Kind: metric.KindHistogram, Labels: celeryLabels, Help: "How long tasks ran that succeeded, in seconds"}
	celeryUp        = &metric.Family{Name: "celery_worker_up", Kind: metric.KindGauge, Labels: []string{"hostname"}, Help: "1 while the worker sends heartbeats"}
	celeryActive    = &metric.Family{Name: "celery_worker_tasks_active", Kind: metric.KindGauge, Labels: []string{"hostname"}, Help: "Tasks that the worker runs"}
	celeryQueue     = &metric.Family{Name: "celery_queue_length", Kind: metric.KindGauge, Labels: []string{"queue_name"}, Help: "Messages that wait in the queue"}
	celeryConsumers = &metric.Family{Name: "celery_active_consumer_count", Kind: metric.KindGauge, Labels: []string{"queue_name"}, Help: "Consumers of the queue"}
	celeryWorkers   = &metric.Family{Name: "celery_active_worker_count", Kind: metric.KindGauge, Labels: []string{"queue_name"}, Help: "Workers that consume the queue, as they say"}
	celerySlots     = &metric.Family{Name: "celery_active_process_count", Kind: metric.KindGauge, Labels: []string{"queue_name"},
		Help: "Tasks that the workers of the queue run at once: child processes, or goroutines"}
)

func (x *Exporter) celery(p *metric.Page) {
	p.Declare(celeryEvents...)
	p.Declare(celeryRuntime, celeryUp, celeryActive, celeryQueue, celeryConsumers, celeryWorkers, celerySlots)
	x.ledger.cells.Each(func(at place, c *cell) {
		if at.task == "" {
			return
		}
		for kind, f := range celeryEvents { // zeros too, so that there is something to divide by; clients only send
			switch n := c.events[kind].Value(); {
			case at.worker == "" && n == 0, at.worker != "" && kind == sent:
			case kind == failed:
				p.Add(f, 0, at.task, at.worker, at.queue, "")
			default:
				p.Add(f, n, at.task, at.worker, at.queue)
			}
		}
		if c.took.Count() > 0 {
			p.AddHistogram(celeryRuntime, c.took, at.task, at.worker, at.queue)
		}
	})
	x.ledger.failures.Each(func(f fault, c *metric.Counter) {
		p.Add(celeryEvents[failed], c.Value(), f.task, f.worker, f.queue, f.exception)
	})
	now := time.Now()
	for i, w := range x.config.Fleet.Workers() {
		if i < workersMost {
			p.Add(celeryUp, metric.Truth(w.Alive(now)), w.Hostname)
			p.Add(celeryActive, float64(w.Active)*metric.Truth(w.Alive(now)), w.Hostname)
		}
	}
	crews := x.config.Fleet.Crews()
	for _, q := range x.config.Fleet.Queues() {
		if !q.Exists {
			continue
		}
		p.Add(celeryQueue, float64(q.Ready), q.Name)
		p.Add(celeryConsumers, float64(q.Consumers), q.Name)
		if crews != nil { // else nobody knows, which is not 0
			p.Add(celeryWorkers, float64(crews[q.Name].Workers), q.Name)
			p.Add(celerySlots, float64(crews[q.Name].Slots), q.Name)
		}
	}
}

var flowerLabels = []string{"worker", "task"}

var (
	flowerEvents   = &metric.Family{Name: "flower_events_total", Kind: metric.KindCounter, Labels: []string{"worker", "type", "task"}, Help: "Events of tasks"}
	flowerRuntime  = &metric.Family{Name: "flower_task_runtime_seconds", Kind: metric.KindHistogram, Labels: flowerLabels, Help: "How long tasks ran that succeeded"}
	flowerPrefetch = &metric.Family{Name: "flower_task_prefetch_time_seconds", Kind: metric.KindGauge, Labels: flowerLabels, Help: "How long the task that began last had waited at its worker"}
	flowerHeld     = &metric.Family{Name: "flower_worker_prefetched_tasks", Kind: metric.KindGauge, Labels: flowerLabels, Help: "Tasks that wait at the worker"}
	flowerOnline   = &metric.Family{Name: "flower_worker_online", Kind: metric.KindGauge, Labels: []string{"worker"}, Help: "1 while the worker sends heartbeats"}
	flowerRunning  = &metric.Family{Name: "flower_worker_number_of_currently_executing_tasks", Kind: metric.KindGauge, Labels: []string{"worker"}, Help: "Tasks that the worker runs"}
)

func (x *Exporter) flower(p *metric.Page) {
	p.Declare(flowerEvents, flowerRuntime, flowerPrefetch, flowerHeld, flowerOnline, flowerRunning)
	type key struct{ worker, kind, task string }
	sums, held, waited := make(map[key]float64), make(map[host]float64), make(map[host]float64)
	x.ledger.cells.Each(func(at place, c *cell) {
		if at.task == "" || at.worker == "" {
			return
		}
		for kind := range c.events {
			if n := c.events[kind].Value(); n > 0 {
				sums[key{at.worker, "task-" + kinds[kind], at.task}] += n
			}
		}
		if c.events[received].Value() > 0 {
			held[host{at.task, at.worker}] += c.held.Value()
			waited[host{at.task, at.worker}] = max(waited[host{at.task, at.worker}], c.waited.Value())
		}
	})
	for at, n := range held {
		p.Add(flowerHeld, n, at.worker, at.task)
		p.Add(flowerPrefetch, waited[at]/float64(time.Second), at.worker, at.task)
	}
	for at, h := range x.ledger.took() {
		p.AddHistogram(flowerRuntime, h, at.worker, at.task)
	}
	for k, n := range sums {
		p.Add(flowerEvents, n, k.worker, k.kind, k.task)
	}
	now := time.Now()
	for i, w := range x.config.Fleet.Workers() {
		if i < workersMost {
			p.Add(flowerOnline, metric.Truth(w.Alive(now)), w.Hostname)
			p.Add(flowerRunning, float64(w.Active)*metric.Truth(w.Alive(now)), w.Hostname)
		}
	}
}
