package brokertest

import (
	"fmt"
	"strings"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// ranked is a message with a priority.
func ranked(queue string, priority uint8, body string) *broker.Message {
	m := text(queue, body)
	m.Properties.Priority, m.Properties.HasPriority = priority, true
	return m
}

// prioritized declares a queue that orders by priority, or skips the test where it cannot.
func (e *env) prioritized(highest int) string {
	e.Helper()
	if e.b.Traits().MaxPriority < highest {
		e.Skipf("Traits.MaxPriority is %d", e.b.Traits().MaxPriority)
	}
	if e.quorum() {
		e.Skip("quorum queues take no x-max-priority")
	}
	return e.queue(protocol.Table{"x-max-priority": int32(highest)})
}

var orders = []test{
	{"a queue keeps the order of one sender", func(e *env) {
		q := e.queue(nil)
		var want []string
		for i := range 60 {
			want = append(want, fmt.Sprint(i))
		}
		for _, i := range []int{0, 20, 40} { // singly and in batches
			e.put(q, want[i:i+10]...)
			var batch []*broker.Message
			for _, body := range want[i+10 : i+20] {
				batch = append(batch, text(q, body))
			}
			if errs := e.b.PublishBatch(e.ctx, batch); errs != nil {
				e.Fatal(errs)
			}
		}
		e.consume(broker.Subscription{Queue: q, Prefetch: 7}).expect(want...)
	}},

	{"a higher priority goes first, and equals in order", func(e *env) {
		q := e.prioritized(10)
		for i, p := range []uint8{0, 5, 10, 5, 0, 9, 10, 1} {
			e.publish(ranked(q, p, fmt.Sprintf("%d-%d", p, i)))
		}
		e.put(q, "none-8") // no priority is the lowest
		e.consume(broker.Subscription{Queue: q, Prefetch: 1}).expect(strings.Fields(
			"10-2 10-6 9-5 5-1 5-3 1-7 0-0 0-4 none-8")...)
	}},

	{"a priority above the queue's highest counts as the highest", func(e *env) {
		q := e.prioritized(5)
		e.publish(ranked(q, 5, "five"), ranked(q, 200, "two hundred"), ranked(q, 4, "four"), ranked(q, 7, "seven"))
		e.consume(broker.Subscription{Queue: q, Prefetch: 1}).expect("five", "two hundred", "seven", "four")
	}},

	{"a message of higher priority overtakes those that wait", func(e *env) {
		q := e.prioritized(10)
		e.publish(ranked(q, 1, "low 1"), ranked(q, 1, "low 2"), ranked(q, 1, "low 3"))
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		d := in.next()
		e.publish(ranked(q, 10, "high"))
		e.ok(d.Ack())
		in.expect("high", "low 2", "low 3")
	}},

	{"a rejected message keeps its priority", func(e *env) {
		q := e.prioritized(10)
		e.publish(ranked(q, 5, "middle"), ranked(q, 5, "next"))
		in := e.consume(broker.Subscription{Queue: q, Prefetch: 1})
		d := in.next()
		e.publish(ranked(q, 9, "high"), ranked(q, 1, "low"))
		e.ok(d.Reject(true))
		in.expect("high", "middle", "next", "low")
	}},
}
