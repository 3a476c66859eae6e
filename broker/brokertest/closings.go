package brokertest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/broker"
)

var closings = []test{
	{"Close closes Done and is no error", func(e *env) {
		select {
		case <-e.b.Done():
			e.Fatal("Done is closed on an open broker")
		default:
		}
		e.ok(e.b.Err())
		e.ok(e.b.Close())
		e.wait("Done", e.b.Done())
		if err := e.b.Err(); err != nil {
			e.Errorf("Err after Close: %v, want nil", err)
		}
		e.ok(e.b.Close()) // again is no error
	}},

	{"after Close nothing is sent and everything else is ErrClosed", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		e.put(q, "held")
		held := in.next()
		e.ok(e.b.Close())
		if kind := outcome(e.b.Publish(e.ctx, text(q, "x"))); kind != notSentKind {
			e.Errorf("Publish: %s, want %s", kind, notSentKind)
		}
		errs := e.b.PublishBatch(e.ctx, []*broker.Message{text(q, "x"), text(q, "y")})
		if len(errs) != 2 || outcome(errs[0]) != notSentKind || outcome(errs[1]) != notSentKind {
			e.Errorf("PublishBatch: %v, want twice ErrNotSent", errs)
		}
		_, consume := e.b.Consume(e.ctx, broker.Subscription{Queue: q, Deliver: func(*broker.Delivery) {}})
		_, stat := e.b.Stat(e.ctx, q)
		_, purge := e.b.Purge(e.ctx, q)
		for what, err := range map[string]error{
			"Consume": consume, "Stat": stat, "Purge": purge,
			"Declare": e.b.Declare(e.ctx, broker.Topology{Queues: []broker.Queue{{Name: q, Durable: true}}}),
			"Delete":  e.b.Delete(e.ctx, broker.Topology{Queues: []broker.Queue{{Name: q}}}),
		} {
			if !errors.Is(err, broker.ErrClosed) {
				e.Errorf("%s: %v, want ErrClosed", what, err)
			}
		}
		if err := held.Ack(); !errors.Is(err, broker.ErrStale) {
			e.Errorf("Ack of a delivery of a closed broker: %v, want ErrStale", err)
		}
		e.ok(in.c.Close(e.ctx)) // it went with the broker
	}},

	{"Close during sends tells each sender what became of its message", func(e *env) {
		q := e.queue(nil)
		const senders = 16
		var all sync.WaitGroup
		started := make(chan struct{}, senders)
		kinds := make([]map[string]int, senders)
		for s := range senders {
			kinds[s] = make(map[string]int)
			all.Go(func() { // ends at the first error, which Close brings
				for i := 0; ; i++ {
					kind := outcome(e.b.Publish(e.ctx, text(q, fmt.Sprintf("%d-%d", s, i))))
					kinds[s][kind]++
					if i == 0 {
						started <- struct{}{}
					}
					if kind != confirmedKind {
						return
					}
				}
			})
		}
		for range senders {
			e.wait("every sender has begun", started)
		}
		e.ok(e.b.Close())
		all.Wait()
		for s, k := range kinds {
			if len(k) != 2 || k[confirmedKind] == 0 || k[notSentKind]+k[unconfirmedKind] != 1 {
				e.Errorf("sender %d: %v, want confirmed ones and at last one not sent or unconfirmed", s, k)
			}
		}
	}},

	{"open, work and close leave no goroutine behind", func(e *env) {
		if e.suite.Bubble {
			e.Skip("the bubble itself waits for every goroutine to end")
		}
		before := goleak.IgnoreCurrent()
		for range 5 {
			b := e.suite.Open(e.T)
			q := broker.Queue{Name: e.name("own"), Exclusive: true, AutoDelete: true}
			got := make(chan struct{}, 10) // as many as are sent
			c, err := b.Consume(e.ctx, broker.Subscription{
				Queue: q.Name, Prefetch: 2, Declare: broker.Topology{Queues: []broker.Queue{q}},
				Deliver: func(d *broker.Delivery) { got <- struct{}{} },
			})
			e.ok(err)
			for range 10 {
				e.ok(b.Publish(e.ctx, text(q.Name, "x")))
			}
			e.wait("first delivery", got)
			e.wait("second delivery", got)
			e.ok(c.SetPrefetch(e.ctx, 4))
			e.ok(b.Close()) // with deliveries in hand and more on the queue
		}
		if err := goleak.Find(before); err != nil {
			e.Error(err)
		}
	}},

	{"consumers come and go and leave nothing unsettled", func(e *env) {
		q := e.queue(nil)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 10 {
					c, err := e.b.Consume(e.ctx, broker.Subscription{Queue: q, Prefetch: 3, Deliver: func(d *broker.Delivery) { d.Ack() }})
					if err != nil {
						e.Errorf("Consume: %v", err)
						return
					}
					if err := e.b.Publish(e.ctx, text(q, "x")); err != nil {
						e.Errorf("Publish: %v", err)
					}
					if err := c.Close(e.ctx); err != nil {
						e.Errorf("Close: %v", err)
					}
				}
			})
		}
		all.Wait()
		e.eventually("no consumer is left and nothing is unsettled", func() bool {
			s, err := e.b.Stat(e.ctx, q)
			e.ok(err)
			return s.Consumers == 0 && s.Unsettled <= 0
		})
	}},

	{"Close of consumer and broker at once does not hang", func(e *env) {
		for range 10 {
			b := e.suite.Open(e.T)
			q := broker.Queue{Name: e.name("own"), Exclusive: true}
			c, err := b.Consume(e.ctx, broker.Subscription{
				Queue: q.Name, Declare: broker.Topology{Queues: []broker.Queue{q}}, Deliver: func(d *broker.Delivery) { d.Ack() },
			})
			e.ok(err)
			e.ok(b.Publish(e.ctx, text(q.Name, "x")))
			var all sync.WaitGroup
			all.Go(func() {
				if err := c.Close(e.ctx); err != nil && !errors.Is(err, broker.ErrClosed) && !errors.Is(err, context.Canceled) {
					e.Errorf("Consumer.Close: %v", err)
				}
			})
			all.Go(func() {
				if err := b.Close(); err != nil {
					e.Errorf("Close: %v", err)
				}
			})
			all.Wait()
		}
	}},
}
