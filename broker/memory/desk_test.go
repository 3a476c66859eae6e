package memory

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// A desk is a broker in a space of its own, with short words for what these tests do over and over.
type desk struct {
	*testing.T
	b   *Broker
	ctx context.Context
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 1000*time.Hour) // virtual hours, where it matters
	t.Cleanup(cancel)
	return &desk{T: t, b: open(t, "memory://"), ctx: ctx}
}

func (d *desk) ok(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *desk) queue(name string, arguments protocol.Table) {
	d.Helper()
	d.ok(d.b.Declare(d.ctx, broker.Topology{Queues: []broker.Queue{{Name: name, Arguments: arguments}}}))
}

func (d *desk) put(queue string, bodies ...string) {
	d.Helper()
	for _, body := range bodies {
		d.ok(d.b.Publish(d.ctx, message(queue, body)))
	}
}

func message(queue, body string) *broker.Message {
	return &broker.Message{RoutingKey: queue, Envelope: protocol.Envelope{Body: []byte(body)}}
}

// consume delivers into a channel that has room for all that a test sends.
func (d *desk) consume(s broker.Subscription) (broker.Consumer, <-chan *broker.Delivery) {
	d.Helper()
	in := make(chan *broker.Delivery, 1000)
	s.Deliver = func(d *broker.Delivery) { in <- d }
	c, err := d.b.Consume(d.ctx, s)
	d.ok(err)
	return c, in
}

// want takes and acknowledges deliveries with these bodies, in this order.
func (d *desk) want(in <-chan *broker.Delivery, bodies ...string) {
	d.Helper()
	for _, body := range bodies {
		got := d.next(in)
		if string(got.Body) != body {
			d.Fatalf("delivered %q, want %q", got.Body, body)
		}
		d.ok(got.Ack())
	}
}

func (d *desk) next(in <-chan *broker.Delivery) *broker.Delivery {
	d.Helper()
	select {
	case got := <-in:
		return got
	case <-d.ctx.Done():
		d.Fatal("nothing was delivered")
		return nil
	}
}

// none checks what is already there; the bubble has come to rest before.
func (d *desk) none(in <-chan *broker.Delivery) {
	d.Helper()
	select {
	case got := <-in:
		d.Errorf("delivered %q, want nothing", got.Body)
	default:
	}
}

func (d *desk) stat(queue string, ready, unsettled, consumers int) {
	d.Helper()
	got, err := d.b.Stat(d.ctx, queue)
	d.ok(err)
	if want := (broker.QueueStat{Name: queue, Ready: ready, Unsettled: unsettled, Consumers: consumers}); got != want {
		d.Errorf("Stat: %+v, want %+v", got, want)
	}
}

// deaths reads x-death as "queue/reason×count", newest first.
func deaths(d *broker.Delivery) string {
	var out []string
	all, _ := d.Headers["x-death"].([]any)
	for _, e := range all {
		t := e.(protocol.Table)
		out = append(out, fmt.Sprintf("%v/%v×%v", t["queue"], t["reason"], t["count"]))
	}
	return strings.Join(out, " ")
}
