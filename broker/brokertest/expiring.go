package brokertest

import (
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// mortal is a message that the broker drops after so many milliseconds.
func mortal(queue, milliseconds, body string) *broker.Message {
	m := text(queue, body)
	m.Properties.Expiration = milliseconds
	return m
}

var expiring = []test{
	{"a message is dropped when its expiration has passed", func(e *env) {
		q := e.queue(nil)
		e.publish(mortal(q, "20", "x"))
		e.ready(q, 0)
		in := e.consume(broker.Subscription{Queue: q})
		in.empty()
	}},

	{"a message without a moment to live is confirmed and dropped", func(e *env) {
		q := e.queue(nil)
		e.publish(mortal(q, "0", "x"))
		e.ready(q, 0)
		e.consume(broker.Subscription{Queue: q}).empty()
	}},

	{"a message is delivered before its expiration has passed", func(e *env) {
		q := e.queue(nil)
		e.publish(mortal(q, "3600000", "lives"))
		e.put(q, "eternal")
		e.ready(q, 2)
		in := e.consume(broker.Subscription{Queue: q})
		in.expect("lives", "eternal")
		in.empty()
	}},

	{"an expired message behind others is not delivered", func(e *env) {
		// RabbitMQ counts it as ready until it comes to the front, and drops it there.
		q, clock := e.queue(nil), e.queue(nil)
		e.put(q, "before")
		e.publish(mortal(q, "20", "dies"))
		e.put(q, "after")
		e.publish(mortal(clock, "21", "tick"))
		e.ready(clock, 0)
		in := e.consume(broker.Subscription{Queue: q})
		in.expect("before", "after")
		in.empty()
	}},

	{"a queue drops messages after its x-message-ttl", func(e *env) {
		q := e.queue(protocol.Table{"x-message-ttl": int32(20)})
		e.put(q, "a", "b")
		e.ready(q, 0)
		e.consume(broker.Subscription{Queue: q}).empty()
	}},

	{"the shorter of message's and queue's time counts", func(e *env) {
		long, short := e.queue(protocol.Table{"x-message-ttl": int32(3_600_000)}), e.queue(protocol.Table{"x-message-ttl": int32(20)})
		e.publish(mortal(long, "20", "x"), mortal(short, "3600000", "x"))
		e.ready(long, 0)
		e.ready(short, 0)
	}},

	{"a delivery in our hands does not expire", func(e *env) {
		q := e.queue(protocol.Table{"x-message-ttl": int32(3_600_000)})
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		e.publish(mortal(q, "3600000", "held"))
		held := in.next()
		e.publish(mortal(q, "20", "waits"))
		e.ready(q, 0)
		e.ok(held.Ack())
		in.empty()
	}},
}
