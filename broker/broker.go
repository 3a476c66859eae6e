// Package broker is the contract between Umbel and what carries its messages.
//
// A driver moves messages; it does not decode, retry a task or decide. It is written in AMQP's words (exchange, queue,
// binding, delivery, prefetch) because RabbitMQ is the broker that Celery fleets run; the embedded drivers offer the same
// model in one file or in memory. What a driver cannot do, its Traits say as data: the core never asks a driver its name.
//
//	Open(url) ─► Broker ─ Publish ──► confirmed, or an error that says what became of the message
//	                    ─ Consume ──► Delivery ─ Ack / Reject
package broker

import (
	"context"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// A Broker is one process's link to a broker. All methods may be called from many goroutines. A lost connection is
// routine: the driver reconnects by itself and restores every consumer, and calls made meanwhile wait as long as their
// context allows.
type Broker interface {
	// Publish sends one message and returns nil once the broker has taken a routed message into its care. Otherwise the
	// error is one of three: ErrNotSent (safe to repeat), ErrUnconfirmed (it may have arrived), or a *RefusedError.
	Publish(ctx context.Context, m *Message) error

	// PublishBatch sends many messages in one pipelined round. It returns nil when all were confirmed, else a slice as
	// long as the batch with each message's own error, in order.
	PublishBatch(ctx context.Context, batch []*Message) []error

	// Consume starts delivering from one queue and returns when the broker has accepted the consumer.
	Consume(ctx context.Context, s Subscription) (Consumer, error)

	// Declare creates exchanges, queues and bindings that do not exist. A queue or exchange that exists with other
	// arguments is a *DriftError.
	Declare(ctx context.Context, t Topology) error

	// Delete removes queues and exchanges; those that do not exist are no error.
	Delete(ctx context.Context, t Topology) error

	// Stat tells of one queue without changing it. ErrNoQueue when it does not exist.
	Stat(ctx context.Context, queue string) (QueueStat, error)

	// Purge removes the ready messages of a queue and returns their number. ErrNoQueue when it does not exist.
	Purge(ctx context.Context, queue string) (int, error)

	// Traits says what this broker, as connected, can do.
	Traits() Traits

	// Done is closed when the broker is closed or has given up reconnecting; Err then says why (nil after Close).
	Done() <-chan struct{}
	Err() error

	// Close cancels consumers, flushes acknowledgements, gives unsettled deliveries back and ends every goroutine.
	Close() error
}

// A Message is an envelope and its address.
type Message struct {
	protocol.Envelope
	Exchange   string // "" is the default exchange: RoutingKey is then a queue's name
	RoutingKey string

	// NotBefore keeps the message invisible until then, on brokers whose Traits say Delay; it may come up to DelayStep
	// early. Others ignore it, and so may a driver for messages to a named exchange whose queues it cannot know.
	NotBefore time.Time
}

// Traits declare what differs between brokers.
type Traits struct {
	Durable bool // messages survive the death of the process that sent them and of the broker
	Remote  bool // other hosts may be connected: false for embedded brokers
	Delay   bool // honours Message.NotBefore

	// DelayStep is how exactly: delays are cut to whole steps, and what is due within less than one is not delayed. Where
	// it is not 0, delayed messages wait outside their queue, and are not gone with it.
	DelayStep time.Duration

	MaxPriority int  // highest message priority the driver can order by; 0: none. RabbitMQ needs the queue's x-max-priority too
	Redelivery  bool // Delivery.Redelivered and Deliveries are reliable counts
	VirtualTime bool // waits only on package time, so it runs inside testing/synctest

	// AckTimeout: the broker ends a consumer whose delivery stays unsettled for longer than it allows, whatever the reason,
	// and hands out again what that consumer held. It says how long it allows only then: an *AckTimeoutError.
	AckTimeout bool
}

// A Subscription says what to consume and who takes it.
type Subscription struct {
	Queue string

	// Tag names the consumer at the broker. Defaults to a unique name.
	Tag string

	// Prefetch is how many unsettled deliveries the broker hands out at most. 0 is no limit. Celery: prefetch_count.
	Prefetch int

	// NoAck takes deliveries as settled when sent; for control and events.
	NoAck bool

	// Exclusive refuses to share the queue with another consumer.
	Exclusive bool

	// Declare is created before consuming, and again on every new connection (exclusive and auto-delete queues do not
	// outlive theirs).
	Declare Topology

	// Deliver takes each delivery, in order, on one goroutine per subscription. It may block: that holds back this
	// subscription alone. Required.
	Deliver func(*Delivery)

	// Notify, when set, is told when this consumer is lost and when it is back, on the driver's goroutine; it must not
	// block. Deliveries from before a loss can no longer be settled: the broker hands them out again.
	Notify func(ConsumerState, error)
}

// ConsumerState is what became of a consumer.
type ConsumerState int

const (
	ConsumerLost     ConsumerState = iota + 1 // connection or channel gone, or the broker cancelled it; being restored
	ConsumerRestored                          // consuming again, verified with the broker
	ConsumerFailed                            // cannot be restored (queue deleted and not ours to declare, no permission): given up
)

// Paused, as the prefetch of SetPrefetch, stops deliveries while the consumer stays.
const Paused = -1

// A Consumer is a running subscription.
type Consumer interface {
	// SetPrefetch changes the limit while running; Paused hands out nothing until it is changed again. Deliveries already
	// handed out stay.
	SetPrefetch(ctx context.Context, n int) error

	// Stop ends deliveries: when it returns, Deliver is not called again. Unsettled deliveries stay ours and may still
	// be settled.
	Stop(ctx context.Context) error

	// Flush returns when every Ack and Reject called before it has been written to the broker (durably, where the
	// driver is the broker).
	Flush(ctx context.Context) error

	// Close stops, flushes and gives back what is unsettled. It is idempotent.
	Close(ctx context.Context) error
}

// A Delivery is a message in our hands. It must be settled once: by Ack or Reject.
type Delivery struct {
	Message
	Queue       string // the queue it came from
	Redelivered bool   // it was handed out before
	Deliveries  int    // how often it was handed out before this time, where the broker counts; else 0

	Tag     uint64  // the driver's number for it, unique within its Settler
	Settler Settler // the session it came from
}

// A Settler settles the deliveries of one session of one consumer: one channel's life on AMQP. A delivery of an earlier
// session must never reach a later one, where its tag is another message.
type Settler interface {
	// Ack and Reject do not wait for the broker: they are gathered and written together, without delay when idle.
	// ErrStale: the session is gone and the broker will hand the message out again. ErrSettled: settled before.
	Ack(tag uint64) error
	Reject(tag uint64, requeue bool) error
}

// Ack takes the message off the queue.
func (d *Delivery) Ack() error { return d.Settler.Ack(d.Tag) }

// Reject gives the message back to its queue, or with requeue false drops it: into the queue's dead-letter exchange if
// it has one.
func (d *Delivery) Reject(requeue bool) error { return d.Settler.Reject(d.Tag, requeue) }
