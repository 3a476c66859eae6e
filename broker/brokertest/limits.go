package brokertest

import (
	"errors"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// limited declares a queue with a limit. A driver that has no such limit must say so when the queue is declared: an
// argument is honoured or refused, never passed over.
func (e *env) limited(arguments protocol.Table) string {
	e.Helper()
	q := e.lasting("limited", arguments)
	t := broker.Topology{Queues: []broker.Queue{q}}
	if err := e.b.Declare(e.ctx, t); err != nil {
		if drift := (*broker.DriftError)(nil); errors.As(err, &drift) {
			e.Fatalf("a fresh queue is called drifted: %v", err)
		}
		e.Skipf("the driver refuses these arguments: %v", err)
	}
	e.deleteLater(t)
	return q.Name
}

var limits = []test{
	{"a full queue refuses when told to", func(e *env) {
		q := e.limited(protocol.Table{"x-max-length": int32(2), "x-overflow": "reject-publish"})
		var refused error
		for range 50 { // quorum queues let a few more in
			if refused = e.b.Publish(e.ctx, text(q, "x")); refused != nil {
				break
			}
		}
		e.refused(refused, broker.Nacked)
		before, err := e.b.Purge(e.ctx, q)
		e.ok(err)
		if before < 2 {
			e.Errorf("the queue held %d messages, its limit is 2", before)
		}
		e.put(q, "room again")
		e.consume(broker.Subscription{Queue: q}).expect("room again")
	}},

	{"a full queue drops its oldest message, to the dead-letter exchange", func(e *env) {
		g := e.grave()
		g.arguments["x-max-length"] = int32(2)
		q := e.limited(g.arguments)
		dead := e.consume(broker.Subscription{Queue: g.queue})
		e.put(q, "a", "b", "c")
		d := dead.next()
		if string(d.Body) != "a" {
			e.Errorf("dropped %q, want a", d.Body)
		}
		e.died(d, q, "maxlen", "", q, 1)
		e.ok(d.Ack())
		e.consume(broker.Subscription{Queue: q}).expect("b", "c")
	}},

	{"a queue deletes itself when nobody uses it", func(e *env) {
		q := e.limited(protocol.Table{"x-expires": int32(50)})
		e.unroutable(q)
	}},

	{"a queue in use does not delete itself", func(e *env) {
		q := e.limited(protocol.Table{"x-expires": int32(1000)})
		in := e.consume(broker.Subscription{Queue: q})
		short := e.limited(protocol.Table{"x-expires": int32(1100)})
		e.unroutable(short) // which was declared later, to live longer
		e.put(q, "x")
		in.expect("x")
	}},
}
