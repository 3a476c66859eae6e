package memory

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// taskMessage is as large as a Celery task: twenty headers and a small body.
func taskMessage(queue string) *broker.Message {
	h := protocol.Table{"lang": "py", "task": "orders.charge", "id": rand.Text(), "root_id": rand.Text(), "parent_id": nil,
		"group": nil, "group_index": nil, "shadow": nil, "eta": nil, "expires": nil, "retries": int32(0),
		"timelimit": []any{nil, nil}, "argsrepr": "(7,)", "kwargsrepr": "{}", "origin": "gen1@host", "ignore_result": false,
		"replaced_task_nesting": int32(0), "stamped_headers": nil, "stamps": protocol.Table{}, "meth": nil}
	return &broker.Message{RoutingKey: queue, Envelope: protocol.Envelope{
		Headers: h, Body: []byte(`[[7], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`),
		Properties: protocol.Properties{ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: protocol.Persistent, CorrelationID: "id"},
	}}
}

func benchBroker(b *testing.B) (broker.Broker, string) {
	b.Helper()
	br, err := Open(context.Background(), broker.Config{URLs: []string{"memory://"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { br.Close() })
	if err := br.Declare(b.Context(), broker.Topology{Queues: []broker.Queue{{Name: "q"}}}); err != nil {
		b.Fatal(err)
	}
	return br, "q"
}

// BenchmarkRoundTrip is publish → deliver → ack, one message at a time.
func BenchmarkRoundTrip(b *testing.B) {
	for _, headers := range []bool{false, true} {
		b.Run(fmt.Sprintf("headers=%v", headers), func(b *testing.B) {
			br, q := benchBroker(b)
			acked := make(chan error, 1)
			if _, err := br.Consume(b.Context(), broker.Subscription{Queue: q, Prefetch: 10, Deliver: func(d *broker.Delivery) { acked <- d.Ack() }}); err != nil {
				b.Fatal(err)
			}
			m := taskMessage(q)
			if !headers {
				m.Headers = nil
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := br.Publish(b.Context(), m); err != nil {
					b.Fatal(err)
				}
				if err := <-acked; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStream has publishers and a consumer at work at the same time.
func BenchmarkStream(b *testing.B) {
	br, q := benchBroker(b)
	const window = 1000 // messages on the way at most, so that the queue stays small
	room := make(chan struct{}, window)
	if _, err := br.Consume(b.Context(), broker.Subscription{Queue: q, Prefetch: 100, Deliver: func(d *broker.Delivery) {
		d.Ack()
		<-room
	}}); err != nil {
		b.Fatal(err)
	}
	m := taskMessage(q)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			room <- struct{}{}
			if err := br.Publish(context.Background(), m); err != nil {
				b.Error(err)
				return
			}
		}
	})
	for range window { // until all have been acknowledged
		room <- struct{}{}
	}
}

// BenchmarkBacklog takes from a queue that holds many messages of ten priorities.
func BenchmarkBacklog(b *testing.B) {
	br, q := benchBroker(b)
	const held = 100_000
	batch := make([]*broker.Message, held)
	for i := range batch {
		m := *taskMessage(q)
		m.Headers = nil
		m.Properties.Priority, m.Properties.HasPriority = uint8(i%10), true
		m.Properties.Expiration = "3600000"
		batch[i] = &m
	}
	if errs := br.PublishBatch(b.Context(), batch); errs != nil {
		b.Fatal(errs)
	}
	acked := make(chan error)
	done := make(chan struct{})
	c, err := br.Consume(b.Context(), broker.Subscription{Queue: q, Prefetch: 1, Deliver: func(d *broker.Delivery) {
		select {
		case acked <- d.Ack():
		case <-done:
		}
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := <-acked; err != nil {
			b.Fatal(err)
		}
		if err := br.Publish(b.Context(), batch[i%held]); err != nil {
			b.Fatal(err)
		}
		i++
	}
	close(done)
	if err := c.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}
