package prometheus

import (
	"time"

	"github.com/umbel-go/umbel/internal/metric"
)

// Families of our own. The fleet's are what events tell, of Celery's workers, too; a worker's own page knows more of that worker.
var (
	fleetEvents    = &metric.Family{Name: "umbel_fleet_tasks_total", Kind: metric.KindCounter, Labels: []string{"task", "event"}, Help: "Events of tasks by kind: sent, received, started, succeeded, failed, retried, revoked, rejected"}
	fleetTook      = &metric.Family{Name: "umbel_fleet_task_duration_seconds", Kind: metric.KindHistogram, Labels: []string{"task", "worker"}, Help: "How long tasks ran that succeeded, in seconds, as workers tell"}
	fleetFailures  = &metric.Family{Name: "umbel_fleet_failures_total", Kind: metric.KindCounter, Labels: []string{"task", "exception"}, Help: "Failures by type of the exception"}
	fleetWorkers   = &metric.Family{Name: "umbel_fleet_workers", Kind: metric.KindGauge, Labels: []string{"state"}, Help: "Workers that are online, have left, or fell silent"}
	fleetActive    = &metric.Family{Name: "umbel_fleet_worker_running", Kind: metric.KindGauge, Labels: []string{"worker"}, Help: "Tasks that ran when the worker last said so"}
	queueMessages  = &metric.Family{Name: "umbel_queue_messages", Kind: metric.KindGauge, Labels: []string{"queue", "state"}, Help: "Messages that wait (ready) or are with a worker (unsettled, if the broker tells)"}
	queueConsumers = &metric.Family{Name: "umbel_queue_consumers", Kind: metric.KindGauge, Labels: []string{"queue"}, Help: "Consumers of the queue"}
	queueDead      = &metric.Family{Name: "umbel_queue_dead_letters", Kind: metric.KindGauge, Labels: []string{"queue"}, Help: "Messages in a queue that keeps what failed for good"}
	queueRate      = &metric.Family{Name: "umbel_queue_rate", Kind: metric.KindGauge, Labels: []string{"queue", "of"}, Help: "Messages a second: publish, deliver, ack; by RabbitMQ's management API"}
	queueDesired   = &metric.Family{Name: "umbel_desired_workers", Kind: metric.KindGauge, Labels: []string{"queue"}, Help: "Workers that the queue should have, by its flow, what waits and what runs"}
	fleetRemovable = &metric.Family{Name: "umbel_removable_workers", Kind: metric.KindGauge, Labels: []string{"queue"}, Help: "Workers of the queue that are too many and may be stopped now"}
	brokerUp       = &metric.Family{Name: "umbel_broker_node_up", Kind: metric.KindGauge, Labels: []string{"node"}, Help: "1 while the broker's node runs; by RabbitMQ's management API, as all of the broker"}
	brokerMemory   = &metric.Family{Name: "umbel_broker_memory_bytes", Kind: metric.KindGauge, Labels: []string{"node"}, Help: "Memory of the broker's node"}
	brokerLimit    = &metric.Family{Name: "umbel_broker_memory_limit_bytes", Kind: metric.KindGauge, Labels: []string{"node"}, Help: "Memory at which that node takes no more messages"}
	brokerDisk     = &metric.Family{Name: "umbel_broker_disk_free_bytes", Kind: metric.KindGauge, Labels: []string{"node"}, Help: "Free disk of that node"}
	brokerAlarm    = &metric.Family{Name: "umbel_broker_alarm", Kind: metric.KindGauge, Labels: []string{"node", "alarm"}, Help: "1 while the node takes no more messages, for memory or disk"}
	brokerLinks    = &metric.Family{Name: "umbel_broker_connections", Kind: metric.KindGauge, Labels: nil, Help: "Connections to the broker, all nodes together"}
	brokerDelayed  = &metric.Family{Name: "umbel_delayed_messages", Kind: metric.KindGauge, Labels: nil, Help: "Messages that wait in the broker's delay queues for their time; none of them is among umbel_queue_messages"}
	brokerRate     = &metric.Family{Name: "umbel_broker_rate", Kind: metric.KindGauge, Labels: []string{"of"}, Help: "Messages a second, all virtual hosts together: publish, confirm (of producers that want confirms), deliver, ack"}
	monitorEvents  = &metric.Family{Name: "umbel_monitor_events_total", Kind: metric.KindCounter, Labels: nil, Help: "Events of tasks that were written into the history"}
	monitorLag     = &metric.Family{Name: "umbel_monitor_lag_seconds", Kind: metric.KindGauge, Labels: nil, Help: "How long the first event of the latest write had waited, in seconds"}
	monitorLinked  = &metric.Family{Name: "umbel_monitor_connected", Kind: metric.KindGauge, Labels: nil, Help: "1 while events are heard"}
	monitorHistory = &metric.Family{Name: "umbel_monitor_history_bytes", Kind: metric.KindGauge, Labels: nil, Help: "Size of the history, in bytes"}
	monitorAlerts  = &metric.Family{Name: "umbel_monitor_alerts", Kind: metric.KindGauge, Labels: []string{"level", "kind"}, Help: "What the monitor says is wrong now, by kind"}
)

var ownFamilies = []*metric.Family{fleetEvents, fleetTook, fleetFailures, fleetWorkers, fleetActive, queueMessages, queueConsumers, queueDead,
	queueRate, queueDesired, fleetRemovable, brokerUp, brokerMemory, brokerLimit, brokerDisk, brokerAlarm, brokerLinks, brokerDelayed, brokerRate, monitorEvents, monitorLag, monitorLinked, monitorHistory,
	monitorAlerts}

func (x *Exporter) own(p *metric.Page) {
	p.Declare(ownFamilies...)
	x.tasks(p)
	x.workers(p)
	x.queues(p)
	x.advice(p)
	x.broker(p)
	p.Add(monitorEvents, float64(x.config.Recorder.Events()))
	p.Add(monitorLag, x.config.Recorder.Lag().Seconds())
	p.Add(monitorLinked, metric.Truth(x.config.Fleet.Connected()))
	x.mu.Lock()
	bytes := x.bytes
	x.mu.Unlock()
	if bytes >= 0 {
		p.Add(monitorHistory, float64(bytes))
	}
	type kind struct{ level, kind string }
	alerts := make(map[kind]int)
	for _, a := range x.config.Fleet.Alerts() {
		alerts[kind{a.Level, a.Kind}]++
	}
	for k, n := range alerts {
		p.Add(monitorAlerts, float64(n), k.level, k.kind)
	}
}

// tasks adds up what the ledger has by worker and queue.
func (x *Exporter) tasks(p *metric.Page) {
	type key struct {
		task string
		kind int
	}
	sums := make(map[key]float64)
	x.ledger.cells.Each(func(at place, c *cell) {
		for kind := range c.events {
			sums[key{at.task, kind}] += c.events[kind].Value()
		}
	})
	for k, n := range sums {
		if k.task != "" { // whose name was never heard
			p.Add(fleetEvents, n, k.task, kinds[k.kind])
		}
	}
	for at, h := range x.ledger.took() {
		p.AddHistogram(fleetTook, h, at.task, at.worker)
	}
	faults := make(map[fault]float64)
	x.ledger.failures.Each(func(f fault, c *metric.Counter) { faults[fault{place{task: f.task}, f.exception}] += c.Value() })
	for f, n := range faults {
		p.Add(fleetFailures, n, f.task, f.exception)
	}
}

func (x *Exporter) workers(p *metric.Page) {
	now, states := time.Now(), map[string]int{"online": 0, "left": 0, "silent": 0}
	for i, w := range x.config.Fleet.Workers() {
		switch {
		case w.LastHeard.IsZero():
			states["left"]++
		case w.Alive(now):
			states["online"]++
			if i < workersMost {
				p.Add(fleetActive, float64(w.Active), w.Hostname)
			}
		default:
			states["silent"]++
		}
	}
	for state, n := range states {
		p.Add(fleetWorkers, float64(n), state)
	}
}

// advice is how many workers there should be.
func (x *Exporter) advice(p *metric.Page) {
	a := x.config.Fleet.Advice()
	if a == nil {
		return
	}
	for _, q := range a.Queues[:min(len(a.Queues), queuesMost)] {
		removable := 0
		for _, w := range a.Workers {
			for _, l := range w.Queues {
				if w.Remove && l.Queue == q.Queue {
					removable++
				}
			}
		}
		p.Add(queueDesired, float64(q.Desired), q.Queue)
		p.Add(fleetRemovable, float64(removable), q.Queue)
	}
}

func (x *Exporter) queues(p *metric.Page) {
	for _, q := range x.config.Fleet.Queues() {
		if !q.Exists {
			continue
		}
		if q.DeadLetter {
			p.Add(queueDead, float64(q.Ready), q.Name)
		}
		p.Add(queueMessages, float64(q.Ready), q.Name, "ready")
		if q.Unsettled >= 0 {
			p.Add(queueMessages, float64(q.Unsettled), q.Name, "unsettled")
		}
		p.Add(queueConsumers, float64(q.Consumers), q.Name)
		if q.Told {
			p.Add(queueRate, q.Publish, q.Name, "publish")
			p.Add(queueRate, q.Deliver, q.Name, "deliver")
			p.Add(queueRate, q.Ack, q.Name, "ack")
		}
	}
}

func (x *Exporter) broker(p *metric.Page) {
	c, _ := x.config.Fleet.Broker()
	if c == nil {
		return
	}
	for _, n := range c.Nodes {
		p.Add(brokerUp, metric.Truth(n.Running), n.Name)
		p.Add(brokerMemory, float64(n.MemUsed), n.Name)
		p.Add(brokerLimit, float64(n.MemLimit), n.Name)
		p.Add(brokerDisk, float64(n.DiskFree), n.Name)
		p.Add(brokerAlarm, metric.Truth(n.MemAlarm), n.Name, "memory")
		p.Add(brokerAlarm, metric.Truth(n.DiskAlarm), n.Name, "disk")
	}
	p.Add(brokerLinks, float64(c.Connections))
	p.Add(brokerDelayed, float64(c.Delayed))
	p.Add(brokerRate, c.Publish, "publish")
	p.Add(brokerRate, c.Confirm, "confirm")
	p.Add(brokerRate, c.Deliver, "deliver")
	p.Add(brokerRate, c.Ack, "ack")
}
