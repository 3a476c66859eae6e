package brokertest

import (
	"fmt"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// grave is a dead-letter exchange, the queue it feeds, and the arguments that lead there.
type grave struct {
	exchange, queue string
	arguments       protocol.Table
}

func (e *env) grave() grave {
	e.Helper()
	g := grave{exchange: e.exchange(broker.Topic), queue: e.queue(nil)}
	e.bind(broker.Binding{Source: g.exchange, Queue: g.queue, RoutingKey: "#"})
	g.arguments = protocol.Table{"x-dead-letter-exchange": g.exchange}
	return g
}

// died checks the newest x-death entry of a dead letter.
func (e *env) died(d *broker.Delivery, queue, reason, exchange, key string, count int64) {
	e.Helper()
	deaths, _ := d.Headers["x-death"].([]any)
	if len(deaths) == 0 {
		e.Fatalf("no x-death header in %v", d.Headers)
	}
	death, ok := deaths[0].(protocol.Table)
	if !ok {
		e.Fatalf("x-death holds a %T, want a table", deaths[0])
	}
	keys, _ := death["routing-keys"].([]any)
	got := fmt.Sprint(death["queue"], " ", death["reason"], " ", death["exchange"], " ", keys, " ", death["count"])
	want := fmt.Sprint(queue, " ", reason, " ", exchange, " ", []any{key}, " ", count)
	if got != want {
		e.Errorf("x-death says %s, want %s", got, want)
	}
	if _, ok := death["count"].(int64); !ok {
		e.Errorf("x-death count is a %T, want int64", death["count"])
	}
	if when, ok := death["time"].(time.Time); !ok || when.IsZero() {
		e.Errorf("x-death time is %T %v", death["time"], death["time"])
	}
}

func (e *env) firstDeath(d *broker.Delivery, queue, reason, exchange string) {
	e.Helper()
	h := d.Headers
	if h["x-first-death-queue"] != queue || h["x-first-death-reason"] != reason || h["x-first-death-exchange"] != exchange {
		e.Errorf("first death: queue %v, reason %v, exchange %v; want %q, %q, %q",
			h["x-first-death-queue"], h["x-first-death-reason"], h["x-first-death-exchange"], queue, reason, exchange)
	}
}

var deadLetters = []test{
	{"a message rejected for good goes to the dead-letter exchange", func(e *env) {
		g := e.grave()
		q := e.queue(g.arguments)
		in, dead := e.consume(broker.Subscription{Queue: q}), e.consume(broker.Subscription{Queue: g.queue})
		m := text(q, "bad")
		m.Headers = protocol.Table{"id": "7", "n": int32(1)}
		m.Properties.CorrelationID = "7"
		e.publish(m)
		e.ok(in.next().Reject(false))
		d := dead.next()
		if string(d.Body) != "bad" || d.Headers["id"] != "7" || d.Headers["n"] != int32(1) || d.Properties.CorrelationID != "7" {
			e.Errorf("the dead letter changed: body %q, headers %v, correlation id %q", d.Body, d.Headers, d.Properties.CorrelationID)
		}
		if d.Exchange != g.exchange || d.RoutingKey != q || d.Queue != g.queue {
			e.Errorf("dead letter from exchange %q, routing key %q, queue %q; want %q, %q, %q", d.Exchange, d.RoutingKey, d.Queue, g.exchange, q, g.queue)
		}
		e.died(d, q, "rejected", "", q, 1)
		e.firstDeath(d, q, "rejected", "")
		if d.Redelivered || d.Deliveries != 0 {
			e.Errorf("a dead letter is a new message: redelivered %v, deliveries %d", d.Redelivered, d.Deliveries)
		}
		e.ok(d.Ack())
		in.empty()
	}},

	{"a rejection with requeue is no death", func(e *env) {
		g := e.grave()
		q := e.queue(g.arguments)
		in, dead := e.consume(broker.Subscription{Queue: q, Prefetch: 1}), e.consume(broker.Subscription{Queue: g.queue})
		e.put(q, "x")
		e.ok(in.next().Reject(true))
		e.ok(in.next().Ack())
		dead.empty()
	}},

	{"the dead-letter routing key replaces the message's own", func(e *env) {
		g := e.grave()
		g.arguments["x-dead-letter-routing-key"] = "graves.here"
		x, q := e.exchange(broker.Direct), e.queue(g.arguments)
		e.bind(broker.Binding{Source: x, Queue: q, RoutingKey: "k"})
		in, dead := e.consume(broker.Subscription{Queue: q}), e.consume(broker.Subscription{Queue: g.queue})
		e.publish(routed(x, "k", "x"))
		e.ok(in.next().Reject(false))
		d := dead.next()
		if d.RoutingKey != "graves.here" {
			e.Errorf("routing key %q, want graves.here", d.RoutingKey)
		}
		e.died(d, q, "rejected", x, "k", 1)
		e.ok(d.Ack())
	}},

	{"a dead letter goes through the default exchange too", func(e *env) {
		last := e.queue(nil)
		q := e.queue(protocol.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": last})
		in := e.consume(broker.Subscription{Queue: q})
		e.put(q, "x")
		e.ok(in.next().Reject(false))
		d := e.consume(broker.Subscription{Queue: last}).next()
		e.died(d, q, "rejected", "", q, 1)
		e.ok(d.Ack())
	}},

	{"an expired message goes to the dead-letter exchange", func(e *env) {
		g := e.grave()
		q := e.queue(g.arguments)
		dead := e.consume(broker.Subscription{Queue: g.queue})
		e.publish(mortal(q, "20", "late"))
		d := dead.next()
		e.died(d, q, "expired", "", q, 1)
		e.firstDeath(d, q, "expired", "")
		if d.Properties.Expiration != "" {
			e.Errorf("the dead letter has expiration %q: it would die again", d.Properties.Expiration)
		}
		if deaths := d.Headers["x-death"].([]any); deaths[0].(protocol.Table)["original-expiration"] != "20" {
			e.Errorf("x-death original-expiration is %v, want 20", deaths[0].(protocol.Table)["original-expiration"])
		}
		e.ok(d.Ack())
	}},

	{"a queue's x-message-ttl leads to the dead-letter exchange", func(e *env) {
		g := e.grave()
		g.arguments["x-message-ttl"] = int32(20)
		q := e.queue(g.arguments)
		dead := e.consume(broker.Subscription{Queue: g.queue})
		e.put(q, "a", "b")
		for _, want := range []string{"a", "b"} {
			d := dead.next()
			if string(d.Body) != want {
				e.Errorf("dead letter %q, want %q", d.Body, want)
			}
			e.died(d, q, "expired", "", q, 1)
			e.ok(d.Ack())
		}
	}},

	{"deaths in the same queue for the same reason are counted", func(e *env) {
		// A parking queue that dead-letters back: how a message is delayed without a timer in anybody's memory.
		work := e.lasting("work", nil)
		parking := e.lasting("parking", protocol.Table{
			"x-message-ttl": int32(10), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work.Name,
		})
		work.Arguments["x-dead-letter-exchange"], work.Arguments["x-dead-letter-routing-key"] = "", parking.Name
		e.declare(broker.Topology{Queues: []broker.Queue{work, parking}})
		in := e.consume(broker.Subscription{Queue: work.Name})
		e.put(parking.Name, "x")
		for n := int64(1); n <= 3; n++ {
			d := in.next()
			e.died(d, parking.Name, "expired", "", parking.Name, n)
			e.firstDeath(d, parking.Name, "expired", "")
			if n < 3 {
				e.ok(d.Reject(false)) // to the parking queue, and back
			} else {
				e.ok(d.Ack())
			}
		}
	}},

	{"a dead letter that leads nowhere is dropped", func(e *env) {
		q := e.queue(protocol.Table{"x-dead-letter-exchange": e.name("missing")})
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		e.put(q, "x", "y")
		e.ok(in.next().Reject(false))
		in.expect("y")
		in.empty()
	}},
}
