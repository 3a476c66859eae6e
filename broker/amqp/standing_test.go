package amqp

import (
	"strings"
	"testing"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// Who may not declare uses what stands, and is told of what does not.
func TestWhatAUserMayNotDeclareIsTakenAsItStands(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	work := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "shop", Type: broker.Topic, Durable: true}},
		Queues:    []broker.Queue{{Name: "orders", Durable: true}},
		Bindings:  []broker.Binding{{Source: "shop", Queue: "orders", RoutingKey: "order.#"}},
	}
	owner := open(t, r.URL())
	if err := owner.Declare(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	user := r.Vhost() + "-reads"
	r.User(user, "sekrit", `^mine$`, `^(amq\.default|mine)$`, `^(orders|mine|shop)$`)
	b := open(t, r.URLFor(user, "sekrit"))
	if err := b.Declare(t.Context(), work); err != nil {
		t.Errorf("what stands: %v", err)
	}
	missing := broker.Topology{Queues: []broker.Queue{{Name: "nowhere", Durable: true}}}
	if err := b.Declare(t.Context(), missing); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("what does not: %v", err)
	}
	// Its own parts are made beside those that stand.
	both := broker.Topology{Exchanges: work.Exchanges, Queues: []broker.Queue{{Name: "mine", Durable: true}}, Bindings: []broker.Binding{{Source: "shop", Queue: "mine", RoutingKey: "x"}}}
	if err := b.Declare(t.Context(), both); err != nil {
		t.Errorf("its own: %v", err)
	}
	// A binding that its own queue needs is no matter of taste.
	deaf := broker.Topology{Queues: both.Queues, Bindings: []broker.Binding{{Source: "amq.topic", Queue: "mine", RoutingKey: "x"}}}
	if err := b.Declare(t.Context(), deaf); err == nil {
		t.Error("a binding that was refused was taken for made")
	}
	if err := b.Publish(t.Context(), &broker.Message{RoutingKey: "orders", Envelope: protocol.Envelope{Body: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	got := make(chan *broker.Delivery, 1)
	c, err := b.Consume(t.Context(), broker.Subscription{Queue: "orders", Declare: work, Deliver: func(d *broker.Delivery) { got <- d }})
	if err != nil {
		t.Fatal(err)
	}
	if err := (<-got).Ack(); err != nil {
		t.Error(err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := b.Consume(t.Context(), broker.Subscription{Queue: "nowhere", Declare: missing, Deliver: func(*broker.Delivery) {}}); err == nil {
		t.Error("a queue that does not exist was consumed")
	}
}
