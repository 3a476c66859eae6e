package prometheus

import (
	"time"

	"github.com/umbel-go/umbel/internal/metric"
)

// A Total is what a task has done since the monitor began to listen, on all workers.
type Total struct {
	Succeeded, Failed, Retried float64
	Bounds                     []time.Duration // a time that stands for each bucket: its upper bound, for the last one a little more
	Buckets                    []int64         // of how long it ran
}

// Totals are those of every task whose name is known.
func (x *Exporter) Totals() map[string]Total {
	out := make(map[string]Total)
	took := make(map[string]*metric.Histogram)
	x.ledger.cells.Each(func(at place, c *cell) {
		if at.task == "" {
			return
		}
		t := out[at.task]
		t.Succeeded += c.events[succeeded].Value()
		t.Failed += c.events[failed].Value()
		t.Retried += c.events[retried].Value()
		out[at.task] = t
		if took[at.task] == nil {
			took[at.task] = metric.NewHistogram(metric.Durations)
		}
		took[at.task].Merge(c.took)
	})
	for task, h := range took {
		t := out[task]
		t.Bounds, t.Buckets = h.Buckets()
		out[task] = t
	}
	return out
}
