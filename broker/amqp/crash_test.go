package amqp

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// The broker itself is killed and started again, in the middle of sending and consuming.
func TestWhatWasConfirmedSurvivesTheBrokersCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a RabbitMQ of its own, twice")
	}
	t.Parallel()
	r := testenv.OwnRabbitMQ(t)
	b := open(t, r.URL())
	hurry(b)
	declareQueue(t, b, "classic", nil)
	declareQueue(t, b, "other", protocol.Table{"x-max-priority": int32(5)})
	// No quorum queue: on a single node of RabbitMQ 3.10 that was killed it does not come back for a minute or more, and
	// holds up every channel that publishes to it meanwhile, this driver's or another's.
	queues := []string{"classic", "other"}
	event := broker.Queue{Name: "events", Exclusive: true, AutoDelete: true}
	events := consume(t, b, broker.Subscription{Queue: "events", NoAck: true, Declare: broker.Topology{
		Queues: []broker.Queue{event}, Bindings: []broker.Binding{{Source: "amq.topic", Queue: "events", RoutingKey: "#"}}}})

	const n = 300
	var sending sync.WaitGroup
	begun := make(chan struct{}, len(queues))
	for _, q := range queues {
		sending.Go(func() {
			for i := range n {
				if i == n/3 {
					begun <- struct{}{}
				}
				for {
					err := b.Publish(t.Context(), message(q, fmt.Sprint(i)))
					if err == nil {
						break
					}
					// Nacked: a queue's process ended with its node.
					if kind := outcome(err); kind != "unconfirmed" && kind != string(broker.Nacked) && kind != string(broker.Unroutable) {
						t.Errorf("publish to %s: %v", q, err)
						return
					}
				}
			}
		})
	}
	for range queues {
		<-begun
	}
	r.Kill()
	events.state(broker.ConsumerLost)
	r.Start()
	sending.Wait()
	events.state(broker.ConsumerRestored) // its exclusive queue and binding included
	m := message("task.sent", "after the crash")
	m.Exchange = "amq.topic"
	publish(t, b, m)
	if d := events.next(); string(d.Body) != "after the crash" {
		t.Errorf("event %q", d.Body)
	}
	for _, q := range queues {
		in := consume(t, b, broker.Subscription{Queue: q, Prefetch: 100})
		for seen := map[string]bool{}; len(seen) < n; {
			d := in.next()
			seen[string(d.Body)] = true
			if err := d.Ack(); err != nil && !errors.Is(err, broker.ErrStale) {
				t.Error(err)
			}
		}
	}
}
