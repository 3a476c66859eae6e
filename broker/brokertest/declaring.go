package brokertest

import (
	"errors"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// drifted fails the test unless the error is a *DriftError about that entity.
func (e *env) drifted(err error, kind, name string) {
	e.Helper()
	var drift *broker.DriftError
	if !errors.As(err, &drift) {
		e.Errorf("Declare: %v, want a *DriftError", err)
		return
	}
	if drift.Kind != kind || drift.Name != name || drift.Detail == "" {
		e.Errorf("drift of %s %q with detail %q, want %s %q and a detail", drift.Kind, drift.Name, drift.Detail, kind, name)
	}
}

var declaring = []test{
	{"declaring the same again changes nothing", func(e *env) {
		q := e.lasting("queue", protocol.Table{"x-message-ttl": int32(3_600_000)})
		x := broker.Exchange{Name: e.name("topic"), Type: broker.Topic, Durable: true}
		t := broker.Topology{
			Exchanges: []broker.Exchange{x}, Queues: []broker.Queue{q},
			Bindings: []broker.Binding{{Source: x.Name, Queue: q.Name, RoutingKey: "#"}},
		}
		e.declare(t)
		e.publish(routed(x.Name, "k", "x"))
		e.ok(e.b.Declare(e.ctx, t))
		e.publish(routed(x.Name, "k", "y"))
		in := e.consume(broker.Subscription{Queue: q.Name, Declare: t})
		in.expect("x", "y") // once each, though bound twice
		in.empty()
	}},

	{"declaring nothing is fine", func(e *env) {
		e.ok(e.b.Declare(e.ctx, broker.Topology{}))
		e.ok(e.b.Delete(e.ctx, broker.Topology{}))
	}},

	{"a queue declared otherwise has drifted", func(e *env) {
		q := e.lasting("queue", protocol.Table{"x-message-ttl": int32(3_600_000)})
		e.declare(broker.Topology{Queues: []broker.Queue{q}})
		e.put(q.Name, "kept")
		for _, ttl := range []protocol.Table{nil, {"x-message-ttl": int32(60_000)}} {
			other := e.lasting("", ttl)
			other.Name = q.Name
			e.drifted(e.b.Declare(e.ctx, broker.Topology{Queues: []broker.Queue{other}}), "queue", q.Name)
		}
		e.ok(e.b.Declare(e.ctx, broker.Topology{Queues: []broker.Queue{q}}))
		e.consume(broker.Subscription{Queue: q.Name}).expect("kept")
	}},

	{"an exchange declared otherwise has drifted", func(e *env) {
		x := broker.Exchange{Name: e.name("x"), Type: broker.Topic, Durable: true}
		e.declare(broker.Topology{Exchanges: []broker.Exchange{x}})
		other := x
		other.Type = broker.Direct
		e.drifted(e.b.Declare(e.ctx, broker.Topology{Exchanges: []broker.Exchange{other}}), "exchange", x.Name)
		other = x
		other.Durable = false
		e.drifted(e.b.Declare(e.ctx, broker.Topology{Exchanges: []broker.Exchange{other}}), "exchange", x.Name)
		e.ok(e.b.Declare(e.ctx, broker.Topology{Exchanges: []broker.Exchange{x}}))
	}},

	{"a subscription to a drifted queue is refused", func(e *env) {
		q := e.lasting("queue", nil)
		e.declare(broker.Topology{Queues: []broker.Queue{q}})
		other := e.lasting("", protocol.Table{"x-message-ttl": int32(60_000)})
		other.Name = q.Name
		_, err := e.b.Consume(e.ctx, broker.Subscription{
			Queue: q.Name, Declare: broker.Topology{Queues: []broker.Queue{other}}, Deliver: func(*broker.Delivery) {},
		})
		e.drifted(err, "queue", q.Name)
	}},

	{"a binding of what is missing is an error", func(e *env) {
		x, q := e.exchange(broker.Direct), e.queue(nil)
		for what, b := range map[string]broker.Binding{
			"queue":                {Source: x, Queue: e.name("missing"), RoutingKey: "k"},
			"source exchange":      {Source: e.name("missing"), Queue: q, RoutingKey: "k"},
			"destination exchange": {Source: x, Exchange: e.name("missing"), RoutingKey: "k"},
		} {
			if err := e.b.Declare(e.ctx, broker.Topology{Bindings: []broker.Binding{b}}); err == nil {
				e.Errorf("a binding with a missing %s was accepted", what)
			}
		}
		e.put(q, "x") // the broker still works
		e.consume(broker.Subscription{Queue: q}).expect("x")
	}},

	{"deleting what does not exist is no error", func(e *env) {
		e.ok(e.b.Delete(e.ctx, broker.Topology{
			Queues: []broker.Queue{{Name: e.name("q")}}, Exchanges: []broker.Exchange{{Name: e.name("x")}},
		}))
	}},

	{"a deleted queue is gone with its messages", func(e *env) {
		q := e.lasting("queue", nil)
		t := broker.Topology{Queues: []broker.Queue{q}}
		e.declare(t)
		e.put(q.Name, "x", "y")
		e.ok(e.b.Delete(e.ctx, t))
		if _, err := e.b.Stat(e.ctx, q.Name); !errors.Is(err, broker.ErrNoQueue) {
			e.Errorf("Stat: %v, want ErrNoQueue", err)
		}
		e.refused(e.b.Publish(e.ctx, text(q.Name, "x")), broker.Unroutable)
		e.ok(e.b.Declare(e.ctx, t))
		e.consume(broker.Subscription{Queue: q.Name}).empty()
	}},

	{"an auto-delete queue goes with its last consumer", func(e *env) {
		q := broker.Queue{Name: e.name("auto"), AutoDelete: true, Durable: true}
		own := broker.Topology{Queues: []broker.Queue{q}}
		one := e.consume(broker.Subscription{Queue: q.Name, Declare: own})
		two := e.consume(broker.Subscription{Queue: q.Name, Declare: own})
		e.ok(one.c.Close(e.ctx))
		e.put(q.Name, "x")
		two.expect("x")
		e.ok(two.c.Flush(e.ctx))
		e.ok(two.c.Close(e.ctx))
		e.gone(q.Name)
	}},

	{"an auto-delete exchange goes with its last binding", func(e *env) {
		x := broker.Exchange{Name: e.name("auto"), Type: broker.Fanout, Durable: true, AutoDelete: true}
		one, two := e.lasting("one", nil), e.lasting("two", nil)
		e.declare(broker.Topology{
			Exchanges: []broker.Exchange{x}, Queues: []broker.Queue{one, two},
			Bindings: []broker.Binding{{Source: x.Name, Queue: one.Name}, {Source: x.Name, Queue: two.Name}},
		})
		e.publish(routed(x.Name, "", "to both"))
		e.ok(e.b.Delete(e.ctx, broker.Topology{Queues: []broker.Queue{one}}))
		e.publish(routed(x.Name, "", "to the one left"))
		e.ok(e.b.Delete(e.ctx, broker.Topology{Queues: []broker.Queue{two}}))
		e.refused(e.b.Publish(e.ctx, routed(x.Name, "", "to nobody")), broker.NoExchange)
	}},

	{"an exclusive queue goes with its broker", func(e *env) {
		owner := e.another()
		q := broker.Queue{Name: e.name("own"), Exclusive: true}
		in := e.consumeFrom(owner, broker.Subscription{Queue: q.Name, Declare: broker.Topology{Queues: []broker.Queue{q}}})
		e.put(q.Name, "x") // anybody may send to it
		in.expect("x")
		e.ok(in.c.Flush(e.ctx))
		e.ok(owner.Close())
		e.unroutable(q.Name)
	}},

	{"an exclusive queue is nobody else's", func(e *env) {
		owner := e.another()
		q := broker.Queue{Name: e.name("own"), Exclusive: true}
		own := broker.Topology{Queues: []broker.Queue{q}}
		in := e.consumeFrom(owner, broker.Subscription{Queue: q.Name, Declare: own})
		for what, declare := range map[string]broker.Topology{"consuming from": {}, "declaring": own} {
			if _, err := e.b.Consume(e.ctx, broker.Subscription{Queue: q.Name, Declare: declare, Deliver: func(*broker.Delivery) {}}); err == nil {
				e.Errorf("%s another broker's exclusive queue was accepted", what)
			}
		}
		e.put(q.Name, "x")
		in.expect("x")
	}},
}
