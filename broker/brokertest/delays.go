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

// soon is a delay of so many of the driver's steps, and a half: cut to whole steps it is that many.
func (e *env) soon(steps int) time.Duration {
	step := e.b.Traits().DelayStep
	if step == 0 {
		return time.Duration(steps) * 150 * time.Millisecond
	}
	return time.Duration(steps)*step + step/2
}

// due fails the test if m was delivered earlier than the driver's step allows.
func (e *env) due(m *broker.Message) {
	e.Helper()
	if early := time.Until(m.NotBefore); early > e.b.Traits().DelayStep {
		e.Errorf("delivered %v early", early)
	}
}

var delays = []test{
	{"a delayed message comes when it is due and not before", func(e *env) {
		e.delaying()
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q})
		e.publish(later(q, time.Hour, "much later")) // the first delay may have to make room for all
		m := later(q, e.soon(1), "later")
		e.publish(m)
		e.put(q, "now")
		in.expect("now")
		d := in.next()
		e.due(m)
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
		batch := []*broker.Message{later(q, e.soon(3), "third"), later(q, e.soon(1), "first"), later(q, e.soon(2), "second")}
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
		e.publish(later(q, e.soon(2), "later"), later(q, time.Hour, "much later"))
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
		m := later("", e.soon(1), "x")
		m.Exchange = x
		e.publish(m)
		for _, in := range all {
			d := in.next()
			e.due(m)
			e.ok(d.Ack())
		}
	}},

	{"a delayed message for a queue that does not exist is refused", func(e *env) {
		e.delaying()
		name := e.name("nowhere")
		e.refused(e.b.Publish(e.ctx, later(name, e.soon(1), "x")), broker.Unroutable)
		errs := e.b.PublishBatch(e.ctx, []*broker.Message{later(name, e.soon(1), "x"), later(e.queue(nil), e.soon(1), "y")})
		if len(errs) != 2 || errs[1] != nil {
			e.Fatalf("PublishBatch: %v, want the first refused and the second confirmed", errs)
		}
		e.refused(errs[0], broker.Unroutable)
	}},

	{"a message may be delayed again and again", func(e *env) {
		e.delaying()
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q})
		m := later(q, e.soon(1), "again")
		for range 4 {
			e.publish(m)
			d := in.next()
			e.due(m)
			next := d.Message // as it came, with whatever the broker has written into it
			next.NotBefore, m = time.Now().Add(e.soon(1)), &next
			if d.Exchange != "" || d.RoutingKey != q {
				e.Errorf("delivered with exchange %q and routing key %q, want those it was sent with", d.Exchange, d.RoutingKey)
			}
			e.ok(d.Ack())
		}
	}},

	{"a delay ends at its queue and no other", func(e *env) {
		e.delaying()
		all := []string{e.queue(nil)}
		for _, name := range []string{"a." + all[0], "b.a." + all[0], all[0] + ".c", "%2E" + all[0]} {
			e.declare(broker.Topology{Queues: []broker.Queue{{Name: name, Durable: true, Arguments: e.suite.Arguments}}})
			all = append(all, name)
		}
		var in []*inbox
		for _, q := range all {
			in = append(in, e.consume(broker.Subscription{Queue: q}))
		}
		for _, q := range all {
			e.publish(later(q, e.soon(1), q))
		}
		e.publish(later(all[0], e.soon(2), "last"))
		in[0].expect(all[0], "last")
		for i, q := range all[1:] {
			in[i+1].expect(q)
			if s, err := e.b.Stat(e.ctx, q); err != nil || s.Ready != 0 {
				e.Errorf("Stat of %q: %+v, %v; want nothing more", q, s, err)
			}
		}
	}},

	{"a queue that is deleted takes its delayed messages with it", func(e *env) {
		e.delaying()
		if e.b.Traits().DelayStep > 0 {
			e.Skip("Traits.DelayStep is not 0: delayed messages wait outside their queue")
		}
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
