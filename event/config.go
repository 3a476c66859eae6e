package event

import (
	"cmp"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// Config is where events go, the same on both sides. The zero value is Celery's default.
type Config struct {
	// Exchange is the topic exchange that events are published to, durable. Defaults to "celeryev".
	// Celery: event_exchange.
	Exchange string

	// Serializer of events, by alias or content type. Defaults to json. Celery: event_serializer.
	Serializer string

	// QueuePrefix begins the name of a receiver's queue. Defaults to "celeryev". Celery: event_queue_prefix.
	QueuePrefix string

	// QueueTTL is how long an event waits for a receiver that is busy; it is cut to milliseconds. Defaults to 5 s.
	// Celery: event_queue_ttl.
	QueueTTL time.Duration

	// QueueExpires is how long the queue of a receiver that has gone remains. Defaults to 60 s. Celery: event_queue_expires.
	QueueExpires time.Duration

	// QueueShared lets other connections use a receiver's queue. RabbitMQ 4.3 refuses such a queue unless it is durable, so
	// that it is made durable then. Defaults to false. Celery: event_queue_exclusive = False.
	QueueShared bool

	// QueueDurable makes it survive a restart of the broker, until it expires, and be shared. Defaults to false.
	// Celery: event_queue_durable.
	QueueDurable bool
}

func (c Config) withDefaults() Config {
	c.Exchange = cmp.Or(c.Exchange, "celeryev")
	c.QueuePrefix = cmp.Or(c.QueuePrefix, "celeryev")
	c.QueueTTL = cmp.Or(c.QueueTTL, 5*time.Second)
	c.QueueExpires = cmp.Or(c.QueueExpires, time.Minute)
	return c
}

func (c *Config) exchange() broker.Exchange {
	return broker.Exchange{Name: c.Exchange, Type: broker.Topic, Durable: true}
}

// queue is a receiver's. Of the kinds of queue that RabbitMQ 4.3 still takes it is one of two: transient and exclusive, or
// durable and shared.
func (c *Config) queue(name string) broker.Queue {
	durable := c.QueueDurable || c.QueueShared
	return broker.Queue{Name: name, Durable: durable, Exclusive: !durable, AutoDelete: true, Arguments: protocol.Table{
		"x-expires": c.QueueExpires.Milliseconds(), "x-message-ttl": c.QueueTTL.Milliseconds(),
	}}
}
