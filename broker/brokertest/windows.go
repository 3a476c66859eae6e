package brokertest

import (
	"fmt"
	"sync"

	"github.com/umbel-go/umbel/broker"
)

var windows = []test{
	{"the prefetch limit is never passed", func(e *env) {
		q := e.queue(nil)
		const limit, n = 4, 200
		var mu sync.Mutex
		held, most, came := 0, 0, 0
		work := make(chan *broker.Delivery, n) // as large as all, so that Deliver never blocks
		_, err := e.b.Consume(e.ctx, broker.Subscription{Queue: q, Prefetch: limit, Deliver: func(d *broker.Delivery) {
			mu.Lock()
			held++
			most = max(most, held)
			came++
			mu.Unlock()
			work <- d
		}})
		e.ok(err)
		var workers sync.WaitGroup
		done := make(chan struct{})
		settled := make(chan error, n)
		for range 3 {
			workers.Go(func() {
				for {
					select {
					case d := <-work:
						mu.Lock()
						held-- // before Ack, so that held is never more than the broker's count
						mu.Unlock()
						settled <- d.Ack()
					case <-done:
						return
					}
				}
			})
		}
		for i := range n {
			e.put(q, fmt.Sprint(i))
		}
		for range n {
			select {
			case err := <-settled:
				e.ok(err)
			case <-e.ctx.Done():
				mu.Lock()
				e.Errorf("%d of %d messages came before the deadline", came, n)
				mu.Unlock()
				close(done)
				workers.Wait()
				return
			}
		}
		close(done)
		workers.Wait()
		if most > limit {
			e.Errorf("%d deliveries were unsettled at once, the limit is %d", most, limit)
		}
	}},

	{"the broker hands out as many as the prefetch limit and no more", func(e *env) {
		q := e.queue(nil)
		for i := range 10 {
			e.put(q, fmt.Sprint(i))
		}
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 3})
		d := in.take(3)
		in.empty()
		e.ok(d[1].Ack())
		if got := string(in.next().Body); got != "3" {
			e.Errorf("after one ack came %q, want 3", got)
		}
		in.empty()
		e.ok(d[0].Reject(false))
		if got := string(in.next().Body); got != "4" {
			e.Errorf("after one reject came %q, want 4", got)
		}
		in.empty()
	}},

	{"no prefetch limit hands out everything", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 0})
		const n = 500
		for i := range n {
			e.put(q, fmt.Sprint(i))
		}
		for _, d := range in.take(n) {
			e.ok(d.Ack())
		}
	}},

	{"the prefetch limit grows while running", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 2})
		for i := range 12 {
			e.put(q, fmt.Sprint(i))
		}
		held := in.take(2)
		in.empty()
		e.ok(in.c.SetPrefetch(e.ctx, 5))
		held = append(held, in.take(3)...)
		// On AMQP the new limit may count anew, so that seven are handed out. Never more.
		in.e.settleDown()
		if n := in.delivered(); n > 7 {
			e.Errorf("%d deliveries are handed out, with limits of 2 and then 5", n)
		}
		e.ok(in.c.SetPrefetch(e.ctx, 0))
		held = append(held, in.take(7)...)
		for i, d := range held {
			if string(d.Body) != fmt.Sprint(i) {
				e.Errorf("delivery %d is %q", i, d.Body)
			}
			e.ok(d.Ack())
		}
		e.ok(in.c.Flush(e.ctx))
		in.empty()
	}},

	{"the prefetch limit shrinks while running", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 5})
		e.put(q, "a", "b", "c", "d", "e")
		held := in.take(5)
		e.ok(in.c.SetPrefetch(e.ctx, 1))
		in.empty()
		for _, d := range held { // already handed out: they stay, and can be settled
			e.ok(d.Ack())
		}
		e.ok(in.c.Flush(e.ctx))
		e.put(q, "f", "g", "h")
		for _, want := range []string{"f", "g", "h"} {
			d := in.next()
			if string(d.Body) != want {
				e.Errorf("delivered %q, want %q", d.Body, want)
			}
			in.empty()
			e.ok(d.Ack())
		}
	}},

	{"a paused consumer is handed nothing until it goes on", func(e *env) {
		q := e.queue(nil)
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 2})
		e.put(q, "a", "b", "c", "d", "e")
		held := in.take(2)
		e.ok(in.c.SetPrefetch(e.ctx, broker.Paused))
		for _, d := range held { // makes room, which is not used
			e.ok(d.Ack())
		}
		e.ok(in.c.Flush(e.ctx))
		e.ready(q, 3)
		in.empty()
		e.ok(in.c.SetPrefetch(e.ctx, 1))
		for _, want := range []string{"c", "d"} {
			d := in.next()
			if string(d.Body) != want {
				e.Errorf("delivered %q, want %q", d.Body, want)
			}
			e.ok(in.c.SetPrefetch(e.ctx, broker.Paused))
			e.ok(d.Ack())
			e.ok(in.c.Flush(e.ctx))
			in.empty()
			e.ok(in.c.SetPrefetch(e.ctx, 1))
		}
		e.ok(in.next().Ack())
		e.ok(in.c.SetPrefetch(e.ctx, broker.Paused))
		e.ok(in.c.Close(e.ctx))
	}},

	{"what a paused consumer was not handed goes to another", func(e *env) {
		q := e.queue(nil)
		paused := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		e.ok(paused.c.SetPrefetch(e.ctx, broker.Paused))
		other := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		e.put(q, "a", "b", "c")
		other.expect("a", "b", "c")
		paused.empty()
	}},

	{"the prefetch limit changes under load and nothing is lost", func(e *env) {
		q := e.queue(nil)
		const n = 600
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		sent := make(chan error, 1)
		go func() { // ends with its loop, which the deadline of ctx bounds
			for i := range n {
				if err := e.b.Publish(e.ctx, text(q, fmt.Sprint(i))); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		seen := make(map[string]int)
		for i := range n {
			d := in.next()
			seen[string(d.Body)]++
			e.ok(d.Ack())
			if i%20 == 0 {
				e.ok(in.c.SetPrefetch(e.ctx, []int{1, 10, 3, 0}[i/20%4]))
			}
		}
		e.ok(<-sent)
		e.ok(in.c.Flush(e.ctx))
		for body, times := range seen {
			if times != 1 {
				e.Errorf("message %s came %d times", body, times)
			}
		}
		in.empty()
	}},
}
