package prometheus

import (
	"fmt"
	"testing"
	"time"

	"github.com/umbel-go/umbel/internal/metric"
	"github.com/umbel-go/umbel/protocol"
)

func said(host string, at time.Time, body protocol.EventBody) *protocol.Event {
	return &protocol.Event{Hostname: host, Timestamp: float64(at.UnixNano()) / 1e9, Body: body}
}

func TestATaskIsCountedWhereItWasSeen(t *testing.T) {
	t.Parallel()
	l, at := newLedger(), time.Now()
	l.apply([]*protocol.Event{
		said("client", at, &protocol.TaskSent{UUID: "1", Name: "shop.pay", Queue: "orders"}),
		said("w1", at, &protocol.TaskReceived{UUID: "1", Name: "shop.pay"}),
		said("w1", at, &protocol.TaskReceived{UUID: "2", Name: "shop.pay"}),
	})
	here := l.cells.At(place{"shop.pay", "w1", "orders"})
	if n := here.held.Value(); n != 1 {
		t.Errorf("%v held of the queue that was named, want 1", n)
	}
	l.apply([]*protocol.Event{
		said("w1", at.Add(2*time.Second), &protocol.TaskStarted{UUID: "1"}),
		said("w1", at.Add(3*time.Second), &protocol.TaskSucceeded{UUID: "1", Runtime: 1.5}),
		said("w1", at, &protocol.TaskStarted{UUID: "2"}),
		said("w1", at, &protocol.TaskFailed{UUID: "2", Exception: "ValueError('no')"}),
		said("w1", at, &protocol.TaskFailed{UUID: "3", Exception: "?"}), // of which nothing was heard before
	})
	if here.held.Value() != 0 || here.events[succeeded].Value() != 1 || here.took.Sum() != 1500*time.Millisecond || here.waited.Value() != 2e9 {
		t.Errorf("held %v, succeeded %v, took %v, waited %v", here.held.Value(), here.events[succeeded].Value(), here.took.Sum(), here.waited.Value())
	}
	if n := l.failures.At(fault{place{"shop.pay", "w1", unknownQueue}, "ValueError"}).Value(); n != 1 {
		t.Errorf("%v failures by ValueError", n)
	}
	if len(l.tasks) != 0 {
		t.Errorf("%d tasks that have ended are remembered", len(l.tasks))
	}
}

// Events come from anybody who may publish: names, hosts, queues and ids must not grow without bound.
func TestStrangersCannotMakeSeriesWithoutEnd(t *testing.T) {
	t.Parallel()
	l, at := newLedger(), time.Now()
	for i := range 60_000 {
		l.apply([]*protocol.Event{
			said("c", at, &protocol.TaskSent{UUID: fmt.Sprint(i), Name: fmt.Sprint("n", i), Queue: fmt.Sprint("q", i)}),
			said(fmt.Sprint("h", i), at, &protocol.TaskReceived{UUID: fmt.Sprint(i), Name: fmt.Sprint("n", i)}),
			said(fmt.Sprint("h", i), at, &protocol.TaskFailed{UUID: fmt.Sprint("x", i), Exception: fmt.Sprintf("E%d()", i)}),
		})
	}
	cells, failures := 0, 0
	l.cells.Each(func(place, *cell) { cells++ })
	l.failures.Each(func(fault, *metric.Counter) { failures++ })
	if cells > cellsMost+1 || failures > failuresMost+1 || l.order.Len() > pendingMost || len(l.tasks) != l.order.Len() {
		t.Errorf("%d cells, %d failures, %d tasks", cells, failures, l.order.Len())
	}
}
