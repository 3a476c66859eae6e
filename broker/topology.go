package broker

import "github.com/umbel-go/umbel/protocol"

// Exchange types.
const (
	Direct = "direct"
	Topic  = "topic"
	Fanout = "fanout"
)

// A Topology is a set of entities to declare, in the order exchanges, queues, bindings.
type Topology struct {
	Exchanges []Exchange
	Queues    []Queue
	Bindings  []Binding
}

// An Exchange routes messages to queues.
type Exchange struct {
	Name       string
	Type       string // Direct, Topic or Fanout; others only where the broker knows them
	Durable    bool
	AutoDelete bool
	Arguments  protocol.Table
}

// A Queue holds messages.
type Queue struct {
	Name       string
	Durable    bool
	Exclusive  bool           // this connection's only; gone with it
	AutoDelete bool           // gone with its last consumer
	Arguments  protocol.Table // x-max-priority, x-queue-type, x-message-ttl, x-expires, x-dead-letter-exchange, …
}

// A Binding lets an exchange send to a queue, or to another exchange.
type Binding struct {
	Source     string // exchange
	Queue      string // destination queue, or
	Exchange   string // destination exchange
	RoutingKey string
	Arguments  protocol.Table
}

// QueueStat is what a broker tells of a queue at once and without harm.
type QueueStat struct {
	Name      string
	Ready     int // messages waiting
	Unsettled int // handed out and not settled; -1 where the broker does not tell
	Consumers int
}
