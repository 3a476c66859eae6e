package sqlite

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/sqlitefile"
	"github.com/umbel-go/umbel/protocol"
)

// task is a message as a Celery client sends it, with a body of 1 KB.
func task(queue string) *broker.Message {
	return &broker.Message{RoutingKey: queue, Envelope: protocol.Envelope{
		Properties: protocol.Properties{ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: protocol.Persistent,
			HasPriority: true, CorrelationID: "5f3c7c1e-0d3b-4f3f-9d2a-0e6a1f1f2a3b", ReplyTo: "f1a2b3c4-5f3c-4f3f-9d2a-0e6a1f1f2a3b"},
		Headers: protocol.Table{"lang": "go", "task": "shop.orders.process", "id": "5f3c7c1e-0d3b-4f3f-9d2a-0e6a1f1f2a3b",
			"shadow": nil, "eta": nil, "expires": nil, "group": nil, "group_index": nil, "retries": int32(0), "timelimit": []any{nil, nil},
			"root_id": "5f3c7c1e-0d3b-4f3f-9d2a-0e6a1f1f2a3b", "parent_id": nil, "argsrepr": "(1, 2)", "kwargsrepr": "{}",
			"origin": "gen1@host", "ignore_result": false, "replaced_task_nesting": int32(0), "stamped_headers": nil, "stamps": protocol.Table{}},
		Body: make([]byte, 1024),
	}}
}

func benchQueue(b *testing.B, br *Broker) string {
	b.Helper()
	if err := br.Declare(b.Context(), broker.Topology{Queues: []broker.Queue{{Name: "celery", Durable: true}}}); err != nil {
		b.Fatal(err)
	}
	return "celery"
}

func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprint("senders=", n), func(b *testing.B) {
			br := fresh(b)
			q := benchQueue(b, br)
			b.ReportAllocs()
			b.ResetTimer()
			each(b, n, func() {
				if err := br.Publish(context.Background(), task(q)); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// each runs f b.N times from n goroutines.
func each(b *testing.B, n int, f func()) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				f()
			}
		})
	}
	all.Wait()
}

// BenchmarkEndToEnd is a task's whole way, everything durable: published by 64 senders, delivered, its result stored in
// the same file, acknowledged.
func BenchmarkEndToEnd(b *testing.B) {
	for _, workers := range []int{8, 64} {
		b.Run(fmt.Sprint("workers=", workers), func(b *testing.B) {
			br := fresh(b)
			q := benchQueue(b, br)
			err := br.file.Migrate(b.Context(), "bench", []string{"CREATE TABLE result (id TEXT PRIMARY KEY, document BLOB, done INTEGER) WITHOUT ROWID"})
			if err != nil {
				b.Fatal(err)
			}
			document := make([]byte, 200)
			var serial atomic.Int64
			var all sync.WaitGroup
			tasks := make(chan *broker.Delivery)
			for range workers {
				all.Go(func() {
					for d := range tasks {
						id := fmt.Sprintf("5f3c7c1e-0d3b-%d", serial.Add(1)*7919%1000003)
						err := br.file.Write(context.Background(), func(tx *sqlitefile.Tx) error {
							_, err := tx.Exec("INSERT OR REPLACE INTO result (id, document, done) VALUES (?, ?, ?)", id, document, 1)
							return err
						})
						if err != nil {
							b.Error(err)
						}
						if err := d.Ack(); err != nil {
							b.Error(err)
						}
					}
				})
			}
			var came atomic.Int64
			done := make(chan struct{})
			c, err := br.Consume(b.Context(), broker.Subscription{Queue: q, Prefetch: 4 * workers, Deliver: func(d *broker.Delivery) {
				tasks <- d
				if came.Add(1) == int64(b.N) {
					close(done)
				}
			}})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			each(b, 64, func() {
				if err := br.Publish(context.Background(), task(q)); err != nil {
					b.Error(err)
				}
			})
			<-done
			close(tasks)
			all.Wait()
			if err := c.Flush(context.Background()); err != nil {
				b.Error(err)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}
