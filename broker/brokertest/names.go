package brokertest

import (
	"context"
	"errors"
	"strings"

	"github.com/umbel-go/umbel/broker"
)

var names = []test{
	{"names and keys are taken as they are", func(e *env) {
		for _, odd := range []string{"with blanks and ümläuts", `'; DROP TABLE "queue"; --`, "%s/..\\?*#", "UPPER and upper", strings.Repeat("n", 200)} {
			q, x := e.lasting(odd, nil), broker.Exchange{Name: e.name(odd), Type: broker.Direct, Durable: true}
			e.declare(broker.Topology{
				Exchanges: []broker.Exchange{x}, Queues: []broker.Queue{q},
				Bindings: []broker.Binding{{Source: x.Name, Queue: q.Name, RoutingKey: odd}},
			})
			e.publish(text(q.Name, "by name"), routed(x.Name, odd, "by key"))
			in := e.consume(broker.Subscription{Queue: q.Name, Tag: odd})
			d := in.next()
			if string(d.Body) != "by name" || d.Queue != q.Name {
				e.Errorf("delivered %q from queue %q, want \"by name\" from %q", d.Body, d.Queue, q.Name)
			}
			e.ok(d.Ack())
			d = in.next()
			if string(d.Body) != "by key" || d.Exchange != x.Name || d.RoutingKey != odd {
				e.Errorf("delivered %q from exchange %q with key %q, want \"by key\" from %q with %q", d.Body, d.Exchange, d.RoutingKey, x.Name, odd)
			}
			e.ok(d.Ack())
			e.ok(in.c.Close(e.ctx))
		}
	}},

	{"names and keys differ by case", func(e *env) {
		q := e.queue(nil)
		e.refused(e.b.Publish(e.ctx, text(strings.ToUpper(q), "x")), broker.Unroutable)
		x := e.exchange(broker.Direct)
		e.bind(broker.Binding{Source: x, Queue: q, RoutingKey: "key"})
		e.refused(e.b.Publish(e.ctx, routed(x, "KEY", "x")), broker.Unroutable)
	}},

	{"a call whose context is over is an error and leaves nothing behind", func(e *env) {
		q, fresh := e.queue(nil), e.lasting("fresh", nil)
		e.put(q, "x")
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		_, consume := e.b.Consume(ctx, broker.Subscription{Queue: q, Deliver: func(*broker.Delivery) { e.Error("delivered") }})
		_, stat := e.b.Stat(ctx, q)
		_, purge := e.b.Purge(ctx, q)
		for what, err := range map[string]error{
			"Consume": consume, "Stat": stat, "Purge": purge,
			"Declare": e.b.Declare(ctx, broker.Topology{Queues: []broker.Queue{fresh}}),
			"Delete":  e.b.Delete(ctx, broker.Topology{Queues: []broker.Queue{{Name: q}}}),
		} {
			if !errors.Is(err, context.Canceled) {
				e.Errorf("%s: %v, want context.Canceled", what, err)
			}
		}
		e.stat(q, 1, 0, 0)
		if _, err := e.b.Stat(e.ctx, fresh.Name); !errors.Is(err, broker.ErrNoQueue) {
			e.Errorf("Declare was called with a context that was over, and declared: Stat says %v, want ErrNoQueue", err)
			e.deleteLater(broker.Topology{Queues: []broker.Queue{fresh}})
		}
	}},

	{"Traits are within what the contract knows", func(e *env) {
		tr := e.b.Traits()
		if tr.MaxPriority < 0 || tr.MaxPriority > 255 {
			e.Errorf("MaxPriority is %d, want 0 to 255", tr.MaxPriority)
		}
		if e.suite.Bubble && !tr.VirtualTime {
			e.Error("Suite.Bubble is set and Traits.VirtualTime is false")
		}
		if tr.VirtualTime && tr.Remote {
			e.Error("a remote broker cannot obey virtual time")
		}
	}},
}
