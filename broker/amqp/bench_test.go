package amqp

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// Each benchmark has a bare twin: the same work by the client library alone, as its documentation shows it. Compare
// "cpu-µs/op" (user and system time of this process; the broker is another) and, for senders, ns/op.

// cpu is the processor time this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportCPU(b *testing.B, before time.Duration, n int) {
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/1e3/float64(n), "cpu-µs/op")
}

// taskHeaders are those of a Celery task.
func taskHeaders() protocol.Table {
	return protocol.Table{
		"lang": "py", "task": "apps.orders.tasks.process_order", "id": "6e9ad0c4-9ab3-4d7e-8f01-3c4c9dbd9f46", "shadow": nil,
		"eta": nil, "expires": nil, "group": nil, "group_index": nil, "retries": int32(0), "timelimit": []any{nil, nil},
		"root_id": "6e9ad0c4-9ab3-4d7e-8f01-3c4c9dbd9f46", "parent_id": nil, "argsrepr": "()", "kwargsrepr": "{'order_id': 7}",
		"origin": "gen4242@host", "ignore_result": false, "stamped_headers": nil, "stamps": protocol.Table{},
	}
}

func bareHeaders() amqp091.Table {
	t := amqp091.Table(taskHeaders())
	t["stamps"] = amqp091.Table{}
	return t
}

const taskBody = `[[], {"order_id": 7, "total": 99.5, "currency": "EUR"}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`

func task(queue string) *broker.Message {
	m := message(queue, taskBody)
	m.Headers = taskHeaders()
	m.Properties.ContentType, m.Properties.ContentEncoding = "application/json", "utf-8"
	m.Properties.CorrelationID = "6e9ad0c4-9ab3-4d7e-8f01-3c4c9dbd9f46"
	m.Properties.ReplyTo = "0c4c9dbd-9ab3-4d7e-8f01-6e9ad0c49f46"
	return m
}

func barePublishing() amqp091.Publishing {
	return amqp091.Publishing{
		Headers: bareHeaders(), ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp091.Persistent,
		CorrelationId: "6e9ad0c4-9ab3-4d7e-8f01-3c4c9dbd9f46", ReplyTo: "0c4c9dbd-9ab3-4d7e-8f01-6e9ad0c49f46", Body: []byte(taskBody),
	}
}

// sinkhole is a queue that drops what comes, so that a benchmark measures the way there and not a growing queue.
func sinkhole(b *testing.B, url string) (queue string) {
	x := open(b, url)
	declareQueue(b, x, "sink", protocol.Table{"x-max-length": int32(1)})
	return "sink"
}

const senders = 64

// benchRound is how many messages one turn of a benchmark handles: its ns/op and allocs/op are for that many.
const benchRound = 6400

func BenchmarkPublish64(b *testing.B) {
	r := testenv.RabbitMQ(b)
	queue := sinkhole(b, r.URL())
	b.Run("umbel", func(b *testing.B) {
		x := open(b, r.URL())
		m := task(queue)
		publish(b, x, m)
		rounds(b, func() {
			var wg sync.WaitGroup
			var left atomic.Int64
			left.Store(benchRound)
			for range senders {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if err := x.Publish(b.Context(), m); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	})
	b.Run("batch", func(b *testing.B) {
		x := open(b, r.URL())
		batch := make([]*broker.Message, benchRound)
		for i := range batch {
			batch[i] = task(queue)
		}
		publish(b, x, batch[0])
		rounds(b, func() {
			if errs := x.PublishBatch(b.Context(), batch); errs != nil {
				b.Fatal(errs[0])
			}
		})
	})
	b.Run("bare pipelined", func(b *testing.B) {
		ch := bareChannel(b, r.URL())
		if err := ch.Confirm(false); err != nil {
			b.Fatal(err)
		}
		p := barePublishing()
		rounds(b, func() {
			var flying [senders]*amqp091.DeferredConfirmation
			for i := range benchRound {
				slot := &flying[i%senders]
				if *slot != nil && !(*slot).Wait() {
					b.Fatal("nacked")
				}
				var err error
				if *slot, err = ch.PublishWithDeferredConfirm("", queue, true, false, p); err != nil {
					b.Fatal(err)
				}
			}
			for _, dc := range flying {
				dc.Wait()
			}
		})
	})
	b.Run("bare 64 goroutines", func(b *testing.B) {
		ch := bareChannel(b, r.URL())
		if err := ch.Confirm(false); err != nil {
			b.Fatal(err)
		}
		p := barePublishing()
		rounds(b, func() {
			var wg sync.WaitGroup
			var left atomic.Int64
			left.Store(benchRound)
			for range senders {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						dc, err := ch.PublishWithDeferredConfirm("", queue, true, false, p)
						if err != nil || !dc.Wait() {
							b.Error("not confirmed")
							return
						}
					}
				})
			}
			wg.Wait()
		})
	})
}

// rounds runs f, which does benchRound operations, and reports per operation.
func rounds(b *testing.B, f func()) {
	b.Helper()
	b.ReportAllocs()
	f() // warm
	before, began, n := cpu(), time.Now(), 0
	for b.Loop() {
		f()
		n += benchRound
	}
	b.ReportMetric(float64(n)/time.Since(began).Seconds(), "msg/s")
	reportCPU(b, before, n)
}

func bareChannel(b *testing.B, url string) *amqp091.Channel {
	b.Helper()
	c, err := amqp091.Dial(url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	ch, err := c.Channel()
	if err != nil {
		b.Fatal(err)
	}
	return ch
}

func BenchmarkConsume(b *testing.B) {
	r := testenv.RabbitMQ(b)
	x := open(b, r.URL())
	declareQueue(b, x, "work", nil)
	fill := func(b *testing.B) {
		b.Helper()
		batch := make([]*broker.Message, benchRound)
		for i := range batch {
			batch[i] = task("work")
		}
		if errs := x.PublishBatch(b.Context(), batch); errs != nil {
			b.Fatal(errs)
		}
	}
	for _, prefetch := range []int{100, 250} {
		b.Run("umbel prefetch="+strconv.Itoa(prefetch), func(b *testing.B) {
			got, sum := make(chan struct{}), 0
			consumed := func() {
				n := 0
				c, err := x.Consume(b.Context(), broker.Subscription{Queue: "work", Prefetch: prefetch, Deliver: func(d *broker.Delivery) {
					if err := d.Ack(); err != nil {
						b.Error(err)
					}
					sum += len(d.Headers)
					if n++; n == benchRound {
						close(got)
					}
				}})
				if err != nil {
					b.Fatal(err)
				}
				<-got
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				if err := c.Close(ctx); err != nil {
					b.Fatal(err)
				}
			}
			drained(b, fill, func() { got = make(chan struct{}); consumed() })
			_ = sum
		})
		b.Run("bare prefetch="+strconv.Itoa(prefetch), func(b *testing.B) {
			ch := bareChannel(b, r.URL())
			if err := ch.Qos(prefetch, 0, false); err != nil {
				b.Fatal(err)
			}
			tag := 0
			drained(b, fill, func() {
				tag++
				in, err := ch.Consume("work", fmt.Sprint("bare", tag), false, false, false, false, nil)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for d := range in {
					if err := d.Ack(false); err != nil {
						b.Fatal(err)
					}
					if n++; n == benchRound {
						break
					}
				}
				if err := ch.Cancel(fmt.Sprint("bare", tag), false); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// drained measures f, which takes benchRound messages, and not fill, which puts them there.
func drained(b *testing.B, fill func(*testing.B), f func()) {
	b.Helper()
	b.ReportAllocs()
	var used, lasted time.Duration
	n := 0
	for b.Loop() {
		b.StopTimer()
		fill(b)
		b.StartTimer()
		before, began := cpu(), time.Now()
		f()
		used += cpu() - before
		lasted += time.Since(began)
		n += benchRound
	}
	b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(n), "cpu-µs/op")
	b.ReportMetric(float64(n)/lasted.Seconds(), "msg/s")
}
