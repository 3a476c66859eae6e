package amqp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
)

// On a link that takes and gives nothing every call ends with its context, and Close by itself.
func TestNothingHangsOnAFrozenLink(t *testing.T) {
	t.Parallel()
	_, link, url := linked(t)
	b, err := tryOpen(url)
	if err != nil {
		t.Fatal(err)
	}
	declareQueue(t, b, "q", nil)
	publish(t, b, message("q", "warm"))
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 10})
	held := in.next()
	link.Freeze()
	large := message("q", strings.Repeat("x", largeBody-1)) // a few fill the socket, then the transport
	calls := map[string]func(context.Context) error{
		"Stat": func(ctx context.Context) error { _, err := b.Stat(ctx, "q"); return err },
		"Declare": func(ctx context.Context) error {
			return b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "r"}}})
		},
		"Consume": func(ctx context.Context) error {
			_, err := b.Consume(ctx, broker.Subscription{Queue: "q", Deliver: func(*broker.Delivery) {}})
			return err
		},
		"SetPrefetch": func(ctx context.Context) error { return in.SetPrefetch(ctx, 20) },
	}
	for i := range 20 {
		calls[fmt.Sprint("Publish ", i)] = func(ctx context.Context) error { return b.Publish(ctx, large) }
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	for name, call := range calls {
		all.Go(func() {
			if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want its deadline", name, err)
			}
		})
	}
	all.Wait()
	if err := held.Ack(); err != nil {
		t.Errorf("ack: %v; it does not wait for the broker", err)
	}
	if pending := b.publishing.sessions.get().t; len(pending.pending) > 3*highWater {
		t.Errorf("%d bytes are pending, the bound is %d and a message", len(pending.pending), highWater)
	}
	done := make(chan error, 1)
	go func() { done <- b.Close() }()
	select {
	case err := <-done:
		t.Log("close:", err)
	case <-time.After(patience):
		t.Fatal("Close hangs")
	}
	if err := held.Ack(); !errors.Is(err, broker.ErrStale) {
		t.Errorf("ack after Close: %v, want ErrStale", err)
	}
}

func TestCloseDoesNotWaitForADeliverThatNeverReturns(t *testing.T) {
	t.Parallel()
	b, err := tryOpen(testenv.RabbitMQ(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	declareQueue(t, b, "q", nil)
	entered, leave := make(chan struct{}), make(chan struct{})
	_, err = b.Consume(t.Context(), broker.Subscription{Queue: "q", Prefetch: 10, Deliver: func(*broker.Delivery) {
		close(entered)
		<-leave
	}})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, message("q", "x"))
	<-entered
	if err := b.Close(); err == nil || !strings.Contains(err.Error(), "Deliver has not returned") {
		t.Errorf("Close: %v, want it to say that Deliver has not returned", err)
	}
	close(leave)
}

// A Deliver that is slow must hold back the broker, not fill our memory, also where nothing is acknowledged.
func TestADeliveryWithoutAcknowledgementIsBoundedToo(t *testing.T) {
	t.Parallel()
	b := open(t, testenv.RabbitMQ(t).URL())
	declareQueue(t, b, "q", nil)
	const n = 4 * autoPrefetch
	batch := make([]*broker.Message, n)
	for i := range batch {
		batch[i] = message("q", fmt.Sprint(i))
	}
	if errs := b.PublishBatch(t.Context(), batch); errs != nil {
		t.Fatal(errs[0])
	}
	entered, leave := make(chan string, n), make(chan struct{})
	c, err := b.Consume(t.Context(), broker.Subscription{Queue: "q", NoAck: true, Deliver: func(d *broker.Delivery) {
		entered <- string(d.Body)
		<-leave
	}})
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	testenv.Await(t, "the window is handed out", func() bool {
		s, err := b.Stat(t.Context(), "q")
		return err == nil && s.Ready <= n-autoPrefetch
	}, nil)
	// One more was acked when it was handed over; the broker may have replaced it.
	if s, err := b.Stat(t.Context(), "q"); err != nil || s.Ready < n-autoPrefetch-1 {
		t.Errorf("%d messages wait at the broker (%v), want %d: the rest is in our memory", s.Ready, err, n-autoPrefetch-1)
	}
	close(leave)
	for i := 1; i < n; i++ {
		if got := <-entered; got != fmt.Sprint(i) {
			t.Fatalf("delivery %d is %q", i, got)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if s, err := b.Stat(t.Context(), "q"); err != nil || s.Ready != 0 {
		t.Errorf("%d messages left (%v)", s.Ready, err)
	}
}

func TestThePrefetchOfAnExclusiveConsumerChanges(t *testing.T) {
	t.Parallel()
	b := open(t, testenv.RabbitMQ(t).URL())
	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 1, Exclusive: true})
	publish(t, b, message("q", "0"), message("q", "1"), message("q", "2"))
	held := []*broker.Delivery{in.next()}
	if err := in.SetPrefetch(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	held = append(held, in.next(), in.next())
	for i, d := range held {
		if string(d.Body) != fmt.Sprint(i) {
			t.Errorf("delivery %d is %q", i, d.Body)
		}
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
	}
	q := broker.Queue{Name: "brief", AutoDelete: true}
	brief := consume(t, b, broker.Subscription{Queue: "brief", Prefetch: 1, Exclusive: true, Declare: broker.Topology{Queues: []broker.Queue{q}}})
	if err := brief.SetPrefetch(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "would be deleted") {
		t.Errorf("%v, want an error: the queue would be deleted", err)
	}
}

// Windows change, the link is cut, consumers come and go, all at once: nothing may be lost, stuck or leaked.
func TestNothingIsLostWhileEverythingChanges(t *testing.T) {
	t.Parallel()
	_, link, url := linked(t)
	b := open(t, url)
	hurry(b)
	declareQueue(t, b, "q", nil)
	const n = 2000
	var mu sync.Mutex
	seen := make(map[string]bool)
	all := make(chan struct{})
	take := func(d *broker.Delivery) {
		mu.Lock()
		if !seen[string(d.Body)] {
			seen[string(d.Body)] = true
			if len(seen) == n {
				close(all)
			}
		}
		mu.Unlock()
		if err := d.Ack(); err != nil && !errors.Is(err, broker.ErrStale) {
			t.Errorf("ack: %v", err)
		}
	}
	c, err := b.Consume(t.Context(), broker.Subscription{Queue: "q", Prefetch: 3, Deliver: take})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var actors sync.WaitGroup
	actors.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := c.SetPrefetch(ctx, 1+i%30); err != nil && ctx.Err() == nil {
				t.Errorf("SetPrefetch: %v", err)
			}
		}
	})
	actors.Go(func() {
		for ctx.Err() == nil {
			other, err := b.Consume(ctx, broker.Subscription{Queue: "q", Prefetch: 5, Deliver: take})
			if err != nil {
				continue
			}
			if err := other.Close(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("Close: %v", err)
			}
		}
	})
	actors.Go(func() {
		for i := range n {
			for {
				if err := b.Publish(t.Context(), message("q", fmt.Sprint(i))); err == nil {
					break
				} else if !errors.Is(err, broker.ErrUnconfirmed) {
					t.Errorf("publish: %v", err)
					return
				}
			}
			if i%200 == 100 {
				link.Cut()
			}
		}
	})
	select {
	case <-all:
	case <-time.After(patience):
		mu.Lock()
		t.Errorf("%d of %d messages came", len(seen), n)
		mu.Unlock()
	}
	stop()
	actors.Wait()
}
