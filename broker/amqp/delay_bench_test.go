package amqp

import (
	"runtime"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
)

// BenchmarkDelay sends tasks into the future, a thousand at a time, and reports how this process's memory grows with
// them. -benchtime=1000x makes a million of them.
func BenchmarkDelay(b *testing.B) {
	for _, kind := range []string{quorumQueue, classicQueue} {
		b.Run(kind, func(b *testing.B) {
			x := open(b, testenv.RabbitMQ(b).URL(), func(c *broker.Config) { c.DelayQueueType = kind })
			declareQueue(b, x, "work", nil)
			m := task("work")
			m.NotBefore = time.Now().Add(24 * time.Hour)
			publish(b, x, m) // makes the layout
			batch := make([]*broker.Message, 1000)
			for i := range batch {
				batch[i] = m
			}
			before, n, began := heap(), 0, time.Now()
			b.ReportAllocs()
			for b.Loop() {
				if errs := x.PublishBatch(b.Context(), batch); errs != nil {
					b.Fatal(errs)
				}
				n += len(batch)
			}
			b.ReportMetric(float64(n)/time.Since(began).Seconds(), "msg/s")
			b.ReportMetric(float64(heap()-before)/1024, "KB-grown")
		})
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
