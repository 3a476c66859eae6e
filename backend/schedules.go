package backend

import (
	"context"
	"errors"
	"time"
)

// ErrFenced: the lease under which something was to be written has gone to another, or has run out.
var ErrFenced = errors.New("the lease is no longer held")

// Schedules is what a Backend can do that keeps schedules: records, and the lease of the one scheduler that leads. All but
// rpc:// can. Schedules of different names know nothing of each other. Nothing of a schedule expires.
type Schedules interface {
	// Lead takes the lease of a schedule for holder if nobody has it or it has run out, and prolongs it if it is holder's:
	// it then runs out ttl from now by the store's clock. It returns the lease as it stands, which is another's if that one
	// holds it.
	Lead(ctx context.Context, schedule, holder string, ttl time.Duration) (Lease, error)

	// Leader reads the lease. Holder is empty when nobody has it.
	Leader(ctx context.Context, schedule string) (Lease, error)

	// Resign gives the lease up if it is holder's.
	Resign(ctx context.Context, schedule, holder string) error

	// WriteSchedule writes records of one kind by name, all or none; nil removes one. token is that of the lease under which
	// it is done: the error is ErrFenced when the lease has run out, or its token is another; 0 asks for no lease. At most
	// ScheduleTogether records are written at once.
	WriteSchedule(ctx context.Context, schedule string, kind ScheduleKind, token int64, records map[string][]byte) error

	// ReadSchedule reads all records of a kind.
	ReadSchedule(ctx context.Context, schedule string, kind ScheduleKind) (map[string][]byte, error)

	// ScheduleRevision grows with every write of entries, so that those who read them know when to read again.
	ScheduleRevision(ctx context.Context, schedule string) (int64, error)

	// ClaimTick notes that a message bears a task id, and returns the first message that did. A task that may be sent twice
	// is run once: for the message that was first. It is kept for at least keep.
	ClaimTick(ctx context.Context, id, message string, keep time.Duration) (first string, err error)
}

// ScheduleTogether is how many records are written at once.
const ScheduleTogether = 500

// A ScheduleKind tells the records of one schedule apart.
type ScheduleKind string

// Kinds of records.
const (
	ScheduleEntries ScheduleKind = "entries" // what is to be sent; anybody writes them
	ScheduleStates  ScheduleKind = "states"  // what has been sent; the leader writes them
)

// A Lease says who leads.
type Lease struct {
	Holder string
	Token  int64         // grows each time the lease changes hands
	Left   time.Duration // until it runs out, at the moment of reading
}
