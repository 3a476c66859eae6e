package brokertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// An env is what one test has: a broker of its own, a deadline, and names nobody else uses.
type env struct {
	*testing.T
	suite Suite
	ctx   context.Context // ends with the test's deadline
	b     broker.Broker
}

// open opens a broker that is closed when the test ends.
func (e *env) open() broker.Broker {
	e.Helper()
	b := e.suite.Open(e.T)
	e.closeLater(b)
	return b
}

// another opens a second broker on the server of e.b, or skips the test.
func (e *env) another() broker.Broker {
	e.Helper()
	if e.suite.Another == nil {
		e.Skip("Suite.Another is not set: no second broker on the same server")
	}
	b := e.suite.Another(e.T, e.b)
	e.closeLater(b)
	return b
}

func (e *env) closeLater(b broker.Broker) {
	e.Cleanup(func() {
		if err := b.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
	})
}

// name returns a fresh name that ends with the word.
func (e *env) name(word string) string { return "umbeltest." + rand.Text()[:12] + "." + word }

// ok fails the test on an error.
func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// lasting describes a shared queue that outlives its consumers, with the suite's arguments and those given.
func (e *env) lasting(word string, arguments protocol.Table) broker.Queue {
	all := maps.Clone(e.suite.Arguments)
	if all == nil {
		all = protocol.Table{}
	}
	maps.Copy(all, arguments)
	return broker.Queue{Name: e.name(word), Durable: true, Arguments: all}
}

// declare declares a topology and deletes its queues and exchanges when the test ends.
func (e *env) declare(t broker.Topology) {
	e.Helper()
	e.deleteLater(t)
	if err := e.b.Declare(e.ctx, t); err != nil {
		e.Fatalf("Declare: %v", err)
	}
}

func (e *env) deleteLater(t broker.Topology) {
	e.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		select {
		case <-e.b.Done(): // the test closed it: another one must clean up
			if !e.b.Traits().Remote {
				return
			}
			b := e.suite.Open(e.T)
			defer b.Close()
			b.Delete(ctx, t) // best effort: names are fresh anyway
		default:
			if err := e.b.Delete(ctx, t); err != nil {
				e.Errorf("Delete: %v", err)
			}
		}
	})
}

// queue declares a lasting queue and returns its name.
func (e *env) queue(arguments protocol.Table) string {
	e.Helper()
	q := e.lasting("queue", arguments)
	e.declare(broker.Topology{Queues: []broker.Queue{q}})
	return q.Name
}

// exchange declares a durable exchange and returns its name.
func (e *env) exchange(kind string) string {
	e.Helper()
	x := broker.Exchange{Name: e.name(kind), Type: kind, Durable: true}
	e.declare(broker.Topology{Exchanges: []broker.Exchange{x}})
	return x.Name
}

func (e *env) bind(b ...broker.Binding) {
	e.Helper()
	if err := e.b.Declare(e.ctx, broker.Topology{Bindings: b}); err != nil {
		e.Fatalf("Declare: %v", err)
	}
}

// text is a persistent message for a queue, by way of the default exchange.
func text(queue, body string) *broker.Message { return routed("", queue, body) }

// routed is a persistent message for an exchange.
func routed(exchange, key, body string) *broker.Message {
	return &broker.Message{
		Envelope: protocol.Envelope{
			Properties: protocol.Properties{ContentType: "text/plain", ContentEncoding: "utf-8", DeliveryMode: protocol.Persistent},
			Body:       []byte(body),
		},
		Exchange: exchange, RoutingKey: key,
	}
}

// publish publishes and fails the test on an error.
func (e *env) publish(m ...*broker.Message) {
	e.Helper()
	for _, m := range m {
		if err := e.b.Publish(e.ctx, m); err != nil {
			e.Fatalf("Publish to exchange %q, routing key %q: %v", m.Exchange, m.RoutingKey, err)
		}
	}
}

// put publishes one message per body into a queue, in order.
func (e *env) put(queue string, bodies ...string) {
	e.Helper()
	for _, body := range bodies {
		e.publish(text(queue, body))
	}
}

// refused fails the test unless the error is a *RefusedError with the reason, and neither of the other two kinds.
func (e *env) refused(err error, reason broker.Reason) {
	e.Helper()
	if kind := outcome(err); kind != refusedKind {
		e.Fatalf("error %v (%s), want a *RefusedError", err, kind)
	}
	var r *broker.RefusedError
	errors.As(err, &r)
	if r.Reason != reason {
		e.Fatalf("refused as %q, want %q: %v", r.Reason, reason, err)
	}
}

// What an error of Publish says became of the message.
const (
	confirmedKind   = "confirmed"
	notSentKind     = "not sent"
	unconfirmedKind = "unconfirmed"
	refusedKind     = "refused"
)

// outcome names the kind of a Publish error, and says so when it is none or several of the three.
func outcome(err error) string {
	if err == nil {
		return confirmedKind
	}
	var kinds []string
	if errors.Is(err, broker.ErrNotSent) {
		kinds = append(kinds, notSentKind)
	}
	if errors.Is(err, broker.ErrUnconfirmed) {
		kinds = append(kinds, unconfirmedKind)
	}
	if r := (*broker.RefusedError)(nil); errors.As(err, &r) {
		kinds = append(kinds, refusedKind)
	}
	if len(kinds) == 1 {
		return kinds[0]
	}
	return fmt.Sprintf("%d of the three kinds: %v", len(kinds), kinds)
}

// eventually looks again until the condition holds, for what has no event to wait for.
func (e *env) eventually(what string, holds func() bool) {
	e.Helper()
	for pause := time.Millisecond; !holds(); pause = min(2*pause, 50*time.Millisecond) {
		select {
		case <-time.After(pause):
		case <-e.ctx.Done():
			e.Fatalf("not before the deadline: %s", what)
		}
	}
}

// ready waits until a queue has so many ready messages.
func (e *env) ready(queue string, n int) {
	e.Helper()
	var last broker.QueueStat
	e.eventually(fmt.Sprintf("%d ready messages in the queue", n), func() bool {
		var err error
		last, err = e.b.Stat(e.ctx, queue)
		if err != nil {
			e.Fatalf("Stat: %v", err)
		}
		return last.Ready == n
	})
}

// gone waits until a queue does not exist.
func (e *env) gone(queue string) {
	e.Helper()
	e.eventually("the queue is gone", func() bool {
		_, err := e.b.Stat(e.ctx, queue)
		return errors.Is(err, broker.ErrNoQueue)
	})
}

// unroutable waits until a queue cannot be sent to. It does not ask for the queue, which would count as using it.
func (e *env) unroutable(queue string) {
	e.Helper()
	e.eventually("the queue is gone", func() bool {
		err := e.b.Publish(e.ctx, text(queue, "is it there?"))
		if err == nil {
			return false
		}
		e.refused(err, broker.Unroutable)
		return true
	})
}

// quorum tells that the suite's lasting queues are RabbitMQ's quorum queues, which differ in a few ways.
func (e *env) quorum() bool { return e.suite.Arguments["x-queue-type"] == "quorum" }

// wait waits for a channel to be closed or sent to.
func (e *env) wait(what string, c <-chan struct{}) {
	e.Helper()
	select {
	case <-c:
	case <-e.ctx.Done():
		e.Fatalf("not before the deadline: %s", what)
	}
}

// settleDown gives the broker every occasion to deliver what it should not: messages go round through another queue.
// A correct driver never fails a test by it; a wrong one has had time to show.
func (e *env) settleDown() {
	e.Helper()
	queue := e.queue(nil)
	in := e.consume(broker.Subscription{Queue: queue, Prefetch: 1})
	for range 5 {
		e.put(queue, "round")
		e.ok(in.next().Ack())
	}
	e.ok(in.c.Close(e.ctx))
}
