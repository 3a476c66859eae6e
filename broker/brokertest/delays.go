package brokertest

import (
	"time"

	"github.com/umbel-go/umbel/broker"
)

// later is a message that stays invisible for the duration.
func later(queue string, d time.Duration, body string) *broker.Message {
	m := text(queue, body)
	m.NotBefore = time.Now().Add(d)
	return m
}

// delaying skips the test on brokers without the trait.
func (e *env) delaying() {
	e.Helper()
	if !e.b.Traits().Delay {
		e.Skip("Traits.Delay is false")
	}
}

var delays = []test{
	{"a delayed message comes when it is due and not before", func(e *env) {
		e.delaying()
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q})
		m := later(q, 150*time.Millisecond, "later")
		e.publish(m)
		e.put(q, "now")
		in.expect("now")
		d := in.next()
		if now := time.Now(); now.Before(m.NotBefore) {
			e.Errorf("delivered %v early", m.NotBefore.Sub(now))
		}
		if string(d.Body) != "later" || d.Redelivered || d.Deliveries != 0 {
			e.Errorf("delivered %q, redelivered %v, deliveries %d", d.Body, d.Redelivered, d.Deliveries)
		}
		e.ok(d.Ack())
	}},

	{"a broker that cannot delay delivers at once", func(e *env) {
		if e.b.Traits().Delay {
			e.Skip("Traits.Delay is true")
		}
		q := e.queue(nil)
		e.publish(later(q, time.Hour, "x"))
		e.consume(broker.Subscription{Queue: q}).expect("x")
	}},

	{"delayed messages come in the order of their time", func(e *env) {
		e.delaying()
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q})
		batch := []*broker.Message{later(q, 600*time.Millisecond, "third"), later(q, 200*time.Millisecond, "first"), later(q, 400*time.Millisecond, "second")}
		if errs := e.b.PublishBatch(e.ctx, batch); errs != nil {
			e.Fatalf("PublishBatch: %v", errs)
		}
		in.expect("first", "second", "third")
	}},

	{"a time that has passed is no delay", func(e *env) {
		e.delaying()
		q := e.queue(nil)
		e.publish(later(q, -time.Hour, "a"))
		e.put(q, "b")
		e.consume(broker.Subscription{Queue: q}).expect("a", "b")
	}},

	{"a delayed message is neither ready nor purged", func(e *env) {
		e.delaying()
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q})
		e.publish(later(q, 300*time.Millisecond, "later"), later(q, time.Hour, "much later"))
		if s, err := e.b.Stat(e.ctx, q); err != nil || s.Ready != 0 {
			e.Errorf("Stat: %+v, %v; want nothing ready", s, err)
		}
		if n, err := e.b.Purge(e.ctx, q); n != 0 || err != nil {
			e.Errorf("Purge: %d, %v; want 0", n, err)
		}
		in.expect("later")
	}},

	{"a delay holds for every queue a message is routed to", func(e *env) {
		e.delaying()
		x := e.exchange(broker.Fanout)
		var all []*inbox
		for range 3 {
			q := e.queue(nil)
			e.bind(broker.Binding{Source: x, Queue: q})
			all = append(all, e.consume(broker.Subscription{Queue: q}))
		}
		m := later("", 100*time.Millisecond, "x")
		m.Exchange = x
		e.publish(m)
		for _, in := range all {
			d := in.next()
			if now := time.Now(); now.Before(m.NotBefore) {
				e.Errorf("delivered %v early", m.NotBefore.Sub(now))
			}
			e.ok(d.Ack())
		}
	}},

	{"a queue that is deleted takes its delayed messages with it", func(e *env) {
		e.delaying()
		q := e.lasting("queue", nil)
		t := broker.Topology{Queues: []broker.Queue{q}}
		e.declare(t)
		e.publish(later(q.Name, 50*time.Millisecond, "ghost"))
		e.ok(e.b.Delete(e.ctx, t))
		e.ok(e.b.Declare(e.ctx, t))
		in := e.consume(broker.Subscription{Queue: q.Name})
		e.publish(later(q.Name, 100*time.Millisecond, "real"))
		in.expect("real")
	}},
}
