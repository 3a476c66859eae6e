package event

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// A ReceiverConfig says what to listen to.
type ReceiverConfig struct {
	Config

	// RoutingKey is what is heard, as a topic: "task.#", "worker.*". Defaults to "#": everything.
	RoutingKey string

	// Clock follows the events. Defaults to one of the receiver's own.
	Clock *Clock

	// Accept are the serializers that are read. Defaults to json. Celery: accept_content.
	Accept codec.Accept

	// Log is told of messages that are no events. Defaults to nowhere.
	Log *slog.Logger

	// Handle takes the events of one message as it comes, in the sender's order, on the driver's goroutine; received is when. While it
	// does not return, events wait at the broker, and expire there after QueueTTL. Required.
	Handle func(events []*protocol.Event, received time.Time)

	// Wake is the exchange of remote control on which workers are asked to tell of themselves, such as "celery.pidbox"; "" asks
	// nobody. Celery does so whenever it begins to listen.
	Wake string

	// Notify, when set, is told when events are missed because the connection is lost, and when they come again.
	Notify func(broker.ConsumerState, error)
}

// receiverPrefetch bounds what a slow handler lets pile up here; the rest waits at the broker.
const receiverPrefetch = 256

// A Receiver listens to events through a queue of its own.
type Receiver struct {
	config   ReceiverConfig
	queue    string
	consumer broker.Consumer
}

// Receive begins to listen. Events from before are not heard. After a lost connection the receiver listens again by itself.
func Receive(ctx context.Context, b broker.Broker, c ReceiverConfig) (*Receiver, error) {
	c.Config = c.Config.withDefaults()
	if c.RoutingKey == "" {
		c.RoutingKey = "#"
	}
	if c.Clock == nil {
		c.Clock = new(Clock)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Handle == nil {
		return nil, errors.New("receive events: there is no handler")
	}
	r := &Receiver{config: c, queue: c.QueuePrefix + "." + uuid.NewString()}
	var err error
	r.consumer, err = b.Consume(ctx, broker.Subscription{
		Queue: r.queue, Prefetch: receiverPrefetch, Deliver: r.deliver, Notify: c.Notify,
		Declare: broker.Topology{
			Exchanges: []broker.Exchange{c.exchange()}, Queues: []broker.Queue{c.queue(r.queue)},
			Bindings: []broker.Binding{{Source: c.Exchange, Queue: r.queue, RoutingKey: c.RoutingKey}},
		},
	})
	if err == nil && c.Wake != "" {
		if err := r.wake(ctx, b); err != nil {
			c.Log.Warn("cannot ask workers to tell of themselves", "error", err)
		}
	}
	return r, err
}

// wakeExpires is how long the question is worth an answer.
const wakeExpires = 10 * time.Second

// wake asks every worker for a heartbeat, without reply. That nobody is there is no error.
func (r *Receiver) wake(ctx context.Context, b broker.Broker) error {
	m := &broker.Message{Exchange: r.config.Wake, Envelope: protocol.Envelope{
		Properties: protocol.Properties{ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: protocol.Persistent, HasPriority: true},
		Headers:    protocol.Table{"clock": r.config.Clock.Forward(), "expires": protocol.UnixSeconds(time.Now().Add(wakeExpires))},
		Body:       []byte(`{"method": "heartbeat", "arguments": {}, "destination": null, "pattern": null, "matcher": null}`),
	}}
	err := b.Publish(ctx, m)
	var refused *broker.RefusedError
	if errors.As(err, &refused) && (refused.Reason == broker.Unroutable || refused.Reason == broker.NoExchange) {
		return nil
	}
	return err
}

// Queue is the name of the receiver's queue.
func (r *Receiver) Queue() string { return r.queue }

// Close ends listening; the queue goes with it.
func (r *Receiver) Close(ctx context.Context) error { return r.consumer.Close(ctx) }

func (r *Receiver) deliver(d *broker.Delivery) {
	defer func() { _ = d.Ack() }() // stale: the queue has gone with its connection
	events, err := protocol.DecodeEvents(&d.Envelope, protocol.DecodeOptions{Accept: r.config.Accept})
	if err != nil {
		r.config.Log.Warn("received a message that is no event", "exchange", d.Exchange, "routing_key", d.RoutingKey, "error", err)
	}
	if len(events) == 0 {
		return
	}
	for _, e := range events {
		r.follow(e)
	}
	r.config.Handle(events, time.Now())
}

// follow adjusts the clock. Clients do not follow others' clocks, so that the clock of task-sent says nothing here: it is
// put just before what was heard last. Celery: EventReceiver.event_from_message.
func (r *Receiver) follow(e *protocol.Event) {
	clock := r.config.Clock
	switch {
	case e.Type() == protocol.TypeTaskSent:
		e.Clock = max(clock.Value(), 1) - 1
		clock.Adjust(e.Clock)
	case e.Clock == 0:
		e.Clock = clock.Forward()
	default:
		clock.Adjust(e.Clock)
	}
}
