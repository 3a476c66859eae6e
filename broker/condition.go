package broker

import (
	"errors"
	"time"
)

// ErrMaintenance is in what a connection, channel or consumer was lost for when the broker ended it for reasons of its own: an
// operator's command, a node that stops or is drained, an error inside of it. It is routine: the driver is connecting again,
// to another node if there is one.
var ErrMaintenance = errors.New("closed by the broker")

// A Condition is how a process's link to its broker stands.
type Condition struct {
	Connected bool // every connection that is wanted stands
	// Reason is why not; nil when connected, or before the first attempt.
	Reason error
	// Blocked is why the broker takes no messages for now, in its own words, such as "low on memory"; "" while it takes
	// them. Publishing waits meanwhile, consuming goes on. RabbitMQ tells only those who have published: connection.blocked.
	Blocked string
	// Since is when the broker began to refuse messages; zero while it takes them.
	Since time.Time
	// Blocks is how often it has begun to, since this Broker was opened.
	Blocks int
	// Losses is how often a connection was lost, since this Broker was opened.
	Losses int
}

// A Reporter is a Broker that tells how its link stands. Brokers that run inside this process do not: theirs cannot be lost.
type Reporter interface{ Condition() Condition }
