package worker

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/codec"
)

// A tally is what tasks of one queue have taken here, for whoever decides how many workers there should be. It counts always: two
// additions a task.
type tally struct {
	done    atomic.Int64 // handlers that have returned
	took    atomic.Int64 // their time together, in nanoseconds
	longest atomic.Int64
}

func (t *tally) add(took time.Duration) {
	t.done.Add(1)
	t.took.Add(int64(took))
	for most := t.longest.Load(); int64(took) > most && !t.longest.CompareAndSwap(most, int64(took)); most = t.longest.Load() {
	}
}

// queueLoad says how much there is to do here: slots, and for each queue what runs and waits, and how long tasks took. Umbel's own.
func (p *panel) queueLoad(context.Context, arguments) (any, error) {
	w := p.worker
	type load struct {
		running, waiting int
		since            time.Time // when the one that has run longest began
	}
	now, loads := time.Now(), make(map[*consumer]load)
	for _, r := range w.pool.running() {
		r.view.Lock()
		stands, started := r.stands, r.started
		r.view.Unlock()
		if stands != standRunning {
			continue
		}
		l := loads[r.consumer.home]
		if l.running++; l.since.IsZero() || started.Before(l.since) {
			l.since = started
		}
		loads[r.consumer.home] = l
	}
	for _, r := range w.waiting.list() {
		l := loads[r.consumer.home]
		l.waiting++
		loads[r.consumer.home] = l
	}
	queues := []codec.NamedValue{}
	active := w.activeConsumers()
	consumers := slices.Clone(active)
	for c := range loads { // of a queue that is no longer consumed something may run still
		if !slices.Contains(consumers, c) {
			consumers = append(consumers, c)
		}
	}
	for _, c := range consumers[:min(len(consumers), meteredQueues)] {
		l, oldest := loads[c], 0.
		if !l.since.IsZero() {
			oldest = max(now.Sub(l.since).Seconds(), 0)
		}
		queues = append(queues, codec.NamedValue{Name: c.queue.Name, Value: codec.Of(object("running", l.running, "waiting", l.waiting,
			"oldest", oldest, "done", c.tally.done.Load(), "seconds", time.Duration(c.tally.took.Load()).Seconds(),
			"longest", time.Duration(c.tally.longest.Load()).Seconds(), "left", !slices.Contains(active, c)))})
	}
	return object("slots", w.pool.limit(), "stopping", w.Stage() != Running, "queues", queues), nil
}
