package amazonmq

import "fmt"

// A Need is what a fleet asks of its broker.
type Need struct {
	Connections, Channels, Queues int
}

// What one process of Umbel's has open at RabbitMQ, whatever its load; docs/scaling.md has it counted.
const (
	workerConnections = 2 // one publishes, one consumes
	senderConnections = 1
	publishChannels   = 2 // for all messages, and for those that may close their channel
	controlChannels   = 1 // of a worker: remote control
)

// FleetNeed is what workers that each consume so many queues, and processes that only send, ask for. queues are those of the whole
// system; each worker adds one for remote control.
func FleetNeed(workers, senders, consumed, queues int) Need {
	return Need{
		Connections: workers*workerConnections + senders*senderConnections,
		Channels:    workers*(publishChannels+controlChannels+consumed) + senders*publishChannels,
		Queues:      queues + workers,
	}
}

// A Limit is one of an instance type beside what is needed of it.
type Limit struct {
	What string `json:"what"` // "connections", "channels", "queues"
	Need int    `json:"need"`
	Most int    `json:"most,omitempty"` // 0 where it is not known
}

// Share is how much of the limit is needed, in percent, rounded up.
func (l Limit) Share() int {
	if l.Most == 0 {
		return 0
	}
	return (l.Need*100 + l.Most - 1) / l.Most
}

func (l Limit) String() string {
	if l.Most == 0 {
		return fmt.Sprintf("%d %s", l.Need, l.What)
	}
	return fmt.Sprintf("%d of %d %s", l.Need, l.Most, l.What)
}

// Limits puts a need beside the limits of a type.
func (i Instance) Limits(n Need) []Limit {
	return []Limit{{"connections", n.Connections, i.Connections}, {"channels", n.Channels, i.Channels}, {"queues", n.Queues, i.Queues}}
}

// Headroom is how much of a limit a fleet should need at most, in percent: a deployment has the old and the new processes connected
// at once.
const Headroom = 50

// Fits reports whether a need is within a share of every known limit, in percent.
func (i Instance) Fits(n Need, percent int) bool {
	for _, l := range i.Limits(n) {
		if l.Share() > percent {
			return false
		}
	}
	return true
}

// Smallest is the smallest type for a version on which a need leaves headroom, of those that are not for tests only.
func Smallest(version string, n Need) (Instance, bool) {
	for _, i := range Instances {
		if i.Runs(version) && !i.Testing && i.Connections > 0 && i.Fits(n, Headroom) {
			return i, true
		}
	}
	return Instance{}, false
}
