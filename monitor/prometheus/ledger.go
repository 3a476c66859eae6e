package prometheus

import (
	"cmp"
	"container/list"
	"strings"
	"sync"
	"time"

	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/internal/metric"
	"github.com/umbel-go/umbel/protocol"
)

// Bounds of what is told apart. Names come from events, and those from anybody: what is beyond is counted as metric.Other.
const (
	namesMost    = 500    // tasks
	workersMost  = 500    // hosts
	queuesMost   = 200    // queues
	cellsMost    = 10_000 // combinations of the three
	failuresMost = 2000   // and of an exception
	pendingMost  = 50_000 // tasks on their way whose names are remembered
)

// kinds of events that are counted, by the second part of their type.
var kinds = []string{"sent", "received", "started", "succeeded", "failed", "retried", "revoked", "rejected"}

const (
	sent = iota
	received
	started
	succeeded
	failed
	retried
	revoked
	rejected
)

// unknownQueue is the queue that celery-exporter assumes where no task-sent event has named one.
const unknownQueue = "celery"

// A place is where a task was seen.
type place struct{ task, worker, queue string }

type fault struct {
	place
	exception string
}

// A cell counts the events of one place.
type cell struct {
	events [8]metric.Counter
	took   *metric.Histogram
	waited metric.Gauge // nanoseconds between received and started, of the task that began last
	held   metric.Gauge // received, and not started
}

// pending is a task that has not ended, as far as has been heard.
type pending struct {
	id, name, queue string
	received        time.Time
	delayed         bool // it waits for its ETA: that it is held says nothing
	counted         *cell
}

// A ledger counts events. One goroutine applies, any may read.
type ledger struct {
	names, hosts, queues *names
	cells                *metric.Set[place, cell]
	failures             *metric.Set[fault, metric.Counter]

	mu    sync.Mutex // guards what follows
	tasks map[string]*list.Element
	order list.List // of *pending, heard of last in front
}

func newLedger() *ledger {
	return &ledger{
		names: newNames(namesMost), hosts: newNames(workersMost), queues: newNames(queuesMost),
		cells: metric.NewSet(cellsMost, func() *cell { return &cell{took: metric.NewHistogram(metric.Durations)} },
			func(place) place { return place{metric.Other, metric.Other, metric.Other} }),
		failures: metric.NewSet(failuresMost, func() *metric.Counter { return new(metric.Counter) },
			func(fault) fault { return fault{place{metric.Other, metric.Other, metric.Other}, metric.Other} }),
		tasks: make(map[string]*list.Element),
	}
}

// names admits so many different ones.
type names struct {
	mu   sync.Mutex
	most int
	seen map[string]bool
}

func newNames(most int) *names { return &names{most: most, seen: make(map[string]bool)} }

func (n *names) tame(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen[name] {
		return name
	}
	if len(n.seen) >= n.most || len(name) > 256 {
		return metric.Other
	}
	n.seen[name] = true
	return name
}

// apply counts events.
func (l *ledger) apply(events []*protocol.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		if id := event.TaskID(e.Body); id != "" && len(id) <= 256 {
			l.one(id, e)
		}
	}
}

// one counts an event. mu is held.
func (l *ledger) one(id string, e *protocol.Event) {
	t := l.task(id)
	kind := -1
	switch b := e.Body.(type) {
	case *protocol.TaskSent:
		kind, t.name, t.queue = sent, l.names.tame(b.Name), l.queues.tame(b.Queue)
	case *protocol.TaskReceived:
		kind, t.name, t.received, t.delayed = received, l.names.tame(b.Name), e.Time(), b.ETA != ""
	case *protocol.TaskStarted:
		kind = started
	case *protocol.TaskSucceeded:
		kind = succeeded
	case *protocol.TaskFailed:
		kind = failed
	case *protocol.TaskRetried:
		kind = retried
	case *protocol.TaskRevoked:
		kind = revoked
	case *protocol.TaskRejected:
		kind = rejected
	default:
		return
	}
	at := place{t.name, l.hosts.tame(e.Hostname), cmp.Or(t.queue, unknownQueue)}
	if kind == sent {
		at.worker = "" // who sends is a client, with a name of its own each time
	}
	c := l.cells.At(at)
	c.events[kind].Inc()
	switch kind {
	case received:
		if !t.delayed && t.counted == nil {
			t.counted = c
			c.held.Add(1)
		}
		return
	case sent:
		return
	case started:
		if !t.received.IsZero() && !t.delayed {
			c.waited.Set(int64(max(e.Time().Sub(t.received), 0)))
		}
	case succeeded:
		if runtime := e.Body.(*protocol.TaskSucceeded).Runtime; runtime >= 0 && runtime < 1e9 {
			c.took.Observe(time.Duration(runtime * float64(time.Second)))
		}
	case failed:
		l.failures.At(fault{at, exceptionName(e.Body.(*protocol.TaskFailed).Exception)}).Inc()
	}
	if t.counted != nil {
		t.counted.held.Add(-1)
		t.counted = nil
	}
	if kind != started && kind != retried && kind != rejected { // it has ended
		l.drop(id)
	}
}

// task finds or makes a task, and puts it in front. mu is held.
func (l *ledger) task(id string) *pending {
	if e := l.tasks[id]; e != nil {
		l.order.MoveToFront(e)
		return e.Value.(*pending)
	}
	t := &pending{id: id}
	l.tasks[id] = l.order.PushFront(t)
	if l.order.Len() > pendingMost {
		l.drop(l.order.Back().Value.(*pending).id)
	}
	return t
}

func (l *ledger) drop(id string) {
	e := l.tasks[id]
	if t := e.Value.(*pending); t.counted != nil {
		t.counted.held.Add(-1)
	}
	l.order.Remove(e)
	delete(l.tasks, id)
}

// host is a task at a worker, whatever queue it came from.
type host struct{ task, worker string }

// took are the times of tasks by worker.
func (l *ledger) took() map[host]*metric.Histogram {
	all := make(map[host]*metric.Histogram)
	l.cells.Each(func(at place, c *cell) {
		if at.task == "" || at.worker == "" || c.took.Count() == 0 {
			return
		}
		h := all[host{at.task, at.worker}]
		if h == nil {
			h = metric.NewHistogram(metric.Durations)
			all[host{at.task, at.worker}] = h
		}
		h.Merge(c.took)
	})
	return all
}

// exceptionName is the type of an exception as Python's repr shows it: ValueError('no').
func exceptionName(repr string) string {
	name, _, ok := strings.Cut(repr, "(")
	if !ok || name == "" || len(name) > 100 || strings.ContainsAny(name, " \n\t") {
		return "UnknownException" // celery-exporter's word
	}
	return name
}
