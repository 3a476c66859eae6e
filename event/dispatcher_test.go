package event_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

func started(i int) *protocol.TaskStarted {
	return &protocol.TaskStarted{UUID: fmt.Sprintf("task-%d", i)}
}

// drivers are the brokers that events travel by.
func drivers(t *testing.T, f func(t *testing.T, url string)) {
	for name, url := range map[string]func(t *testing.T) string{
		"memory": func(*testing.T) string { return "" },
		"sqlite": func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "events.db") },
		"amqp":   func(t *testing.T) string { return testenv.RabbitMQ(t).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, url(t))
		})
	}
}

func TestEventsReachWhoeverListensInOrder(t *testing.T) {
	drivers(t, func(t *testing.T, url string) {
		b := open(t, url)
		all, tasks, sent := listen(t, b, event.ReceiverConfig{}), listen(t, b, event.ReceiverConfig{RoutingKey: "task.#"}), listen(t, b, event.ReceiverConfig{RoutingKey: "task.sent"})
		clock := new(event.Clock)
		d := speak(t, b, event.DispatcherConfig{Clock: clock})
		d.Send(&protocol.WorkerStatus{Kind: protocol.TypeWorkerOnline, Freq: 2})
		const n = 500
		for i := range n {
			d.Send(started(i))
		}
		d.Send(&protocol.TaskSent{UUID: "sent"})
		d.Send(&protocol.CustomEvent{Name: "task-progress", UUID: "mine"})
		d.Close(deadline(t))

		all.wait(n + 3)
		tasks.wait(n + 2)
		if e := sent.wait(1); e[0].Body.(*protocol.TaskSent).UUID != "sent" {
			t.Errorf("to task.sent came %+v", e[0].Body)
		}
		all.mu.Lock()
		defer all.mu.Unlock()
		if all.messages > n/2 {
			t.Errorf("%d events came in %d messages: they are not gathered", n+3, all.messages)
		}
		for i := range n {
			at := slices.IndexFunc(all.events, func(e *protocol.Event) bool {
				s, is := e.Body.(*protocol.TaskStarted)
				return is && s.UUID == fmt.Sprintf("task-%d", i)
			})
			if at < 0 {
				t.Fatalf("task-%d was not heard", i)
			}
			if e := all.events[at]; e.Clock != int64(i+2) || e.Hostname != "w1@host" || e.PID == 0 || time.Since(e.Time()) > time.Hour {
				t.Fatalf("%+v, want clock %d", e, i+2)
			}
		}
	})
}

func TestNothingIsSentWhenEventsAreOff(t *testing.T) {
	b := &countingBroker{Broker: open(t, "")}
	d := speak(t, b, event.DispatcherConfig{})
	if !d.Disable() || d.Disable() {
		t.Error("Disable does not tell whether it changed anything")
	}
	d.Send(started(1))
	d.Close(deadline(t))
	if b.calls() != 0 {
		t.Errorf("%d calls of the broker by a dispatcher that is off", b.calls())
	}
}

func TestOneEventIsSentThoughEventsAreOff(t *testing.T) {
	b := open(t, "")
	all := listen(t, b, event.ReceiverConfig{})
	d := speak(t, b, event.DispatcherConfig{})
	d.Disable()
	d.Send(started(1))
	d.SendAlways(&protocol.WorkerStatus{Kind: protocol.TypeWorkerHeartbeat, Brief: true, Freq: 5})
	if e := all.wait(1); e[0].Type() != protocol.TypeWorkerHeartbeat {
		t.Errorf("heard %s", e[0].Type())
	}
}

func TestNobodyListensAndNothingWaits(t *testing.T) {
	d := speak(t, open(t, ""), event.DispatcherConfig{})
	for i := range 1000 {
		d.Send(started(i))
	}
	d.Close(deadline(t))
	if d.Lost() != 0 {
		t.Errorf("%d events are told to be lost, though nobody wanted them", d.Lost())
	}
}

func TestWhatWaitsForABrokerIsBounded(t *testing.T) {
	b := &countingBroker{Broker: open(t, ""), away: true}
	all := listen(t, b.Broker, event.ReceiverConfig{})
	d := speak(t, b, event.DispatcherConfig{})
	const n = 50_000
	long := strings.Repeat("x", 1000)
	for i := range n {
		d.Send(&protocol.TaskSucceeded{UUID: fmt.Sprint(i), Result: long})
	}
	if lost := d.Lost(); lost < n-20_000 || lost >= n {
		t.Errorf("%d of %d events are lost", lost, n)
	}
	b.back()
	d.Close(deadline(t))
	got := all.wait(n - int(d.Lost()))
	if last := got[len(got)-1].Body.(*protocol.TaskSucceeded).UUID; last != fmt.Sprint(n-1) {
		t.Errorf("the last that came is %s: the newest should be kept", last)
	}
}

func TestAMissingExchangeIsDeclaredAgain(t *testing.T) {
	b := open(t, "")
	d := speak(t, b, event.DispatcherConfig{})
	first := listen(t, b, event.ReceiverConfig{})
	d.Send(started(1))
	d.Send(started(2))
	first.wait(2)
	_ = first.Close(deadline(t))
	if err := b.Delete(deadline(t), broker.Topology{Exchanges: []broker.Exchange{{Name: "celeryev"}}}); err != nil {
		t.Fatal(err)
	}
	d.Send(started(3)) // to nobody, by an exchange that is not there
	second := listen(t, b, event.ReceiverConfig{})
	d.Send(started(4))
	for _, e := range second.wait(1) {
		if id := e.Body.(*protocol.TaskStarted).UUID; id != "task-3" && id != "task-4" {
			t.Errorf("heard %s", id)
		}
	}
}

func TestCloseDoesNotWaitForABrokerThatIsAway(t *testing.T) {
	b := &countingBroker{Broker: open(t, ""), away: true}
	d := speak(t, b, event.DispatcherConfig{})
	d.Send(started(1))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	d.Close(ctx)
	if d.Lost() != 1 {
		t.Errorf("%d events lost, want 1", d.Lost())
	}
	d.Enable()
	d.Send(started(2))
	if d.Lost() != 2 {
		t.Errorf("%d events lost, want 2: one came after the end", d.Lost())
	}
}

func TestADispatcherIsUsedFromManyGoroutines(t *testing.T) {
	b := open(t, "")
	all := listen(t, b, event.ReceiverConfig{})
	d := speak(t, b, event.DispatcherConfig{})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				d.Send(started(g*200 + i))
				if i%50 == 0 {
					d.Enable()
				}
			}
		})
	}
	wg.Wait()
	got := all.wait(1600)
	for i, e := range got {
		if e.Clock != int64(i+1) {
			t.Fatalf("event %d has clock %d", i, e.Clock)
		}
	}
}

func BenchmarkSendWhenOff(b *testing.B) {
	d := event.NewDispatcher(event.DispatcherConfig{Hostname: "w@h"})
	b.ReportAllocs()
	for b.Loop() {
		if d.Enabled() {
			d.Send(started(1))
		}
	}
}

// A countingBroker counts calls, and may be away.
type countingBroker struct {
	broker.Broker
	mu   sync.Mutex // guards what follows
	n    int
	away bool
}

func (b *countingBroker) call() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	return b.away
}

func (b *countingBroker) calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n
}

func (b *countingBroker) back() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = false
}

func (b *countingBroker) Declare(ctx context.Context, t broker.Topology) error {
	if b.call() {
		return errors.Join(broker.ErrNotSent, errors.New("away"))
	}
	return b.Broker.Declare(ctx, t)
}

func (b *countingBroker) PublishBatch(ctx context.Context, batch []*broker.Message) []error {
	if b.call() {
		errs := make([]error, len(batch))
		for i := range errs {
			errs[i] = broker.ErrNotSent
		}
		return errs
	}
	return b.Broker.PublishBatch(ctx, batch)
}
