package brokertest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/umbel-go/umbel/broker"
)

var crowds = []test{
	{"many senders and consumers lose and double nothing", func(e *env) {
		const senders, each = 64, 25
		crowd(e, senders, each, []broker.Broker{e.b})
	}},

	{"many senders and consumers of several processes lose and double nothing", func(e *env) {
		const senders, each = 32, 25
		crowd(e, senders, each, []broker.Broker{e.b, e.another()})
	}},

	{"what is rejected under load comes again until it is acknowledged", func(e *env) {
		q := e.queue(nil)
		const n = 200
		var mu sync.Mutex
		times := make(map[string]int)
		var acked atomic.Int32
		done := make(chan struct{})
		for _, prefetch := range []int{1, 5, 20} {
			_, err := e.b.Consume(e.ctx, broker.Subscription{Queue: q, Prefetch: prefetch, Deliver: func(d *broker.Delivery) {
				mu.Lock()
				times[string(d.Body)]++
				again := times[string(d.Body)] < 3
				mu.Unlock()
				if again {
					d.Reject(true)
				} else if d.Ack() == nil && acked.Add(1) == n {
					close(done)
				}
			}})
			e.ok(err)
		}
		for i := range n {
			e.put(q, fmt.Sprint(i))
		}
		e.wait("every message was acknowledged", done)
		mu.Lock()
		defer mu.Unlock()
		for body, times := range times {
			if times != 3 {
				e.Errorf("message %s came %d times, want 3", body, times)
			}
		}
	}},
}

// crowd sends from many goroutines to two queues through a fanout exchange, while consumers with different windows
// take from them through all brokers. Every message must come to each queue once.
func crowd(e *env, senders, each int, brokers []broker.Broker) {
	e.Helper()
	x := e.exchange(broker.Fanout)
	n := senders * each
	type count struct {
		sync.Mutex
		seen map[string]int
		left int
		done chan struct{}
	}
	var counts []*count
	for range 2 {
		q := e.queue(nil)
		e.bind(broker.Binding{Source: x, Queue: q})
		c := &count{seen: make(map[string]int), left: n, done: make(chan struct{})}
		counts = append(counts, c)
		for _, b := range brokers {
			for _, prefetch := range []int{1, 10, 0} {
				_, err := b.Consume(e.ctx, broker.Subscription{Queue: q, Prefetch: prefetch, Deliver: func(d *broker.Delivery) {
					err := d.Ack()
					c.Lock()
					defer c.Unlock()
					if err != nil {
						e.Errorf("Ack: %v", err)
					}
					c.seen[string(d.Body)]++
					if c.left--; c.left == 0 {
						close(c.done)
					}
				}})
				e.ok(err)
			}
		}
	}
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			b := brokers[s%len(brokers)]
			for i := range each {
				body := fmt.Sprintf("%d-%d", s, i)
				if i%5 > 0 {
					if err := b.Publish(e.ctx, routed(x, "", body)); err != nil {
						e.Errorf("Publish: %v", err)
					}
				} else if errs := b.PublishBatch(e.ctx, []*broker.Message{routed(x, "", body)}); errs != nil {
					e.Errorf("PublishBatch: %v", errs)
				}
			}
		})
	}
	all.Wait()
	for i, c := range counts {
		select {
		case <-c.done:
		case <-e.ctx.Done():
			c.Lock()
			e.Errorf("queue %d: %d of %d messages were missing at the deadline", i, c.left, n)
			c.Unlock()
		}
	}
	e.settleDown()
	for i, c := range counts {
		c.Lock()
		for body, times := range c.seen {
			if times != 1 {
				e.Errorf("queue %d: message %s came %d times", i, body, times)
			}
		}
		c.Unlock()
	}
}
