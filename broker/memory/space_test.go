package memory

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

func TestSpaces(t *testing.T) {
	ctx := context.Background()
	own := broker.Topology{Queues: []broker.Queue{{Name: "q"}}}
	stat := func(b *Broker) error { _, err := b.Stat(ctx, "q"); return err }

	one, same, other := open(t, "memory://TestSpaces"), open(t, "memory://TestSpaces/"), open(t, "memory://TestSpaces-other")
	private, alone := open(t, "memory://"), open(t, "memory://")
	for _, b := range []*Broker{one, private} {
		if err := b.Declare(ctx, own); err != nil {
			t.Fatal(err)
		}
	}
	if err := stat(same); err != nil {
		t.Errorf("a broker of the same name does not see the queue: %v", err)
	}
	for _, b := range []*Broker{other, alone} {
		if err := stat(b); !errors.Is(err, broker.ErrNoQueue) {
			t.Errorf("a broker of another space: %v, want ErrNoQueue", err)
		}
	}
	one.Close()
	if err := stat(same); err != nil {
		t.Errorf("the space went with one of its brokers: %v", err)
	}
	same.Close()
	if err := stat(open(t, "memory://TestSpaces")); !errors.Is(err, broker.ErrNoQueue) {
		t.Errorf("the space outlived its brokers: %v", err)
	}
	spaces.Lock()
	defer spaces.Unlock()
	if spaces.m[""] != nil {
		t.Error("a space without a name is shared")
	}
}

func TestOpenRefusesWhatMeansNothing(t *testing.T) {
	for name, c := range map[string]broker.Config{
		"no URL":    {},
		"user":      {URLs: []string{"memory://user:secret@name"}},
		"path":      {URLs: []string{"memory://name/path"}},
		"query":     {URLs: []string{"memory://name?x=1"}},
		"an option": {URLs: []string{"memory://name"}, Options: map[string]any{"visibility_timeout": 1}},
	} {
		b, err := Open(context.Background(), c)
		if err == nil {
			b.Close()
			t.Errorf("%s: Open succeeded", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
	for url, want := range map[string]string{"memory://": "", "memory:///": "", "memory://localhost//": "localhost", "memory://shop": "shop"} {
		if got, err := spaceName(url); got != want || err != nil {
			t.Errorf("%s names space %q (%v), want %q", url, got, err, want)
		}
	}
}

func TestSpacesComeAndGoFromManyGoroutines(t *testing.T) {
	ctx := context.Background()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 200 {
				b, err := Open(ctx, broker.Config{URLs: []string{"memory://TestSpacesComeAndGo"}})
				if err != nil {
					t.Error(err)
					return
				}
				q := broker.Queue{Name: "q", AutoDelete: true}
				c, err := b.Consume(ctx, broker.Subscription{Queue: "q", Prefetch: 2, Declare: broker.Topology{Queues: []broker.Queue{q}}, Deliver: func(d *broker.Delivery) { d.Ack() }})
				if err != nil {
					t.Error(err)
				} else {
					b.Publish(ctx, message("q", "x")) // the queue may be gone: unroutable
					c.Close(ctx)
				}
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	spaces.Lock()
	defer spaces.Unlock()
	if spaces.m["TestSpacesComeAndGo"] != nil {
		t.Error("the space was left behind")
	}
}

func TestStopTellsOfADeliverThatDoesNotReturn(t *testing.T) {
	d := newDesk(t)
	d.queue("q", nil)
	entered, leave := make(chan struct{}), make(chan struct{})
	c, err := d.b.Consume(d.ctx, broker.Subscription{Queue: "q", Tag: "slow", Deliver: func(*broker.Delivery) { close(entered); <-leave }})
	d.ok(err)
	d.put("q", "x")
	<-entered
	ctx, cancel := context.WithTimeout(d.ctx, time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "slow") {
		t.Errorf("Close: %v, want the deadline and the consumer's name", err)
	}
	d.stat("q", 1, 0, 0) // given back at once all the same
	close(leave)
	d.ok(c.Close(d.ctx))
}

func TestCloseIsBoundedWhenDeliverHangs(t *testing.T) {
	inBubble(t, func(d *desk) {
		b, err := Open(d.ctx, broker.Config{URLs: []string{"memory://"}})
		d.ok(err)
		leave := make(chan struct{})
		_, err = b.Consume(d.ctx, broker.Subscription{Queue: "q", Tag: "stuck", Deliver: func(*broker.Delivery) { <-leave },
			Declare: broker.Topology{Queues: []broker.Queue{{Name: "q"}}}})
		d.ok(err)
		d.ok(b.Publish(d.ctx, message("q", "x")))
		synctest.Wait() // Deliver is running
		if err := b.Close(); err == nil || !strings.Contains(err.Error(), "stuck") {
			t.Errorf("Close: %v, want an error that names the consumer", err)
		}
		close(leave)
	})
}

func TestHeadersTakeTheFormOfTheWire(t *testing.T) {
	d := newDesk(t)
	d.queue("q", nil)
	_, in := d.consume(broker.Subscription{Queue: "q"})
	m := message("q", "x")
	now := time.Now()
	m.Headers = protocol.Table{"int": 7, "large": 1 << 40, "uint8": uint8(255), "uint32": uint32(1 << 31), "float32": float32(0.5), "time": now}
	m.Properties.Timestamp = now
	d.ok(d.b.Publish(d.ctx, m))
	got := d.next(in)
	wire := protocol.Table{"int": int32(7), "large": int64(1 << 40), "uint8": int32(255), "uint32": int64(1 << 31), "float32": 0.5, "time": time.Unix(now.Unix(), 0).UTC()}
	for name, want := range wire {
		if got.Headers[name] != want {
			t.Errorf("header %s is %v (%T), want %v (%T)", name, got.Headers[name], got.Headers[name], want, want)
		}
	}
	if !got.Properties.Timestamp.Equal(now.Truncate(time.Second)) {
		t.Errorf("timestamp %v, want whole seconds", got.Properties.Timestamp)
	}
	d.ok(got.Ack())
}

func TestWhatNoWireCouldCarryIsNotSent(t *testing.T) {
	d := newDesk(t)
	d.queue("q", nil)
	circle := protocol.Table{}
	circle["self"] = circle
	for name, spoil := range map[string]func(*broker.Message){
		"a struct":          func(m *broker.Message) { m.Headers = protocol.Table{"k": struct{}{}} },
		"a nested struct":   func(m *broker.Message) { m.Headers = protocol.Table{"k": []any{protocol.Table{"v": struct{}{}}}} },
		"a circle":          func(m *broker.Message) { m.Headers = circle },
		"a word as expiry":  func(m *broker.Message) { m.Properties.Expiration = "soon" },
		"a negative expiry": func(m *broker.Message) { m.Properties.Expiration = "-1" },
	} {
		m := message("q", "x")
		spoil(m)
		if err := d.b.Publish(d.ctx, m); !errors.Is(err, broker.ErrNotSent) {
			t.Errorf("%s: %v, want ErrNotSent", name, err)
		}
	}
	d.stat("q", 0, 0, 0)
}
