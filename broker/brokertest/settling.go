package brokertest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/umbel-go/umbel/broker"
)

// again consumes what a queue still holds after its consumer has left: it puts a last message and takes all before it.
func (e *env) again(queue string) (left []string) {
	e.Helper()
	in := e.consume(broker.Subscription{Queue: queue})
	e.put(queue, "the end")
	for {
		d := in.next()
		e.ok(d.Ack())
		if string(d.Body) == "the end" {
			e.ok(in.c.Close(e.ctx))
			return left
		}
		left = append(left, string(d.Body))
	}
}

// counted checks how often a delivery says it was handed out before.
func (e *env) counted(d *broker.Delivery, before int) {
	e.Helper()
	if !e.b.Traits().Redelivery {
		return
	}
	if d.Redelivered != (before > 0) {
		e.Errorf("%q after %d deliveries: Redelivered is %v", d.Body, before, d.Redelivered)
	}
	if d.Deliveries != before && (e.suite.Counts || d.Deliveries != 0) {
		e.Errorf("%q: Deliveries is %d, want %d", d.Body, d.Deliveries, before)
	}
}

var settling = []test{
	{"an acknowledged message is off the queue", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 10})
		e.put(q, "a", "b", "c")
		d := in.take(3)
		for _, i := range []int{2, 0, 1} { // in any order
			e.ok(d[i].Ack())
		}
		e.ok(in.c.Flush(e.ctx))
		e.ok(in.c.Close(e.ctx))
		if left := e.again(q); len(left) > 0 {
			e.Errorf("left on the queue: %q", left)
		}
	}},

	{"an acknowledgement settles that delivery alone", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 10})
		e.put(q, "a", "b", "c", "d", "e")
		d := in.take(5)
		e.ok(d[1].Ack())
		e.ok(d[4].Ack())
		e.ok(in.c.Flush(e.ctx))
		e.ok(in.c.Close(e.ctx))
		if left := fmt.Sprint(e.again(q)); left != "[a c d]" {
			e.Errorf("left on the queue: %s, want [a c d]", left)
		}
	}},

	{"a rejected message comes again, marked and counted", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		e.put(q, "x")
		for before := range 4 {
			d := in.next()
			e.counted(d, before)
			e.ok(d.Reject(true))
		}
		e.ok(in.next().Ack())
		in.empty()
	}},

	{"a rejected message comes again before those behind it", func(e *env) {
		if e.quorum() {
			e.Skip("a quorum queue may put it behind them")
		}
		q := e.queue(nil)
		e.put(q, "a", "b", "c")
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		e.ok(in.next().Reject(true))
		in.expect("a", "b", "c")
	}},

	{"a message rejected for good is dropped", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 10})
		e.put(q, "a", "b", "c")
		d := in.take(3)
		e.ok(d[0].Ack())
		e.ok(d[1].Reject(false))
		e.ok(d[2].Ack())
		e.ok(in.c.Flush(e.ctx))
		e.ok(in.c.Close(e.ctx))
		if left := e.again(q); len(left) > 0 {
			e.Errorf("left on the queue: %q", left)
		}
	}},

	{"a delivery is settled once", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 10})
		e.put(q, "acked", "rejected", "requeued", "held")
		d := in.take(4)
		e.ok(d[0].Ack())
		e.ok(d[1].Reject(false))
		e.ok(d[2].Reject(true))
		for _, d := range d[:3] {
			for what, err := range map[string]error{"Ack": d.Ack(), "Reject": d.Reject(false), "requeue": d.Reject(true)} {
				if !errors.Is(err, broker.ErrSettled) {
					e.Errorf("%s of what was %s: %v, want ErrSettled", what, d.Body, err)
				}
			}
		}
		in.expect("requeued")
		e.ok(d[3].Ack())
		e.ok(in.c.Flush(e.ctx))
		in.empty()
		e.ok(in.c.Close(e.ctx))
		if left := e.again(q); len(left) > 0 {
			e.Errorf("left on the queue: %q", left)
		}
	}},

	{"tags differ within a session", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 0})
		for i := range 50 {
			e.put(q, fmt.Sprint(i))
		}
		seen := make(map[uint64]bool)
		for _, d := range in.take(50) {
			if seen[d.Tag] {
				e.Errorf("tag %d is used twice", d.Tag)
			}
			seen[d.Tag] = true
			e.ok(d.Ack())
		}
	}},

	{"after Stop nothing is delivered and what is held can be settled", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 3})
		e.put(q, "acked", "dropped", "requeued")
		d := in.take(3)
		e.ok(in.c.Stop(e.ctx))
		e.ok(in.c.Stop(e.ctx)) // again is no error
		e.put(q, "later")
		e.ok(d[0].Ack())
		e.ok(d[1].Reject(false))
		e.ok(d[2].Reject(true))
		e.ok(in.c.Flush(e.ctx))
		in.empty()
		left := e.again(q)
		if e.quorum() { // which may put it behind
			slices.Sort(left)
			slices.Reverse(left)
		}
		if left := fmt.Sprint(left); left != "[requeued later]" {
			e.Errorf("left on the queue: %s, want [requeued later]", left)
		}
		e.ok(in.c.Close(e.ctx))
	}},

	{"what Stop leaves unsettled stays ours", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		e.put(q, "held")
		held := in.next()
		e.ok(in.c.Stop(e.ctx))
		other := e.consume(broker.Subscription{Queue: q})
		other.empty()
		e.ok(held.Ack())
		e.ok(in.c.Close(e.ctx))
		other.empty()
	}},

	{"Close gives back what is unsettled at once", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 10})
		e.put(q, "a", "b", "c", "d")
		held := in.take(4)
		other := e.consume(broker.Subscription{Queue: q, Prefetch: 10})
		other.empty()
		e.ok(held[1].Ack())
		e.ok(in.c.Close(e.ctx))
		e.ok(in.c.Close(e.ctx)) // again is no error
		for _, want := range []string{"a", "c", "d"} {
			d := other.next()
			if string(d.Body) != want {
				e.Errorf("given back %q, want %q", d.Body, want)
			}
			e.counted(d, 1)
			e.ok(d.Ack())
		}
		other.empty()
	}},

	{"what Close gave back cannot be settled any more", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 10})
		e.put(q, "acked", "held", "held too")
		d := in.take(3)
		e.ok(d[0].Ack())
		e.ok(in.c.Close(e.ctx))
		for what, err := range map[string]error{"Ack": d[1].Ack(), "Reject": d[2].Reject(false), "Ack again": d[1].Ack()} {
			if !errors.Is(err, broker.ErrStale) {
				e.Errorf("%s after Close: %v, want ErrStale", what, err)
			}
		}
		if left := fmt.Sprint(e.again(q)); left != "[held held too]" {
			e.Errorf("left on the queue: %s, want [held held too]: Close did not flush, or lost something", left)
		}
	}},

	{"Flush returns when everything is settled at the broker", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q})
		e.ok(in.c.Flush(e.ctx)) // with nothing to do
		for round := range 20 {
			e.put(q, "a", "b", "c")
			for i, d := range in.take(3) {
				if (i+round)%3 == 0 {
					e.ok(d.Reject(false))
				} else {
					e.ok(d.Ack())
				}
			}
			e.ok(in.c.Flush(e.ctx))
			if s, err := e.b.Stat(e.ctx, q); err != nil || s.Unsettled > 0 {
				e.eventually("nothing is unsettled", func() bool {
					s, err := e.b.Stat(e.ctx, q)
					return err == nil && s.Unsettled <= 0
				})
			}
		}
	}},
}
