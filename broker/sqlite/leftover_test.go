package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/sqlitefile"
	"github.com/umbel-go/umbel/protocol"
)

// rows counts what is in the file's tables, those that are empty left out.
func rows(t *testing.T, b *Broker) string {
	t.Helper()
	var list []string
	err := b.file.Read(t.Context(), func(tx *sqlitefile.Tx) error {
		list = nil
		for _, name := range []string{"message", "ready", "delayed", "claim", "doomed", "consumer", "owner", "queue", "binding", "exchange"} {
			var n int
			if _, err := tx.Get("SELECT count(*) FROM broker_"+name, nil, &n); err != nil {
				return err
			}
			if n > 0 {
				list = append(list, fmt.Sprint(name, " ", n))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, ", ")
}

// empties waits until the file's tables hold what is said: the keeper clears up without telling anybody.
func empties(t *testing.T, b *Broker, want string) {
	t.Helper()
	var got string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if got = rows(t, b); got == want {
			return
		}
		b.nudge()
		time.Sleep(time.Millisecond) // bounded polling: tables have no event
	}
	t.Errorf("the file holds %s; want %s", got, want)
}

func consume(t *testing.T, b *Broker, s broker.Subscription) (broker.Consumer, chan *broker.Delivery) {
	t.Helper()
	got := make(chan *broker.Delivery, 10_000)
	s.Deliver = func(d *broker.Delivery) { got <- d }
	c, err := b.Consume(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return c, got
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsLeftInTheFile(t *testing.T) {
	b := fresh(t)
	ctx := t.Context()
	queue := func(name string, arguments protocol.Table) broker.Queue {
		return broker.Queue{Name: name, Durable: true, Arguments: arguments}
	}
	everything := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "fan", Type: broker.Fanout, AutoDelete: true}, {Name: "dead", Type: broker.Fanout}},
		Queues: []broker.Queue{queue("a", nil), queue("b", protocol.Table{"x-dead-letter-exchange": "dead"}), queue("grave", nil),
			queue("short", protocol.Table{"x-message-ttl": int32(5)})},
		Bindings: []broker.Binding{{Source: "fan", Queue: "a"}, {Source: "fan", Queue: "b"}, {Source: "dead", Queue: "grave"}},
	}
	must(t, b.Declare(ctx, everything))
	if got := rows(t, b); got != "queue 4, binding 3, exchange 2" {
		t.Fatal(got)
	}
	var batch []*broker.Message
	for i := range 700 {
		m := text("", fmt.Sprint(i))
		m.Exchange = "fan"
		if i%7 == 0 {
			m.NotBefore = time.Now().Add(time.Duration(i%20) * time.Millisecond)
		}
		batch = append(batch, m, text("short", "x"))
	}
	for _, err := range b.PublishBatch(ctx, batch) {
		must(t, err)
	}
	ca, a := consume(t, b, broker.Subscription{Queue: "a", Prefetch: 50})
	cb, bb := consume(t, b, broker.Subscription{Queue: "b"})
	for range 700 {
		must(t, (<-a).Ack(), (<-bb).Reject(false))
	}
	must(t, ca.Close(ctx), cb.Close(ctx))
	empties(t, b, "message 700, ready 700, owner 1, queue 4, binding 3, exchange 2") // the graves
	if n, err := b.Purge(ctx, "grave"); n != 700 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}

	// Queues deleted with messages ready, delayed and in hand; one exclusive.
	for i := range 1200 {
		m := text("a", "x")
		if i%3 == 0 {
			m.NotBefore = time.Now().Add(20 * time.Millisecond)
		}
		batch[i] = m
	}
	for _, err := range b.PublishBatch(ctx, batch[:1200]) {
		must(t, err)
	}
	c, got := consume(t, b, broker.Subscription{Queue: "a", Prefetch: 100})
	for range 30 {
		must(t, (<-got).Ack())
	}
	(<-got).Reject(true)
	other, mine := consume(t, b, broker.Subscription{Queue: "own", Prefetch: 1,
		Declare: broker.Topology{Queues: []broker.Queue{{Name: "own", Exclusive: true, AutoDelete: true}},
			Bindings: []broker.Binding{{Source: "fan", Queue: "own"}}}})
	m := text("", "x")
	m.Exchange = "fan"
	must(t, b.Publish(ctx, m), b.Publish(ctx, m))
	<-mine
	must(t, other.Stop(ctx)) // the queue goes with its last consumer, one delivery still in hand
	must(t, b.Delete(ctx, everything))
	must(t, c.Close(ctx), other.Close(ctx))
	empties(t, b, "owner 1")
}

func TestNothingIsLeftOfAClosedBroker(t *testing.T) {
	path := filepath.Join(quick(t), "umbel.db")
	witness := openURL(t, "sqlite://"+path)
	defer witness.Close()
	for _, b := range []*Broker{apart(t, path), openURL(t, "sqlite://"+path)} {
		_, got := consume(t, b, broker.Subscription{Queue: "own", Prefetch: 3,
			Declare: broker.Topology{Queues: []broker.Queue{{Name: "own", Exclusive: true}}}})
		for range 10 {
			must(t, b.Publish(t.Context(), text("own", "x")))
		}
		<-got
		must(t, b.Close())
		empties(t, witness, "")
	}
}

func TestDelayedMessagesThatAreLateComeInTheOrderOfTheirTime(t *testing.T) {
	b := fresh(t)
	declareCelery(t, b)
	now := time.Now()
	for i, ms := range []int{60, 20, 40} {
		m := text("celery", fmt.Sprint(ms))
		m.NotBefore = now.Add(time.Duration(ms) * time.Millisecond)
		must(t, b.Publish(t.Context(), m), b.Publish(t.Context(), text("celery", fmt.Sprint("now ", i))))
	}
	held, leave, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { done <- holdLock(b, held, leave) }() // all become due while nothing can be written
	<-held
	<-time.After(time.Until(now.Add(70 * time.Millisecond)))
	close(leave)
	must(t, <-done)
	_, got := consume(t, b, broker.Subscription{Queue: "celery", Prefetch: 1})
	var order []string
	for range 6 {
		d := <-got
		order = append(order, string(d.Body))
		if len(order) == 4 {
			must(t, d.Reject(true)) // keeps its place
			d = <-got
			order[3] = string(d.Body)
		}
		must(t, d.Ack())
	}
	if s := strings.Join(order, ", "); s != "now 0, now 1, now 2, 20, 40, 60" {
		t.Errorf("delivered %s", s)
	}
}

func TestDeliveryLimitBuriesWhatComesBackTooOften(t *testing.T) {
	b := fresh(t)
	must(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
		{Name: "grave", Durable: true},
		{Name: "celery", Durable: true, Arguments: protocol.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(2),
			"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "grave"}},
	}}))
	must(t, b.Publish(t.Context(), text("celery", "poison")))
	_, got := consume(t, b, broker.Subscription{Queue: "celery", Prefetch: 1})
	_, grave := consume(t, b, broker.Subscription{Queue: "grave", Prefetch: 1})
	for range 3 {
		must(t, (<-got).Reject(true))
	}
	d := <-grave
	if string(d.Body) != "poison" || d.Headers["x-last-death-reason"] != "delivery_limit" {
		t.Errorf("body %q, headers %v", d.Body, d.Headers)
	}
	must(t, d.Ack())
}

func TestOwnersWhoseLockFileWasDeletedAreNotTakenForDead(t *testing.T) {
	b := fresh(t)
	declareCelery(t, b)
	_, got := consume(t, b, broker.Subscription{Queue: "celery", Prefetch: 1})
	must(t, b.Publish(t.Context(), text("celery", "held")))
	held := <-got
	must(t, os.Remove(b.file.Path()+"-lock"))
	other := apart(t, b.file.Path())
	_, stolen := consume(t, other, broker.Subscription{Queue: "celery", Prefetch: 5})
	must(t, other.sweep(t.Context()), held.Ack(), b.Publish(t.Context(), text("celery", "next")))
	// Without the bell of one lock file, both find messages only when they look: each has its own.
	select {
	case d := <-stolen:
		if string(d.Body) != "next" {
			t.Errorf("%s was taken from the living", d.Body)
		}
	case <-got:
	}
	must(t, other.Close())
}

func TestIdleBrokerWritesNothing(t *testing.T) {
	b := fresh(t)
	declareCelery(t, b)
	_, got := consume(t, b, broker.Subscription{Queue: "celery", Prefetch: 4})
	must(t, b.Publish(t.Context(), text("celery", "x")))
	must(t, (<-got).Ack())
	seq := func() (n uint64) {
		must(t, b.file.Write(t.Context(), func(tx *sqlitefile.Tx) error {
			n = tx.Seq()
			return nil
		}))
		return n
	}
	for tries := 0; ; tries++ { // the last round of the start may be under way still
		before := seq()
		<-time.After(100 * time.Millisecond)
		if writes := seq() - before - 1; writes == 0 {
			return
		} else if tries == 20 {
			t.Fatalf("an idle broker made %d transactions in 0.1 s", writes)
		}
	}
}
