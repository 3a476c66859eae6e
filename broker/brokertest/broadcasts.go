package brokertest

import (
	"fmt"

	"github.com/umbel-go/umbel/broker"
)

// listen consumes a broadcast through a queue of its own, as event receivers and remote control do.
func (e *env) listen(b broker.Broker, exchange, kind, key string) *inbox {
	e.Helper()
	q := broker.Queue{Name: e.name("listener"), Exclusive: true, AutoDelete: true}
	return e.consumeFrom(b, broker.Subscription{Queue: q.Name, NoAck: true, Declare: broker.Topology{
		Exchanges: []broker.Exchange{{Name: exchange, Type: kind, Durable: true}},
		Queues:    []broker.Queue{q},
		Bindings:  []broker.Binding{{Source: exchange, Queue: q.Name, RoutingKey: key}},
	}})
}

// heard takes as many deliveries as there are bodies, in order.
func (in *inbox) heard(bodies ...string) {
	in.e.Helper()
	for i, d := range in.take(len(bodies)) {
		if string(d.Body) != bodies[i] {
			in.e.Errorf("heard %q, want %q", d.Body, bodies[i])
		}
	}
}

var broadcasts = []test{
	{"a broadcast reaches every listener", func(e *env) {
		x := e.exchange(broker.Fanout)
		e.refused(e.b.Publish(e.ctx, routed(x, "", "nobody listens")), broker.Unroutable)
		var all []*inbox
		for range 5 {
			all = append(all, e.listen(e.b, x, broker.Fanout, ""))
		}
		e.publish(routed(x, "", "a"), routed(x, "k", "b"))
		for _, in := range all {
			in.heard("a", "b")
		}
		e.ok(all[0].c.Close(e.ctx))
		e.publish(routed(x, "", "c"))
		for _, in := range all[1:] {
			in.heard("c")
		}
		all[0].empty()
	}},

	{"a topic broadcast reaches those who asked for it", func(e *env) {
		x := e.exchange(broker.Topic)
		tasks, workers, all := e.listen(e.b, x, broker.Topic, "task.#"), e.listen(e.b, x, broker.Topic, "worker.*"), e.listen(e.b, x, broker.Topic, "#")
		e.publish(routed(x, "task.sent", "t1"), routed(x, "worker.online", "w"), routed(x, "task.failed.late", "t2"))
		tasks.heard("t1", "t2")
		workers.heard("w")
		all.heard("t1", "w", "t2")
		tasks.empty()
		workers.empty()
	}},

	{"a broadcast reaches listeners of other processes", func(e *env) {
		other := e.another()
		x := e.exchange(broker.Fanout)
		mine, theirs := e.listen(e.b, x, broker.Fanout, ""), e.listen(other, x, broker.Fanout, "")
		e.publish(routed(x, "", "from here"))
		mine.heard("from here")
		theirs.heard("from here")
		e.ok(other.Publish(e.ctx, routed(x, "", "from there")))
		mine.heard("from there")
		theirs.heard("from there")
	}},

	{"processes share a queue", func(e *env) {
		other := e.another()
		q := e.queue(nil)
		mine, theirs := e.consume(broker.Subscription{Queue: q, Prefetch: 1}), e.consumeFrom(other, broker.Subscription{Queue: q, Prefetch: 1})
		e.put(q, "a")
		e.ok(other.Publish(e.ctx, text(q, "b")))
		one, two := mine.next(), theirs.next()
		if got := fmt.Sprint(string(one.Body), string(two.Body)); got != "ab" && got != "ba" {
			e.Errorf("delivered %s, want a and b", got)
		}
		e.ok(two.Ack())
		e.ok(theirs.c.Flush(e.ctx))
		e.ok(other.Close()) // nothing of it is left to be given back
		e.ok(one.Ack())
		mine.empty()
	}},

	{"what a closed process held comes to another at once", func(e *env) {
		other := e.another()
		q := e.queue(nil)
		theirs := e.consumeFrom(other, broker.Subscription{Queue: q, Prefetch: 10})
		e.put(q, "a", "b", "c")
		held := theirs.take(3)
		e.ok(held[1].Ack())
		mine := e.consume(broker.Subscription{Queue: q, Prefetch: 10})
		e.ok(other.Close())
		for _, want := range []string{"a", "c"} {
			d := mine.next()
			if string(d.Body) != want {
				e.Errorf("delivered %q, want %q", d.Body, want)
			}
			e.counted(d, 1)
			e.ok(d.Ack())
		}
		mine.empty()
	}},
}
