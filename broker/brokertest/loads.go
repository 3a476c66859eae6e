package brokertest

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/umbel-go/umbel/broker"
)

// fill publishes n messages, numbered, in batches.
func (e *env) fill(queue string, n int) {
	e.Helper()
	var batch []*broker.Message
	for i := range n {
		batch = append(batch, text(queue, fmt.Sprint(i)))
	}
	if errs := e.b.PublishBatch(e.ctx, batch); errs != nil {
		e.Fatalf("PublishBatch: %v", errs)
	}
}

var loads = []test{
	{"deliveries are settled in any order by many goroutines", func(e *env) {
		q := e.queue(nil)
		const n = 400
		e.fill(q, n)
		in := e.consume(broker.Subscription{Queue: q})
		held := in.take(n)
		shuffled := rand.New(rand.NewPCG(1, 2)) // the same order every time
		shuffled.Shuffle(n, func(i, j int) { held[i], held[j] = held[j], held[i] })
		const settlers = 8
		var all sync.WaitGroup
		for s := range settlers {
			all.Go(func() {
				for i := s; i < n; i += settlers {
					var err error
					switch i % 10 {
					case 3:
						err = held[i].Reject(true)
					case 7:
						err = held[i].Reject(false)
					default:
						err = held[i].Ack()
					}
					if err != nil {
						e.Errorf("settle: %v", err)
					}
				}
			})
		}
		all.Wait()
		again := make(map[string]bool)
		for i, d := range held {
			if i%10 == 3 {
				again[string(d.Body)] = true
			}
		}
		for range len(again) {
			d := in.next()
			if !again[string(d.Body)] {
				e.Errorf("message %s came again; it was settled, or came twice", d.Body)
			}
			delete(again, string(d.Body))
			e.ok(d.Ack())
		}
		e.ok(in.c.Flush(e.ctx))
		in.empty()
		e.ok(in.c.Close(e.ctx))
		if left := e.again(q); len(left) > 0 {
			e.Errorf("left on the queue: %q", left)
		}
	}},

	{"Stop amid deliveries ends them and loses nothing", func(e *env) {
		q := e.queue(nil)
		const n = 500
		in := e.consume(broker.Subscription{Queue: q})
		e.fill(q, n)
		first := in.take(20)
		e.ok(in.c.Stop(e.ctx))
		came := in.delivered()
		e.settleDown()
		if now := in.delivered(); now != came {
			e.Errorf("%d deliveries came after Stop had returned", now-came)
		}
		for _, d := range append(first, in.take(came-20)...) {
			e.ok(d.Ack())
		}
		e.ok(in.c.Close(e.ctx))
		if left := e.again(q); len(left) != n-came {
			e.Errorf("%d messages were delivered and %d left, of %d", came, len(left), n)
		}
	}},

	{"Close amid deliveries gives back all that is unsettled, in order", func(e *env) {
		q := e.queue(nil)
		const n = 300
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 50})
		e.fill(q, n)
		for range 75 {
			e.ok(in.next().Ack())
		}
		e.ok(in.c.Close(e.ctx))
		left := e.again(q)
		if len(left) != n-75 {
			e.Fatalf("75 of %d messages were acknowledged and %d left", n, len(left))
		}
		if e.quorum() {
			return // which may put them behind
		}
		for i, body := range left {
			if body != fmt.Sprint(75+i) {
				e.Fatalf("message %s came back in the place of %d", body, 75+i)
			}
		}
	}},

	{"a large batch arrives whole and in order", func(e *env) {
		q := e.queue(nil)
		const n = 2000
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 100})
		e.fill(q, n)
		for i := range n {
			d := in.next()
			if string(d.Body) != fmt.Sprint(i) {
				e.Fatalf("delivery %d is %s", i, d.Body)
			}
			e.ok(d.Ack())
		}
	}},
}
