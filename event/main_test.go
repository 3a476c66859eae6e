package event_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/protocol"

	_ "github.com/umbel-go/umbel/broker/amqp"
	_ "github.com/umbel-go/umbel/broker/memory"
	_ "github.com/umbel-go/umbel/broker/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var spaces atomic.Int64

func open(t *testing.T, url string) broker.Broker {
	t.Helper()
	if url == "" {
		url = fmt.Sprintf("memory://event-test-%d", spaces.Add(1))
	}
	b, err := broker.Open(deadline(t), broker.Config{URLs: []string{url}, ConnectTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// speak starts a dispatcher that is switched on.
func speak(t *testing.T, b broker.Broker, c event.DispatcherConfig) *event.Dispatcher {
	t.Helper()
	c.Broker = b
	if c.Hostname == "" {
		c.Hostname = "w1@host"
	}
	d := event.NewDispatcher(c)
	go d.Run()
	t.Cleanup(func() { d.Close(deadline(t)) })
	d.Enable()
	return d
}

// An ear gathers what a receiver hears.
type ear struct {
	t *testing.T
	*event.Receiver

	mu       sync.Mutex // guards events and messages
	events   []*protocol.Event
	messages int
	more     chan struct{}
}

func listen(t *testing.T, b broker.Broker, c event.ReceiverConfig) *ear {
	t.Helper()
	e := &ear{t: t, more: make(chan struct{}, 1)}
	c.Handle = func(events []*protocol.Event, _ time.Time) {
		e.mu.Lock()
		e.events, e.messages = append(e.events, events...), e.messages+1
		e.mu.Unlock()
		select {
		case e.more <- struct{}{}:
		default:
		}
	}
	r, err := event.Receive(deadline(t), b, c)
	if err != nil {
		t.Fatal(err)
	}
	e.Receiver = r
	t.Cleanup(func() { _ = r.Close(deadline(t)) })
	return e
}

// wait returns what was heard once it is n events.
func (e *ear) wait(n int) []*protocol.Event {
	e.t.Helper()
	for {
		e.mu.Lock()
		got := e.events
		e.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-e.more:
		case <-deadline(e.t).Done():
			e.t.Fatalf("heard %d events, want %d", len(got), n)
		}
	}
}
