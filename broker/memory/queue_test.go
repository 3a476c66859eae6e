package memory

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

func TestEveryQueueOrdersByPriority(t *testing.T) {
	d := newDesk(t)
	d.queue("q", nil)
	for _, p := range []uint8{0, 255, 7} {
		m := message("q", fmt.Sprint(p))
		m.Properties.Priority, m.Properties.HasPriority = p, true
		d.ok(d.b.Publish(d.ctx, m))
	}
	_, in := d.consume(broker.Subscription{Queue: "q"})
	d.want(in, "255", "7", "0")
}

func TestDeliveryLimit(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.queue("q", protocol.Table{"x-delivery-limit": 2, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
		d.queue("dead", nil)
		d.put("q", "poison")
		_, in := d.consume(broker.Subscription{Queue: "q"})
		for before := range 3 {
			got := d.next(in)
			if got.Deliveries != before {
				t.Errorf("Deliveries is %d, want %d", got.Deliveries, before)
			}
			d.ok(got.Reject(true))
		}
		synctest.Wait()
		d.none(in)
		_, dead := d.consume(broker.Subscription{Queue: "dead"})
		got := d.next(dead)
		if deaths(got) != "q/delivery_limit×1" {
			t.Errorf("deaths: %s", deaths(got))
		}
		d.ok(got.Ack())
	})
}

func TestSingleActiveConsumer(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.queue("q", protocol.Table{"x-single-active-consumer": true})
		first, one := d.consume(broker.Subscription{Queue: "q", Prefetch: 1})
		_, two := d.consume(broker.Subscription{Queue: "q"})
		d.put("q", "a", "b", "c")
		held := d.next(one)
		synctest.Wait()
		d.none(two) // though the first has no room
		d.ok(held.Ack())
		d.want(one, "b")
		held = d.next(one)
		d.ok(first.Close(d.ctx))
		d.want(two, "c")
		if err := held.Ack(); !errors.Is(err, broker.ErrStale) {
			t.Errorf("Ack: %v, want ErrStale", err)
		}
	})
}

func TestOverflow(t *testing.T) {
	for _, tt := range []struct {
		overflow      string
		kept, dropped string
		refused       bool
	}{
		{"", "[b c]", "[a]", false},
		{"drop-head", "[b c]", "[a]", false},
		{"reject-publish", "[a b]", "[]", true},
		{"reject-publish-dlx", "[a b]", "[c]", true},
	} {
		t.Run(tt.overflow, func(t *testing.T) {
			inBubble(t, func(d *desk) {
				args := protocol.Table{"x-max-length-bytes": 2, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
				if tt.overflow != "" {
					args["x-overflow"] = tt.overflow
				}
				d.queue("q", args)
				d.queue("dead", nil)
				d.put("q", "a", "b")
				err := d.b.Publish(d.ctx, message("q", "c"))
				var refused *broker.RefusedError
				if errors.As(err, &refused) != tt.refused || tt.refused && refused.Reason != broker.Nacked {
					t.Errorf("Publish: %v", err)
				}
				for queue, want := range map[string]string{"q": tt.kept, "dead": tt.dropped} {
					_, in := d.consume(broker.Subscription{Queue: queue})
					synctest.Wait()
					got := []string{}
					for len(in) > 0 {
						got = append(got, string((<-in).Body))
					}
					if fmt.Sprint(got) != want {
						t.Errorf("queue %s holds %v, want %s", queue, got, want)
					}
				}
			})
		})
	}
}

func TestDeadLetterCyclesEnd(t *testing.T) {
	inBubble(t, func(d *desk) {
		// Two queues that bury in each other: nobody rejects, so the message is dropped when it comes round.
		d.queue("a", protocol.Table{"x-message-ttl": 10, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "b"})
		d.queue("b", protocol.Table{"x-message-ttl": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "a"})
		d.queue("self", protocol.Table{"x-message-ttl": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "self"})
		d.put("a", "x")
		d.put("b", "y")
		d.put("self", "z")
		synctest.Wait()
		_, in := d.consume(broker.Subscription{Queue: "b"})
		got := d.next(in) // x, after 10 ms, and then nobody sees it again
		if string(got.Body) != "x" || deaths(got) != "a/expired×1" {
			t.Errorf("delivered %q with deaths %s", got.Body, deaths(got))
		}
		d.ok(got.Ack())
		synctest.Wait()
		d.none(in)
		d.stat("a", 0, 0, 0)
		d.stat("self", 0, 0, 0)
	})
}

func TestRejectedMessagesMayGoRound(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.queue("work", protocol.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "park"})
		d.queue("park", protocol.Table{"x-message-ttl": 1000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "work"})
		d.put("work", "x")
		_, in := d.consume(broker.Subscription{Queue: "work"})
		for range 5 {
			d.ok(d.next(in).Reject(false))
		}
		got := d.next(in)
		if deaths(got) != "park/expired×5 work/rejected×5" {
			t.Errorf("deaths: %s", deaths(got))
		}
		if got.Headers["x-first-death-queue"] != "work" || got.Headers["x-last-death-queue"] != "park" {
			t.Errorf("first and last death: %v, %v", got.Headers["x-first-death-queue"], got.Headers["x-last-death-queue"])
		}
		d.ok(got.Ack())
	})
}

func TestAutoDeleteExchangeGoesWithItsLastBinding(t *testing.T) {
	d := newDesk(t)
	d.ok(d.b.Declare(d.ctx, broker.Topology{
		Exchanges: []broker.Exchange{{Name: "outer", Type: broker.Fanout, AutoDelete: true}, {Name: "inner", Type: broker.Fanout, AutoDelete: true}},
		Queues:    []broker.Queue{{Name: "q"}},
		Bindings:  []broker.Binding{{Source: "outer", Exchange: "inner"}, {Source: "inner", Queue: "q"}},
	}))
	m := message("", "x")
	m.Exchange = "outer"
	d.ok(d.b.Publish(d.ctx, m))
	d.ok(d.b.Delete(d.ctx, broker.Topology{Queues: []broker.Queue{{Name: "q"}}}))
	var refused *broker.RefusedError
	if err := d.b.Publish(d.ctx, m); !errors.As(err, &refused) || refused.Reason != broker.NoExchange {
		t.Errorf("Publish: %v, want no exchange", err)
	}
}

func TestAlternateExchange(t *testing.T) {
	d := newDesk(t)
	d.ok(d.b.Declare(d.ctx, broker.Topology{
		Exchanges: []broker.Exchange{{Name: "lost", Type: broker.Fanout}, {Name: "x", Type: broker.Direct, Arguments: protocol.Table{"alternate-exchange": "lost"}}},
		Queues:    []broker.Queue{{Name: "found"}},
		Bindings:  []broker.Binding{{Source: "lost", Queue: "found"}},
	}))
	m := message("nobody", "x")
	m.Exchange = "x"
	d.ok(d.b.Publish(d.ctx, m))
	d.stat("found", 1, 0, 0)
}

func TestDeclarationsThatMeanNothingAreRefused(t *testing.T) {
	d := newDesk(t)
	d.queue("fine", protocol.Table{"x-queue-type": "quorum", "x-queue-mode": "lazy", "my-own": true})
	for name, tt := range map[string]struct {
		topology broker.Topology
		say      string
	}{
		"an unknown argument":    {with(protocol.Table{"x-colour": "red"}), "x-colour"},
		"a ttl that is a word":   {with(protocol.Table{"x-message-ttl": "long"}), "whole number"},
		"a negative ttl":         {with(protocol.Table{"x-message-ttl": -1}), "whole number"},
		"a priority above 255":   {with(protocol.Table{"x-max-priority": 256}), "1 to 255"},
		"an unknown overflow":    {with(protocol.Table{"x-overflow": "explode"}), "drop-head"},
		"a key without exchange": {with(protocol.Table{"x-dead-letter-routing-key": "k"}), "x-dead-letter-exchange"},
		"a queue without a name": {broker.Topology{Queues: []broker.Queue{{}}}, "no name"},
		"an unknown type":        {broker.Topology{Exchanges: []broker.Exchange{{Name: "x", Type: "headers"}}}, "direct, topic or fanout"},
		"the broker's own name":  {broker.Topology{Exchanges: []broker.Exchange{{Name: "amq.mine", Type: broker.Topic}}}, "broker's own"},
		"the default exchange":   {broker.Topology{Bindings: []broker.Binding{{Queue: "fine", RoutingKey: "k"}}}, "default exchange"},
		"a binding to nowhere":   {broker.Topology{Bindings: []broker.Binding{{Source: "amq.topic"}}}, "destination"},
	} {
		if err := d.b.Declare(d.ctx, tt.topology); err == nil || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%s: %v, want an error that says %q", name, err, tt.say)
		}
	}
	if err := d.b.Delete(d.ctx, broker.Topology{Exchanges: []broker.Exchange{{Name: "amq.topic"}}}); err == nil {
		t.Error("the broker's own exchange was deleted")
	}
}

func with(arguments protocol.Table) broker.Topology {
	return broker.Topology{Queues: []broker.Queue{{Name: "refused", Arguments: arguments}}}
}

func TestWidthOfIntegersIsNoDrift(t *testing.T) {
	d := newDesk(t)
	d.queue("q", protocol.Table{"x-message-ttl": int32(1000)})
	d.queue("q", protocol.Table{"x-message-ttl": int64(1000)})
	var drift *broker.DriftError
	err := d.b.Declare(d.ctx, broker.Topology{Queues: []broker.Queue{{Name: "q", Durable: true}}})
	if !errors.As(err, &drift) || !strings.Contains(drift.Detail, "durable") || !strings.Contains(drift.Detail, "x-message-ttl") {
		t.Errorf("Declare: %v, want a drift that names durable and x-message-ttl", err)
	}
}

func TestNegativePrefetchIsRefused(t *testing.T) {
	d := newDesk(t)
	d.queue("q", nil)
	if _, err := d.b.Consume(d.ctx, broker.Subscription{Queue: "q", Prefetch: -1, Deliver: func(*broker.Delivery) {}}); err == nil {
		t.Error("Consume took a negative prefetch")
	}
	c, _ := d.consume(broker.Subscription{Queue: "q"})
	if err := c.SetPrefetch(d.ctx, -2); err == nil {
		t.Error("SetPrefetch took a negative prefetch")
	}
	d.ok(c.Close(d.ctx))
	if err := c.SetPrefetch(d.ctx, 1); err == nil {
		t.Error("SetPrefetch of a closed consumer succeeded")
	}
}

func TestSettlingWhatWasNeverDelivered(t *testing.T) {
	d := newDesk(t)
	d.queue("q", nil)
	_, in := d.consume(broker.Subscription{Queue: "q"})
	d.put("q", "x")
	got := d.next(in)
	for _, tag := range []uint64{0, got.Tag + 1} {
		if err := got.Settler.Ack(tag); err == nil || errors.Is(err, broker.ErrSettled) {
			t.Errorf("Ack of tag %d: %v", tag, err)
		}
	}
	d.ok(got.Ack())
}

// A consumer that finds an expired message before the timer does must not get it, and the message must die properly.
func TestLateTimerDeliversNothingExpired(t *testing.T) {
	d := newDesk(t)
	d.queue("q", protocol.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
	d.queue("dead", nil)
	_, dead := d.consume(broker.Subscription{Queue: "dead"})
	m := message("q", "late")
	m.Properties.Expiration = "1"
	d.ok(d.b.Publish(d.ctx, m))
	d.b.space.mu.Lock()
	q := d.b.space.queues["q"]
	if q.timer != nil {
		q.timer.Stop() // as late as can be
	}
	d.b.space.unlock()
	time.Sleep(2 * time.Millisecond) // only the clock can make it expire
	_, in := d.consume(broker.Subscription{Queue: "q"})
	d.want(dead, "late")
	d.none(in)
}
