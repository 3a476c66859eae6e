package control

import (
	"cmp"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// A Mailbox is the name space of remote control: both sides must agree on it. The zero value is Celery's own.
type Mailbox struct {
	// Exchange names the exchanges, NAME.pidbox and reply.NAME.pidbox. Defaults to "celery". Celery: control_exchange.
	Exchange string

	// QueueTTL is how long a message waits in a queue. Defaults to 300 s. Celery: control_queue_ttl.
	QueueTTL time.Duration

	// QueueExpires is how long a queue lives without a consumer. Defaults to 10 s. Celery: control_queue_expires.
	QueueExpires time.Duration

	// Durable queues survive a restart of the broker, and may be shared. Defaults to queues that belong to one connection
	// and go with it. Celery: control_queue_durable.
	Durable bool

	// Shared queues belong to no connection. Brokers may refuse them when they are not durable: RabbitMQ from 4.3 on.
	// Celery: control_queue_exclusive = false.
	Shared bool

	// Serializer writes commands and replies. Defaults to json. Celery: task_serializer.
	Serializer string

	// Decode bounds what is read. Celery: accept_content.
	Decode protocol.DecodeOptions

	// Clock is this process's logical clock. Defaults to one of its own.
	Clock *Clock

	// Log is told of what is ignored. Defaults to discarding.
	Log *slog.Logger
}

func (m Mailbox) withDefaults() Mailbox {
	m.Exchange = cmp.Or(m.Exchange, "celery")
	m.QueueTTL = cmp.Or(m.QueueTTL, 300*time.Second)
	m.QueueExpires = cmp.Or(m.QueueExpires, 10*time.Second)
	if m.Clock == nil {
		m.Clock = new(Clock)
	}
	if m.Log == nil {
		m.Log = slog.New(slog.DiscardHandler)
	}
	return m
}

func (m *Mailbox) requests() string { return m.Exchange + ".pidbox" }
func (m *Mailbox) replies() string  { return "reply." + m.Exchange + ".pidbox" }

func (m *Mailbox) exchanges() []broker.Exchange {
	return []broker.Exchange{
		{Name: m.requests(), Type: broker.Fanout, Durable: m.Durable},
		{Name: m.replies(), Type: broker.Direct, Durable: m.Durable},
	}
}

// inbox is what the owner of a queue declares.
func (m *Mailbox) inbox(queue, exchange, key string) broker.Topology {
	return broker.Topology{
		Exchanges: m.exchanges(),
		Queues: []broker.Queue{{Name: queue, Durable: m.Durable, Exclusive: !m.Durable && !m.Shared, AutoDelete: !m.Durable,
			Arguments: protocol.Table{"x-expires": int32(m.QueueExpires.Milliseconds()), "x-message-ttl": int32(m.QueueTTL.Milliseconds())}}},
		Bindings: []broker.Binding{{Source: exchange, Queue: queue, RoutingKey: key}},
	}
}

func (m *Mailbox) encode() protocol.EncodeOptions {
	return protocol.EncodeOptions{Serializer: m.Serializer}
}

// A Clock is a logical clock, Lamport's: it orders messages of many processes. Celery: kombu.clocks.LamportClock.
type Clock struct{ now atomic.Int64 }

// Forward moves the clock before something is sent, and returns it.
func (c *Clock) Forward() int64 { return c.now.Add(1) }

// Now is the clock as it stands.
func (c *Clock) Now() int64 { return c.now.Load() }

// Adjust moves the clock past another's, when something was received.
func (c *Clock) Adjust(other int64) int64 {
	for {
		now := c.now.Load()
		next := max(now, other) + 1
		if other >= clockMost { // a forged one shall not bring ours to its end
			next = now + 1
		}
		if c.now.CompareAndSwap(now, next) {
			return next
		}
	}
}

// clockMost is beyond any honest clock.
const clockMost = 1 << 53
