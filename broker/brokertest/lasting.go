package brokertest

import "github.com/umbel-go/umbel/broker"

var lastings = []test{
	{"a message outlives the connection that sent it", func(e *env) {
		sender := e.another()
		q := e.queue(nil)
		e.ok(sender.Publish(e.ctx, text(q, "x")))
		e.ok(sender.Close())
		e.consume(broker.Subscription{Queue: q}).expect("x")
	}},

	{"durable messages outlive every connection", func(e *env) {
		if !e.b.Traits().Durable {
			e.Skip("Traits.Durable is false")
		}
		if e.suite.Another == nil {
			e.Skip("Suite.Another is not set: no way back to the same server")
		}
		q := e.lasting("queue", nil)
		x := broker.Exchange{Name: e.name("x"), Type: broker.Topic, Durable: true}
		t := broker.Topology{
			Exchanges: []broker.Exchange{x}, Queues: []broker.Queue{q},
			Bindings: []broker.Binding{{Source: x.Name, Queue: q.Name, RoutingKey: "#"}},
		}
		e.ok(e.b.Declare(e.ctx, t))
		e.publish(text(q.Name, "acked"), text(q.Name, "held"), text(q.Name, "ready"))
		in := e.consume(broker.Subscription{Queue: q.Name, Prefetch: 2})
		in.expect("acked")
		in.take(1)
		e.ok(e.b.Close())

		e.b = e.another() // the first one is closed: this is the way back
		e.deleteLater(t)
		e.publish(routed(x.Name, "still.bound", "new"))
		in = e.consume(broker.Subscription{Queue: q.Name, Prefetch: 1})
		if e.quorum() { // which may put what was held behind
			in.take(1)[0].Ack()
			in.bodies(2)
		} else {
			d := in.next()
			if string(d.Body) != "held" {
				e.Errorf("delivered %q, want held", d.Body)
			}
			e.counted(d, 1)
			e.ok(d.Ack())
			in.expect("ready", "new")
		}
		in.empty()
	}},
}
