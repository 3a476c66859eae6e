package brokertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

var publishing = []test{
	{"a confirmed message arrives", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 10})
		e.put(q, "hello")
		d := in.next()
		if string(d.Body) != "hello" {
			e.Errorf("body %q, want hello", d.Body)
		}
		if d.Queue != q || d.Exchange != "" || d.RoutingKey != q {
			e.Errorf("delivered from queue %q, exchange %q, routing key %q; want %q, \"\", %q", d.Queue, d.Exchange, d.RoutingKey, q, q)
		}
		if d.Redelivered || d.Deliveries != 0 {
			e.Errorf("a first delivery says redelivered %v, deliveries %d", d.Redelivered, d.Deliveries)
		}
		e.ok(d.Ack())
	}},

	{"a message waits for a consumer that comes later", func(e *env) {
		q := e.queue(nil)
		e.put(q, "early")
		e.consume(broker.Subscription{Queue: q}).expect("early")
	}},

	{"an unroutable message is refused", func(e *env) {
		e.refused(e.b.Publish(e.ctx, text(e.name("missing"), "x")), broker.Unroutable)
		direct, topic := e.exchange(broker.Direct), e.exchange(broker.Topic)
		e.refused(e.b.Publish(e.ctx, routed(direct, "key", "x")), broker.Unroutable)
		q := e.queue(nil)
		e.bind(broker.Binding{Source: direct, Queue: q, RoutingKey: "key"}, broker.Binding{Source: topic, Queue: q, RoutingKey: "a.*"})
		e.refused(e.b.Publish(e.ctx, routed(direct, "other", "x")), broker.Unroutable)
		e.refused(e.b.Publish(e.ctx, routed(topic, "a.b.c", "x")), broker.Unroutable)
		e.publish(routed(direct, "key", "direct"), routed(topic, "a.b", "topic"))
		in := e.consume(broker.Subscription{Queue: q})
		in.expect("direct", "topic")
		in.empty()
	}},

	{"a refusal names the address and what to mend", func(e *env) {
		missing := e.name("missing")
		err := e.b.Publish(e.ctx, text(missing, "x"))
		e.refused(err, broker.Unroutable)
		if !strings.Contains(err.Error(), missing) {
			e.Errorf("error %q does not name the routing key %q", err, missing)
		}
	}},

	{"a missing exchange is refused and harms nobody else", func(e *env) {
		q := e.queue(nil)
		missing := e.name("missing")
		for range 3 {
			e.refused(e.b.Publish(e.ctx, routed(missing, q, "x")), broker.NoExchange)
			e.put(q, "good")
		}
		e.consume(broker.Subscription{Queue: q}).expect("good", "good", "good")
	}},

	{"an exchange that was refused as missing is found once declared", func(e *env) {
		x := broker.Exchange{Name: e.name("late"), Type: broker.Direct, Durable: true}
		e.refused(e.b.Publish(e.ctx, routed(x.Name, "k", "x")), broker.NoExchange)
		q := e.queue(nil)
		e.declare(broker.Topology{Exchanges: []broker.Exchange{x}, Bindings: []broker.Binding{{Source: x.Name, Queue: q, RoutingKey: "k"}}})
		e.publish(routed(x.Name, "k", "now"))
		e.consume(broker.Subscription{Queue: q}).expect("now")
	}},

	{"an exchange that is deleted is refused as missing", func(e *env) {
		x, q := e.exchange(broker.Direct), e.queue(nil)
		e.bind(broker.Binding{Source: x, Queue: q, RoutingKey: "k"})
		e.publish(routed(x, "k", "one"))
		e.ok(e.b.Delete(e.ctx, broker.Topology{Exchanges: []broker.Exchange{{Name: x}}}))
		e.refused(e.b.Publish(e.ctx, routed(x, "k", "two")), broker.NoExchange)
		e.put(q, "three")
		e.consume(broker.Subscription{Queue: q}).expect("one", "three")
	}},

	{"a batch is confirmed as a whole", func(e *env) {
		q := e.queue(nil)
		var batch []*broker.Message
		var want []string
		for i := range 100 {
			want = append(want, fmt.Sprint(i))
			batch = append(batch, text(q, want[i]))
		}
		if errs := e.b.PublishBatch(e.ctx, batch); errs != nil {
			e.Fatalf("PublishBatch = %v, want nil", errs)
		}
		if errs := e.b.PublishBatch(e.ctx, nil); errs != nil {
			e.Fatalf("PublishBatch of nothing = %v, want nil", errs)
		}
		e.consume(broker.Subscription{Queue: q}).expect(want...)
	}},

	{"a batch tells each message's own outcome in order", func(e *env) {
		q, missing := e.queue(nil), e.name("missing")
		errs := e.b.PublishBatch(e.ctx, []*broker.Message{
			text(q, "0"), text(missing, "1"), text(q, "2"), routed(missing, q, "3"), text(q, "4"), text(missing, "5"),
		})
		if len(errs) != 6 {
			e.Fatalf("PublishBatch returned %d errors, want 6", len(errs))
		}
		for _, i := range []int{0, 2, 4} {
			if errs[i] != nil {
				e.Errorf("message %d: %v", i, errs[i])
			}
		}
		e.refused(errs[1], broker.Unroutable)
		e.refused(errs[3], broker.NoExchange)
		e.refused(errs[5], broker.Unroutable)
		in := e.consume(broker.Subscription{Queue: q})
		in.expect("0", "2", "4")
		in.empty()
	}},

	{"a message may be used again after Publish", func(e *env) {
		q := e.queue(nil)
		m := text(q, "first")
		m.Headers = protocol.Table{"n": int32(1), "nested": protocol.Table{"n": int32(1)}}
		e.publish(m)
		copy(m.Body, "again")
		m.Headers["n"] = int32(2)
		m.Headers["nested"].(protocol.Table)["n"] = int32(2)
		e.publish(m)
		in := e.consume(broker.Subscription{Queue: q})
		for i, want := range []string{"first", "again"} {
			d := in.next()
			n, nested := d.Headers["n"], d.Headers["nested"].(protocol.Table)["n"]
			if string(d.Body) != want || n != int32(i+1) || nested != int32(i+1) {
				e.Errorf("delivery %d: body %q, headers %v, %v; it changed after Publish had returned", i, d.Body, n, nested)
			}
			e.ok(d.Ack())
		}
	}},

	{"a publish whose context is over was not sent", func(e *env) {
		q := e.queue(nil)
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		if kind := outcome(e.b.Publish(ctx, text(q, "x"))); kind != notSentKind {
			e.Errorf("Publish: %s, want %s", kind, notSentKind)
		}
		for i, err := range e.b.PublishBatch(ctx, []*broker.Message{text(q, "x"), text(q, "y")}) {
			if kind := outcome(err); kind != notSentKind {
				e.Errorf("PublishBatch, message %d: %s, want %s", i, kind, notSentKind)
			}
		}
		e.put(q, "after")
		in := e.consume(broker.Subscription{Queue: q})
		in.expect("after")
		in.empty()
	}},

	{"a publish cancelled midway tells what became of it", func(e *env) {
		q := e.queue(nil)
		const n = 200
		kinds := make([]string, n)
		var all sync.WaitGroup
		for i := range n {
			ctx, cancel := context.WithTimeout(e.ctx, time.Duration(i)*20*time.Microsecond)
			all.Go(func() {
				defer cancel()
				kinds[i] = outcome(e.b.Publish(ctx, text(q, fmt.Sprint(i))))
			})
		}
		all.Wait()
		e.put(q, "end")
		came := make(map[string]int)
		in := e.consume(broker.Subscription{Queue: q})
		for {
			d := in.next()
			e.ok(d.Ack())
			if string(d.Body) == "end" {
				break
			}
			came[string(d.Body)]++
		}
		for i, kind := range kinds {
			switch c := came[fmt.Sprint(i)]; kind {
			case confirmedKind:
				if c != 1 {
					e.Errorf("message %d was confirmed and came %d times", i, c)
				}
			case notSentKind:
				if c != 0 {
					e.Errorf("message %d was not sent and came %d times", i, c)
				}
			case unconfirmedKind:
				if c > 1 {
					e.Errorf("message %d was unconfirmed and came %d times", i, c)
				}
			default:
				e.Errorf("message %d: %s", i, kind)
			}
		}
	}},
}
