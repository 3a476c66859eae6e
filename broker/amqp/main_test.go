package amqp

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a broker that is closed when the test ends.
func open(t testing.TB, url string, change ...func(*broker.Config)) *Broker {
	t.Helper()
	b, err := tryOpen(url, change...)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func tryOpen(url string, change ...func(*broker.Config)) (*Broker, error) {
	c := broker.Config{URLs: []string{url}}
	for _, f := range change {
		f(&c)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	b, err := broker.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	return b.(*Broker), nil
}

// message is a persistent message for a queue.
func message(queue, body string) *broker.Message {
	m := &broker.Message{RoutingKey: queue}
	m.Properties.ContentType, m.Properties.DeliveryMode = "text/plain", protocol.Persistent
	m.Body = []byte(body)
	return m
}

func publish(t testing.TB, b broker.Broker, messages ...*broker.Message) {
	t.Helper()
	for _, m := range messages {
		if err := b.Publish(t.Context(), m); err != nil {
			t.Fatalf("publish: %v", err)
		}
	}
}

func declareQueue(t testing.TB, b broker.Broker, name string, arguments protocol.Table) {
	t.Helper()
	q := broker.Queue{Name: name, Durable: true, Arguments: arguments}
	if err := b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{q}}); err != nil {
		t.Fatalf("declare: %v", err)
	}
}

// outcome names the kind of a Publish error.
func outcome(err error) string {
	var refused *broker.RefusedError
	switch {
	case err == nil:
		return "confirmed"
	case errors.As(err, &refused):
		return string(refused.Reason)
	case errors.Is(err, broker.ErrNotSent):
		return "not sent"
	case errors.Is(err, broker.ErrUnconfirmed):
		return "unconfirmed"
	}
	return "no outcome: " + err.Error()
}

// An inbox takes the deliveries of one consumer.
type inbox struct {
	t testing.TB
	broker.Consumer
	deliveries chan *broker.Delivery
	states     chan state
}

type state struct {
	broker.ConsumerState
	err error
}

// inboxSize is more than any test leaves lying, so that Deliver and Notify do not block.
const inboxSize = 10_000

func consume(t testing.TB, b broker.Broker, s broker.Subscription) *inbox {
	t.Helper()
	in := &inbox{t: t, deliveries: make(chan *broker.Delivery, inboxSize), states: make(chan state, inboxSize)}
	s.Deliver = func(d *broker.Delivery) { in.deliveries <- d }
	s.Notify = func(c broker.ConsumerState, err error) { in.states <- state{c, err} }
	var err error
	if in.Consumer, err = b.Consume(t.Context(), s); err != nil {
		t.Fatalf("consume: %v", err)
	}
	return in
}

func (in *inbox) next() *broker.Delivery {
	in.t.Helper()
	select {
	case d := <-in.deliveries:
		return d
	case <-time.After(patience):
		in.t.Fatal("no delivery came")
		return nil
	}
}

func (in *inbox) state(want broker.ConsumerState) error {
	in.t.Helper()
	select {
	case s := <-in.states:
		if s.ConsumerState != want {
			in.t.Fatalf("consumer state %d (%v), want %d", s.ConsumerState, s.err, want)
		}
		return s.err
	case <-time.After(patience):
		in.t.Fatalf("consumer state %d did not come", want)
		return nil
	}
}

// patience decides only how long a failing test takes. A reconnect alone may draw a wait of 30 s.
const patience = 60 * time.Second
