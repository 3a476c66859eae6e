package brokertest

import (
	"strings"
	"sync"

	"github.com/umbel-go/umbel/broker"
)

// An inbox gathers the deliveries of one subscription for a test to take, in order.
type inbox struct {
	e *env
	c broker.Consumer

	mu    sync.Mutex
	got   []*broker.Delivery // delivered and not yet taken
	count int                // delivered in all
	more  chan struct{}      // signalled after each delivery; one slot, as the taker looks at everything
}

// consume subscribes through e.b and fails the test when that is refused. It sets Deliver.
func (e *env) consume(s broker.Subscription) *inbox {
	e.Helper()
	return e.consumeFrom(e.b, s)
}

func (e *env) consumeFrom(b broker.Broker, s broker.Subscription) *inbox {
	e.Helper()
	in := &inbox{e: e, more: make(chan struct{}, 1)}
	s.Deliver = in.deliver
	c, err := b.Consume(e.ctx, s)
	if err != nil {
		e.Fatalf("Consume: %v", err)
	}
	in.c = c
	return in
}

func (in *inbox) deliver(d *broker.Delivery) {
	in.mu.Lock()
	in.got = append(in.got, d)
	in.count++
	in.mu.Unlock()
	select {
	case in.more <- struct{}{}:
	default:
	}
}

// next takes one delivery, waiting for it.
func (in *inbox) next() *broker.Delivery {
	in.e.Helper()
	return in.take(1)[0]
}

// take takes n deliveries, waiting for them.
func (in *inbox) take(n int) []*broker.Delivery {
	in.e.Helper()
	for {
		in.mu.Lock()
		if len(in.got) >= n {
			out := in.got[:n:n]
			in.got = in.got[n:]
			in.mu.Unlock()
			return out
		}
		have := len(in.got)
		in.mu.Unlock()
		select {
		case <-in.more:
		case <-in.e.ctx.Done():
			in.e.Fatalf("%d of %d awaited deliveries came before the deadline", have, n)
		}
	}
}

// bodies takes n deliveries, acknowledges them and returns their bodies joined by blanks.
func (in *inbox) bodies(n int) string {
	in.e.Helper()
	var out []string
	for range n { // one by one: the next may wait for room in the window
		d := in.next()
		out = append(out, string(d.Body))
		in.e.ok(d.Ack())
	}
	return strings.Join(out, " ")
}

// expect takes as many deliveries as there are bodies, acknowledges them, and fails the test when they are others.
func (in *inbox) expect(bodies ...string) {
	in.e.Helper()
	if got, want := in.bodies(len(bodies)), strings.Join(bodies, " "); got != want {
		in.e.Fatalf("delivered %q, want %q", got, want)
	}
}

// delivered is how many deliveries came in all.
func (in *inbox) delivered() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.count
}

// empty fails the test when something was delivered that was not taken.
func (in *inbox) empty() {
	in.e.Helper()
	in.e.settleDown()
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, d := range in.got {
		in.e.Errorf("delivered %q, want nothing", d.Body)
	}
}
