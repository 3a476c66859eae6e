package event

import (
	"cmp"
	"sync/atomic"

	"github.com/umbel-go/umbel/protocol"
)

// A Clock is a Lamport clock: it counts what a process sends, and never falls behind what it has received, so that an event
// that another one led to has the larger number. The zero value is ready. Celery: kombu.clocks.LamportClock.
type Clock struct{ n atomic.Int64 }

// Value is the time now.
func (c *Clock) Value() int64 { return c.n.Load() }

// Forward moves the clock on by one and returns the time: that of an event to be sent.
func (c *Clock) Forward() int64 { return c.n.Add(1) }

// Adjust moves the clock past a time that was received, and returns the time. A time beyond protocol.MaxClock is not
// believed.
func (c *Clock) Adjust(received int64) int64 {
	if received > protocol.MaxClock {
		received = 0
	}
	for {
		now := c.n.Load()
		next := max(now, received) + 1
		if c.n.CompareAndSwap(now, next) {
			return next
		}
	}
}

// Compare orders events: by clock, then by timestamp, then by sender. It is Celery's order (timetuple).
func Compare(a, b *protocol.Event) int {
	return cmp.Or(cmp.Compare(a.Clock, b.Clock), cmp.Compare(a.Timestamp, b.Timestamp), cmp.Compare(a.Hostname, b.Hostname),
		cmp.Compare(a.PID, b.PID))
}
