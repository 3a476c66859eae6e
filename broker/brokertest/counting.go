package brokertest

import (
	"errors"
	"fmt"

	"github.com/umbel-go/umbel/broker"
)

// stat waits until a queue has so many ready and unsettled messages and consumers; a driver may say -1 for unsettled.
func (e *env) stat(queue string, ready, unsettled, consumers int) {
	e.Helper()
	want := broker.QueueStat{Name: queue, Ready: ready, Unsettled: unsettled, Consumers: consumers}
	e.eventually(fmt.Sprintf("Stat is %+v", want), func() bool {
		got, err := e.b.Stat(e.ctx, queue)
		e.ok(err)
		if got.Unsettled == -1 {
			got.Unsettled = unsettled
		}
		return got == want
	})
}

var counting = []test{
	{"Stat counts messages and consumers", func(e *env) {
		q := e.queue(nil)
		e.stat(q, 0, 0, 0)
		e.put(q, "a", "b", "c", "d", "e")
		e.stat(q, 5, 0, 0)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 2})
		held := in.take(2)
		e.stat(q, 3, 2, 1)
		e.ok(held[0].Ack())
		in.take(1)
		e.ok(in.c.Flush(e.ctx))
		e.stat(q, 2, 2, 1)
		second := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		second.take(1)
		e.stat(q, 1, 3, 2)
		e.ok(in.c.Stop(e.ctx))
		if !e.quorum() { // which counts a consumer until its deliveries are settled
			e.stat(q, 1, 3, 1)
		}
		e.ok(second.c.Close(e.ctx))
		e.ok(in.c.Close(e.ctx))
		e.stat(q, 4, 0, 0)
	}},

	{"Stat of a missing queue is ErrNoQueue", func(e *env) {
		if _, err := e.b.Stat(e.ctx, e.name("missing")); !errors.Is(err, broker.ErrNoQueue) {
			e.Errorf("Stat: %v, want ErrNoQueue", err)
		}
	}},

	{"Purge removes what is ready and leaves what is handed out", func(e *env) {
		q := e.queue(nil)
		e.put(q, "held", "a", "b", "c")
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		held := in.next()
		n, err := e.b.Purge(e.ctx, q)
		e.ok(err)
		if n != 3 {
			e.Errorf("Purge removed %d messages, want 3", n)
		}
		e.stat(q, 0, 1, 1)
		if n, err := e.b.Purge(e.ctx, q); n != 0 || err != nil {
			e.Errorf("Purge of an empty queue: %d, %v", n, err)
		}
		e.ok(held.Reject(true))
		in.expect("held")
		in.empty()
	}},

	{"Purge of a missing queue is ErrNoQueue", func(e *env) {
		if _, err := e.b.Purge(e.ctx, e.name("missing")); !errors.Is(err, broker.ErrNoQueue) {
			e.Errorf("Purge: %v, want ErrNoQueue", err)
		}
	}},

	{"purged messages are no dead letters", func(e *env) {
		g := e.grave()
		q := e.queue(g.arguments)
		e.put(q, "a", "b")
		if _, err := e.b.Purge(e.ctx, q); err != nil {
			e.Fatal(err)
		}
		e.consume(broker.Subscription{Queue: g.queue}).empty()
	}},
}
