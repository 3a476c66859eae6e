package cloudwatch

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/umbel-go/umbel/monitor/fleet"
	"github.com/umbel-go/umbel/monitor/prometheus"
)

// A Config says what is told, and to whom.
type Config struct {
	// Sink takes it. Required.
	Sink Sink

	// Namespace of the metrics. Defaults to Umbel.
	Namespace string

	// Dimensions are added to every metric, such as Environment=production.
	Dimensions []Dimension

	// Every is how often. Defaults to a minute, CloudWatch's own resolution; more costs more.
	Every time.Duration
}

// Check refuses what CloudWatch would.
func (c *Config) Check() error {
	if c.Namespace != "" && (len(c.Namespace) > nameMost || c.Namespace[0] == ':' || len(c.Namespace) >= 4 && c.Namespace[:4] == "AWS/") {
		return fmt.Errorf("cloudwatch namespace %q: want at most %d characters, and not AWS/ or a colon in front", c.Namespace, nameMost)
	}
	if len(c.Dimensions) > dimensionsMost-2 {
		return fmt.Errorf("cloudwatch: %d dimensions: want at most %d beside those of its own", len(c.Dimensions), dimensionsMost-2)
	}
	for i, d := range c.Dimensions {
		if d.Name == "" || len(d.Name) > nameMost || tame(d.Name) != d.Name {
			return fmt.Errorf("cloudwatch: dimension %q: want a name in ASCII", d.Name)
		}
		for _, own := range append(c.Dimensions[:i:i], Dimension{Name: "Queue"}, Dimension{Name: "Task"}, Dimension{Name: "Broker"}, Dimension{Name: "Node"}) {
			if own.Name == d.Name {
				return fmt.Errorf("cloudwatch: dimension %q is there already", d.Name)
			}
		}
		c.Dimensions[i].Value = tame(d.Value)
	}
	if c.Every < 0 {
		return fmt.Errorf("cloudwatch: every %v: want a time", c.Every)
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Namespace = cmp.Or(c.Namespace, "Umbel")
	c.Every = cmp.Or(c.Every, time.Minute)
	return c
}

// Bounds of what is told: each metric of each set of dimensions costs money at Amazon.
const (
	queuesMost = 100
	tasksMost  = 100
)

// A Collector tells a sink of a fleet.
type Collector struct {
	config   Config
	fleet    *fleet.Fleet
	exporter *prometheus.Exporter
	log      *slog.Logger

	before map[string]prometheus.Total // owned by Run
}

// New makes a collector. What was counted before is not told.
func New(c Config, f *fleet.Fleet, x *prometheus.Exporter, log *slog.Logger) *Collector {
	return &Collector{config: c.withDefaults(), fleet: f, exporter: x, log: log, before: x.Totals()}
}

// Run tells until ctx ends. What a sink does not take is lost: CloudWatch has no use for the depth of a queue an hour ago.
func (c *Collector) Run(ctx context.Context) error {
	tick := time.NewTicker(c.config.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			put, cancel := context.WithTimeout(ctx, c.config.Every)
			err := c.config.Sink.Put(put, c.config.Namespace, c.Collect(now))
			cancel()
			if err != nil && ctx.Err() == nil {
				c.log.Error("cannot tell CloudWatch", "error", err)
			}
		}
	}
}

// Collect is what there is to tell now; tasks are counted since it was called before.
func (c *Collector) Collect(now time.Time) []Datum {
	r := &report{at: now, common: c.config.Dimensions}
	c.broker(r)
	c.queues(r)
	c.tasks(r)
	return r.data
}

// A report gathers data of one moment.
type report struct {
	at     time.Time
	common []Dimension
	data   []Datum
}

func (r *report) add(name, unit string, v float64, of ...Dimension) {
	if sound(v) {
		r.data = append(r.data, Datum{Name: name, Unit: unit, Dimensions: r.under(of), Time: r.at, Value: v})
	}
}

func (r *report) under(of []Dimension) []Dimension {
	out := slices.Clone(r.common)
	for _, d := range of {
		out = append(out, Dimension{d.Name, tame(d.Value)})
	}
	return out
}

// broker tells of the whole broker, by Amazon MQ's names. Without the management API its queues are what there is to know.
func (c *Collector) broker(r *report) {
	b, _ := c.fleet.Broker()
	if b == nil {
		return
	}
	at := Dimension{"Broker", cmp.Or(b.Name, "rabbitmq")}
	r.add("MessageCount", Count, float64(b.Ready+b.Unsettled), at)
	r.add("MessageReadyCount", Count, float64(b.Ready), at)
	r.add("MessageUnacknowledgedCount", Count, float64(b.Unsettled), at)
	r.add("ConsumerCount", Count, float64(b.Consumers), at)
	r.add("ConnectionCount", Count, float64(b.Connections), at)
	r.add("PublishRate", CountPerSecond, b.Publish, at)
	r.add("ConfirmRate", CountPerSecond, b.Confirm, at)
	r.add("AckRate", CountPerSecond, b.Ack, at)
	for _, n := range b.Nodes {
		node := Dimension{"Node", n.Name}
		r.add("RabbitMQMemUsed", Bytes, float64(n.MemUsed), at, node)
		r.add("RabbitMQMemLimit", Bytes, float64(n.MemLimit), at, node)
		r.add("RabbitMQDiskFree", Bytes, float64(n.DiskFree), at, node)
	}
}

// queues tells of each queue, and how many workers it wants.
func (c *Collector) queues(r *report) {
	list := c.fleet.Queues()
	for _, q := range list[:min(len(list), queuesMost)] {
		if !q.Exists {
			continue
		}
		at := Dimension{"Queue", q.Name}
		messages := float64(q.Ready + max(q.Unsettled, 0))
		r.add("MessageCount", Count, messages, at)
		r.add("MessageReadyCount", Count, float64(q.Ready), at)
		r.add("ConsumerCount", Count, float64(q.Consumers), at)
		if q.Unsettled >= 0 {
			r.add("MessageUnacknowledgedCount", Count, float64(q.Unsettled), at)
		}
		if q.Told {
			r.add("PublishRate", CountPerSecond, q.Publish, at)
			r.add("AckRate", CountPerSecond, q.Ack, at)
		}
		switch {
		case q.Ready > 0 && !q.Oldest.IsZero():
			r.add("OldestMessageAge", Seconds, max(r.at.Sub(q.Oldest), 0).Seconds(), at)
		case q.Told && q.Ready == 0:
			r.add("OldestMessageAge", Seconds, 0, at)
		}
		if q.DeadLetter {
			r.add("DeadLetterCount", Count, float64(q.Ready), at)
			continue
		}
		r.add("BacklogPerWorker", Count, messages/float64(max(q.Consumers, 1)), at)
		r.add("DesiredWorkers", Count, float64(c.fleet.Desired(&q)), at)
	}
	online, now := 0, r.at
	for _, w := range c.fleet.Workers() {
		if w.Alive(now) {
			online++
		}
	}
	r.add("WorkerCount", Count, float64(online))
}

// tasks tells what tasks have done since the last time.
func (c *Collector) tasks(r *report) {
	now := c.exporter.Totals()
	names := make([]string, 0, len(now))
	for name := range now {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names[:min(len(names), tasksMost)] {
		t, b, at := now[name], c.before[name], Dimension{"Task", name}
		for _, one := range []struct {
			name string
			n    float64
		}{{"TasksSucceeded", t.Succeeded - b.Succeeded}, {"TasksFailed", t.Failed - b.Failed}, {"TasksRetried", t.Retried - b.Retried}} {
			r.add(one.name, Count, one.n, at)
		}
		var values, counts []float64
		for i, n := range t.Buckets {
			if i < len(b.Buckets) {
				n -= b.Buckets[i]
			}
			if n > 0 {
				values, counts = append(values, t.Bounds[i].Seconds()), append(counts, float64(n))
			}
		}
		if len(values) > 0 {
			r.data = append(r.data, Datum{Name: "TaskDuration", Unit: Seconds, Dimensions: r.under([]Dimension{at}), Time: r.at, Values: values, Counts: counts})
		}
	}
	c.before = now
}
