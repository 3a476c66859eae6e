package brokertest

import (
	"errors"

	"github.com/umbel-go/umbel/broker"
)

// notice is one call of Notify.
type notice struct {
	state broker.ConsumerState
	err   error
}

func (e *env) notice(c <-chan notice) notice {
	e.Helper()
	select {
	case n := <-c:
		return n
	case <-e.ctx.Done():
		e.Fatal("Notify was not called before the deadline")
		return notice{}
	}
}

var losses = []test{
	{"a consumer whose queue is deleted is told that it failed", func(e *env) {
		q := e.queue(nil)
		notices := make(chan notice, 16) // more than any driver sends here
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 5, Notify: func(s broker.ConsumerState, err error) { notices <- notice{s, err} }})
		e.put(q, "held")
		held := in.next()
		e.ok(e.b.Delete(e.ctx, broker.Topology{Queues: []broker.Queue{{Name: q}}}))
		n := e.notice(notices)
		for n.state == broker.ConsumerLost {
			n = e.notice(notices)
		}
		if n.state != broker.ConsumerFailed || n.err == nil {
			e.Errorf("Notify was told %d with error %v, want ConsumerFailed and why", n.state, n.err)
		}
		if !errors.Is(n.err, broker.ErrNoQueue) {
			e.Errorf("the consumer failed with %v, want ErrNoQueue", n.err)
		}
		if err := held.Ack(); err != nil && !errors.Is(err, broker.ErrStale) {
			e.Errorf("Ack of what the deleted queue delivered: %v, want nil or ErrStale", err)
		}
		e.ok(in.c.Close(e.ctx))
	}},

	{"a consumer that declares its queue survives its deletion", func(e *env) {
		q := e.lasting("own", nil)
		own := broker.Topology{Queues: []broker.Queue{q}}
		e.deleteLater(own)
		notices := make(chan notice, 16)
		in := e.consume(broker.Subscription{
			Queue: q.Name, Prefetch: 5, Declare: own,
			Notify: func(s broker.ConsumerState, err error) { notices <- notice{s, err} },
		})
		e.put(q.Name, "held")
		held := in.next()
		e.ok(e.b.Delete(e.ctx, own))
		if n := e.notice(notices); n.state != broker.ConsumerLost || n.err == nil {
			e.Errorf("Notify was told %d with error %v, want ConsumerLost and why", n.state, n.err)
		}
		if n := e.notice(notices); n.state != broker.ConsumerRestored {
			e.Fatalf("Notify was told %d with error %v, want ConsumerRestored", n.state, n.err)
		}
		e.put(q.Name, "new")
		d := in.next()
		if string(d.Body) != "new" {
			e.Errorf("delivered %q, want new", d.Body)
		}
		if err := held.Ack(); !errors.Is(err, broker.ErrStale) {
			e.Errorf("Ack of a delivery from before the loss: %v, want ErrStale", err)
		}
		if held.Settler == d.Settler {
			e.Error("deliveries from before and after a loss share a Settler")
		}
		e.ok(d.Ack())
		e.ok(in.c.Flush(e.ctx))
		in.empty()
		e.ok(in.c.Close(e.ctx))
		if left := e.again(q.Name); len(left) > 0 {
			e.Errorf("left on the queue: %q", left)
		}
	}},

	{"a consumer that is closed is not told of it", func(e *env) {
		q := e.queue(nil)
		notices := make(chan notice, 16)
		in := e.consume(broker.Subscription{Queue: q, Notify: func(s broker.ConsumerState, err error) { notices <- notice{s, err} }})
		e.put(q, "x")
		in.expect("x")
		e.ok(in.c.Close(e.ctx))
		in.empty()
		select {
		case n := <-notices:
			e.Errorf("Notify was told %d, %v", n.state, n.err)
		default:
		}
	}},
}
