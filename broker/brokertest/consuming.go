package brokertest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/umbel-go/umbel/broker"
)

var consuming = []test{
	{"consuming from a missing queue is ErrNoQueue", func(e *env) {
		_, err := e.b.Consume(e.ctx, broker.Subscription{Queue: e.name("missing"), Deliver: func(*broker.Delivery) {}})
		if !errors.Is(err, broker.ErrNoQueue) {
			e.Errorf("Consume: %v, want ErrNoQueue", err)
		}
	}},

	{"a subscription declares what it needs", func(e *env) {
		x := broker.Exchange{Name: e.name("events"), Type: broker.Topic, Durable: true}
		q := e.lasting("own", nil)
		t := broker.Topology{
			Exchanges: []broker.Exchange{x}, Queues: []broker.Queue{q},
			Bindings: []broker.Binding{{Source: x.Name, Queue: q.Name, RoutingKey: "task.#"}},
		}
		e.deleteLater(t)
		in := e.consume(broker.Subscription{Queue: q.Name, Declare: t})
		e.publish(routed(x.Name, "task.sent", "x"))
		in.expect("x")
	}},

	{"deliveries come one at a time and in order", func(e *env) {
		q := e.queue(nil)
		const n = 300
		var inside atomic.Int32
		var overlaps atomic.Int32
		var order []string // Deliver's alone, until done is closed
		done := make(chan struct{})
		_, err := e.b.Consume(e.ctx, broker.Subscription{Queue: q, Prefetch: 50, Deliver: func(d *broker.Delivery) {
			if inside.Add(1) > 1 {
				overlaps.Add(1)
			}
			order = append(order, string(d.Body))
			d.Ack()
			inside.Add(-1)
			if len(order) == n {
				close(done)
			}
		}})
		e.ok(err)
		for i := range n {
			e.put(q, fmt.Sprint(i))
		}
		e.wait("all deliveries", done)
		for i, body := range order {
			if body != fmt.Sprint(i) {
				e.Fatalf("delivery %d has body %q: out of order", i, body)
			}
		}
		if n := overlaps.Load(); n > 0 {
			e.Errorf("Deliver was called %d times while it was running", n)
		}
	}},

	{"a Deliver that blocks holds back its own subscription alone", func(e *env) {
		slow, quick := e.queue(nil), e.queue(nil)
		entered, leave := make(chan struct{}, 10), make(chan struct{})
		_, err := e.b.Consume(e.ctx, broker.Subscription{Queue: slow, Prefetch: 1, Deliver: func(d *broker.Delivery) {
			entered <- struct{}{}
			<-leave
			d.Ack()
		}})
		e.ok(err)
		var once sync.Once
		release := func() { once.Do(func() { close(leave) }) }
		e.Cleanup(release) // before Close, also when the test fails
		e.put(slow, "1", "2")
		e.wait("the first delivery", entered)
		in := e.consume(broker.Subscription{Queue: quick, Prefetch: 1})
		for i := range 20 {
			e.put(quick, fmt.Sprint(i))
			in.expect(fmt.Sprint(i))
		}
		release()
		e.wait("the second delivery", entered)
	}},

	{"consumers of one queue share it", func(e *env) {
		q := e.queue(nil)
		one := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		two := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		e.put(q, "a", "b", "c")
		first, second := one.next(), two.next() // each holds one: neither is passed over
		if string(first.Body) == string(second.Body) {
			e.Errorf("both consumers got %q", first.Body)
		}
		e.ok(second.Ack())
		third := two.next()
		if string(third.Body) != "c" {
			e.Errorf("the free consumer got %q, want c", third.Body)
		}
		e.ok(third.Ack())
		e.ok(first.Ack())
		one.empty()
		two.empty()
	}},

	{"an exclusive consumer shares with nobody", func(e *env) {
		if e.quorum() {
			e.Skip("a quorum queue lets several exclusive consumers wait for their turn")
		}
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Exclusive: true})
		if _, err := e.b.Consume(e.ctx, broker.Subscription{Queue: q, Deliver: func(*broker.Delivery) {}}); err == nil {
			e.Error("a second consumer was accepted beside an exclusive one")
		}
		e.put(q, "x")
		in.expect("x")
		e.ok(in.c.Close(e.ctx))
		shared := e.consume(broker.Subscription{Queue: q})
		if _, err := e.b.Consume(e.ctx, broker.Subscription{Queue: q, Exclusive: true, Deliver: func(*broker.Delivery) {}}); err == nil {
			e.Error("an exclusive consumer was accepted beside a second one")
		}
		e.put(q, "y")
		shared.expect("y")
	}},

	{"a consumer without acknowledgement has nothing to settle", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, NoAck: true, Prefetch: 1})
		e.put(q, "a", "b", "c")
		for _, want := range []string{"a", "b", "c"} { // the prefetch limit has nothing to count
			d := in.next()
			if string(d.Body) != want {
				e.Errorf("delivered %q, want %q", d.Body, want)
			}
			if err := d.Ack(); err != nil && !errors.Is(err, broker.ErrSettled) {
				e.Errorf("Ack: %v, want nil or ErrSettled", err)
			}
		}
		e.ok(in.c.Close(e.ctx))
		other := e.consume(broker.Subscription{Queue: q})
		e.put(q, "d")
		other.expect("d")
		other.empty()
	}},

	{"tags need not be given and may be", func(e *env) {
		q, r := e.queue(nil), e.queue(nil)
		one := e.consume(broker.Subscription{Queue: q})
		two := e.consume(broker.Subscription{Queue: q})
		named := e.consume(broker.Subscription{Queue: r, Tag: e.name("tag")})
		e.put(q, "x")
		e.eventually("one of two consumers was served", func() bool { return one.delivered()+two.delivered() == 1 })
		e.put(r, "y")
		named.expect("y")
	}},

	{"a subscription without Deliver is an error", func(e *env) {
		if _, err := e.b.Consume(e.ctx, broker.Subscription{Queue: e.queue(nil)}); err == nil {
			e.Error("Consume took a subscription without Deliver")
		}
	}},
}
