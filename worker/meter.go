package worker

// Metrics. A meter counts while somebody may ask for it (metrics_address) and does not exist otherwise: then each step of a task
// costs one comparison with nil. While it counts, a task costs a dozen atomic additions and two readings of the clock.
//
// Names come from what is registered and consumed here, never from messages: what a stranger sends makes no series.

import (
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/metric"
	"github.com/umbel-go/umbel/protocol"
)

// Bounds of what is told apart; the rest is counted as metric.Other.
const (
	meteredTasks    = 500
	meteredQueues   = 200
	meteredFailures = 500 // pairs of task and exception
)

// A verdict is how a run ended, as metrics count it.
type verdict uint8

const (
	verdictNone verdict = iota // it goes back to its queue, or was never begun
	verdictSuccess
	verdictFailure
	verdictRetry
	verdictRevoked
	verdictIgnored
	verdictReturned
	verdicts
)

// verdictNames are Celery's states, and two words for what leaves none.
var verdictNames = [verdicts]string{verdictSuccess: "SUCCESS", verdictFailure: "FAILURE", verdictRetry: "RETRY", verdictRevoked: "REVOKED",
	verdictIgnored: "IGNORED", verdictReturned: "RETURNED"}

func verdictOf(s umbel.State) verdict {
	switch s {
	case umbel.Success:
		return verdictSuccess
	case umbel.Retrying:
		return verdictRetry
	case umbel.Revoked:
		return verdictRevoked
	case umbel.Ignored:
		return verdictIgnored
	}
	return verdictFailure
}

// A meter counts what a worker does.
type meter struct {
	tasks    *metric.Set[string, taskMeter]
	queues   *metric.Set[string, queueMeter]
	failures *metric.Set[failure, metric.Counter]
	refused  *metric.Set[string, metric.Counter] // by reason: our own words
	dead     *metric.Set[string, metric.Counter] // likewise
	storing  metric.Counter                      // attempts to store results that failed
	renewals metric.Counter
}

// A taskMeter counts for one task.
type taskMeter struct {
	received, started metric.Counter
	ended             [verdicts]metric.Counter
	took, waited      *metric.Histogram
}

// A queueMeter counts for one queue.
type queueMeter struct{ deliveries, lost metric.Counter }

type failure struct{ task, exception string }

func newMeter() *meter {
	counter := func() *metric.Counter { return new(metric.Counter) }
	return &meter{
		tasks: metric.Names(meteredTasks, func() *taskMeter {
			return &taskMeter{took: metric.NewHistogram(metric.Durations), waited: metric.NewHistogram(metric.Durations)}
		}),
		queues: metric.Names(meteredQueues, func() *queueMeter { return new(queueMeter) }),
		failures: metric.NewSet(meteredFailures, counter, func(f failure) failure {
			return failure{f.task, metric.Other} // tasks are bounded by themselves
		}),
		refused: metric.Names(20, counter),
		dead:    metric.Names(20, counter),
	}
}

// meters prepares the counters of every task, once.
func (m *meter) meters(tasks map[string]*known) {
	if m == nil {
		return
	}
	for name, k := range tasks {
		k.meter = m.tasks.At(name)
	}
}

// queue is the counter of a queue; nil while nothing is counted.
func (m *meter) queue(name string) *queueMeter {
	if m == nil {
		return nil
	}
	return m.queues.At(name)
}

func (q *queueMeter) delivered() {
	if q != nil {
		q.deliveries.Inc()
	}
}

func (q *queueMeter) parted() {
	if q != nil {
		q.lost.Inc()
	}
}

func (k *known) meterReceived() {
	if k.meter != nil {
		k.meter.received.Inc()
	}
}

// meterStarted counts a run that is about to begin, and how long its delivery waited here.
func (r *run) meterStarted() {
	if m := r.known.meter; m != nil {
		m.started.Inc()
		m.waited.Observe(time.Since(r.at))
	}
}

// measure counts how long the handler ran, whatever became of it.
func (r *run) measure() {
	if m := r.known.meter; m != nil {
		m.took.Observe(time.Since(r.started))
	}
}

// judge notes how a run ends, to be counted when it is settled: until then another end may take its place.
func (r *run) judge(v verdict, exc *protocol.Exception) { r.verdict, r.fault = v, exc }

// ended counts a settled run.
func (m *meter) ended(r *run, how settlement) {
	if m == nil {
		return
	}
	v := r.verdict
	if how == settleRequeue || how == settleReturn {
		v = verdictReturned
	}
	if v == verdictNone {
		return
	}
	r.known.meter.ended[v].Inc()
	if v == verdictFailure {
		name := "unknown"
		if r.fault != nil && r.fault.Type != "" {
			name = r.fault.Type
		}
		m.failures.At(failure{r.known.def.Name(), name}).Inc()
	}
}

func (m *meter) refuse(reason string) {
	if m != nil {
		m.refused.At(reason).Inc()
	}
}

func (m *meter) buried(reason string) {
	if m != nil {
		m.dead.At(reason).Inc()
	}
}

func (m *meter) storeFailed() {
	if m != nil {
		m.storing.Inc()
	}
}

func (m *meter) renewed() {
	if m != nil {
		m.renewals.Inc()
	}
}
