package worker

// Parking: how a worker keeps a message that it runs, under a delivery of its own making.
//
//	work queue ──► worker ──publish──► parking queue ──► the same worker, unacked      then the first delivery is acked
//	     ▲                                   │
//	     └──── dead-lettered at once ◄───────┘ when the worker dies: the copy's time to live is over
//
// The copy may say what the first message could not: how often its task has been started (poison.go). A copy that is held
// unacked outlives its time to live; one that nobody holds goes back to the work queue. A crash between publish and ack
// leaves two messages, so that a task may start once more than it should; it is never lost.
//
// The queue is declared at first need: a worker whose messages come once has none.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

const (
	// parkedLife is how long a copy may wait in the parking queue for its taker, who waits for it: a bound on how long it
	// is away when the worker dies in between.
	parkedLife = 5 * time.Second

	// parkingExpires removes the queue of a worker that is gone. Every copy has left it long before.
	parkingExpires = 10 * time.Minute

	// parkWait bounds the parking of one message.
	parkWait = 30 * time.Second
)

// Our own headers. They are taken off when a message is sent anew.
const (
	headerStarts = "umbel-starts"   // how often the task was started, where that is known
	headerParked = "umbel-parked"   // whose copy this is: the mark its taker waits for
	headerReject = "umbel-rejected" // to be rejected by whoever takes it from its queue
)

// A parking is this worker's parking queue for one work queue.
type parking struct {
	worker   *Worker
	work     umbel.QueuePlan
	consumer *consumer

	mu      sync.Mutex // guards awaited
	awaited map[string]chan<- parked
}

// parked is a copy that has come back from the parking queue, and under which connection.
type parked struct {
	delivery *broker.Delivery
	epoch    uint32
}

// A parkedSettler settles a copy. It is known by its type: only its ack is the broker's affair alone.
type parkedSettler struct {
	broker.Settler
	parking *parking
}

// lot returns the parking of c's queue, opened if need be.
func (c *consumer) lot(ctx context.Context) (*parking, error) {
	c = c.home
	c.parkingMu.Lock()
	defer c.parkingMu.Unlock()
	if c.parkingEnded {
		return nil, broker.ErrClosed
	}
	if c.parking != nil {
		return c.parking, nil
	}
	p := &parking{worker: c.worker, work: c.queue, awaited: make(map[string]chan<- parked)}
	name := c.queue.Name + ".parking." + uuid.NewString()
	q := broker.Queue{Name: name, Durable: true, Arguments: protocol.Table{
		"x-message-ttl": parkedLife.Milliseconds(), "x-expires": parkingExpires.Milliseconds(),
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": c.queue.Name}}
	if isQuorum(c.queue) {
		q.Arguments["x-queue-type"] = "quorum"
		q.Arguments["x-dead-letter-strategy"] = "at-least-once"
		q.Arguments["x-overflow"] = "reject-publish"
	}
	p.consumer = newConsumer(c.worker, umbel.QueuePlan{Name: name, DeadLetter: c.queue.DeadLetter,
		DeadLetterExchange: c.queue.DeadLetterExchange, Topology: broker.Topology{Queues: []broker.Queue{q}}})
	p.consumer.home = c
	var err error
	p.consumer.sub, err = c.worker.broker.Consume(ctx, broker.Subscription{Queue: name, Declare: p.consumer.queue.Topology,
		Deliver: p.deliver, Notify: p.notify})
	if err != nil {
		return nil, fmt.Errorf("consume from parking queue %q: %w", name, err)
	}
	c.parking = p
	return p, nil
}

// endParking gives back what is still parked. c.lot fails from now on.
func (c *consumer) endParking(ctx context.Context) error {
	c.parkingMu.Lock()
	defer c.parkingMu.Unlock()
	c.parkingEnded = true
	if c.parking == nil {
		return nil
	}
	return c.parking.consumer.sub.Close(ctx)
}

func isQuorum(q umbel.QueuePlan) bool {
	for _, d := range q.Topology.Queues {
		if d.Name == q.Name {
			return d.Arguments["x-queue-type"] == "quorum"
		}
	}
	return false
}

// deliver runs on the driver's goroutine for the parking queue.
func (p *parking) deliver(d *broker.Delivery) {
	mark, _ := d.Headers[headerParked].(string)
	p.mu.Lock()
	taker := p.awaited[mark]
	delete(p.awaited, mark)
	if taker != nil {
		// cap 1, and sent to once. Under the lock: a taker that gives up takes itself out first and looks once more then, so
		// that it must find here what was taken for it. Else nobody would ever settle the copy.
		taker <- parked{d, p.consumer.epoch.Load()}
	}
	p.mu.Unlock()
	if taker == nil {
		// Nobody waits any more, or it came again after a lost connection: back to its queue, by dead-lettering.
		p.worker.settle(d, settleReject)
	}
}

// notify runs on the driver's goroutine.
func (p *parking) notify(s broker.ConsumerState, err error) {
	if s == broker.ConsumerRestored {
		return
	}
	p.consumer.epoch.Add(1)
	p.worker.parted(p.consumer, err)
	p.consumer.home.noneRenewed()
	p.mu.Lock()
	for mark, taker := range p.awaited {
		delete(p.awaited, mark)
		taker <- parked{} // the copy goes back to the work queue, as does the original
	}
	p.mu.Unlock()
	for _, t := range p.consumer.acked.drain() {
		p.worker.finished.add(t)
	}
	if s == broker.ConsumerFailed {
		p.worker.log.Error("parking queue is lost", "queue", p.consumer.queue.Name, "error", err)
	}
}

// take publishes a copy of d with these headers and returns it, held unacked. d is still to be settled.
func (p *parking) take(ctx context.Context, d *broker.Delivery, headers protocol.Table) (parked, error) {
	mark := uuid.NewString()
	come := make(chan parked, 1)
	p.mu.Lock()
	p.awaited[mark] = come
	p.mu.Unlock()
	m := copyOf(d)
	maps.Copy(m.Headers, headers)
	m.Headers[headerParked] = mark
	m.RoutingKey = p.consumer.queue.Name
	err := p.worker.app.Publish(ctx, m)
	p.worker.cross("published")
	if err == nil {
		select {
		case c := <-come:
			return p.own(c, d)
		case <-ctx.Done():
			err = fmt.Errorf("wait for the copy in parking queue %q: %w", m.RoutingKey, context.Cause(ctx))
		}
	}
	p.mu.Lock()
	delete(p.awaited, mark)
	p.mu.Unlock()
	select {
	case c := <-come: // it came after all
		return p.own(c, d)
	default:
		return parked{}, err
	}
}

// own makes a copy tell where its message came from.
func (p *parking) own(c parked, from *broker.Delivery) (parked, error) {
	if c.delivery == nil {
		return c, fmt.Errorf("wait for the copy in parking queue %q: %w", p.consumer.queue.Name, broker.ErrStale)
	}
	c.delivery.Queue, c.delivery.Exchange, c.delivery.RoutingKey = from.Queue, from.Exchange, from.RoutingKey
	c.delivery.Redelivered, c.delivery.Deliveries = from.Redelivered, from.Deliveries
	c.delivery.Settler = &parkedSettler{c.delivery.Settler, p}
	return c, nil
}

// copyOf is d's message without an address and without what the broker and we have written on it on its way. It may be
// changed.
func copyOf(d *broker.Delivery) *broker.Message {
	m := &broker.Message{Envelope: d.Envelope}
	m.Headers = umbel.BareHeaders(d.Headers)
	m.Properties.Expiration = "" // it was taken in time
	m.Properties.UserID = ""     // the broker takes only our own
	return m
}

// leave settles a parked copy otherwise than by ack: what would happen to the message in its work queue is brought about
// by publishing, and then the copy is acked. If that fails the copy goes back to the work queue as it is.
func (p *parking) leave(d *broker.Delivery, how settlement) bool {
	m := copyOf(d)
	m.RoutingKey = d.Queue
	switch how {
	case settleRequeue:
		// Given back in good order: this start does not count.
		if n := startsOf(d) - 1; n > 0 {
			m.Headers[headerStarts] = int64(n)
		}
	case settleReturn:
		m.Headers[headerStarts] = int64(startsOf(d))
	case settleReject:
		// Rejected from its own queue, the message goes wherever the queue sends its dead letters, by argument or policy.
		m.Headers[headerReject], m.Headers[headerStarts] = true, int64(startsOf(d))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.worker.base), publishWait)
	defer cancel()
	err := p.worker.app.Publish(ctx, m)
	if err == nil {
		err = d.Ack()
	} else {
		p.worker.log.Error("cannot publish a parked message back; it goes as it is", "queue", d.Queue, "id", messageID(d), "error", err)
		err = d.Reject(false)
	}
	if err != nil && !errors.Is(err, broker.ErrStale) {
		p.worker.log.Error("cannot settle parked delivery", "queue", d.Queue, "id", messageID(d), "error", err)
	}
	return err == nil
}
