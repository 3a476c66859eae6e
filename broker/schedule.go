package broker

import (
	"context"
	"errors"
	"time"
)

// A Scheduler is a Broker that can tell which messages it keeps until their time. Drivers whose Traits say Delay offer it
// where the broker has a way to look.
type Scheduler interface {
	// Scheduled lists delayed messages, the first due first; those for one queue, or for any when queue is "". It looks
	// at no more than limit messages; more is true when there are others that it has not looked at. They stay as they
	// are, and in their places.
	Scheduled(ctx context.Context, queue string, limit int) (list []Scheduled, more bool, err error)

	// Unschedule removes the delayed message with this correlation id, a task's id, and reports how many there were: the
	// attempts of one task may be several. It looks at no more than limit messages; ErrNotAllSeen says that there are
	// others.
	Unschedule(ctx context.Context, id string, limit int) (int, error)
}

// ErrNotAllSeen is Unschedule's: more messages wait than it was allowed to look at.
var ErrNotAllSeen = errors.New("more delayed messages wait than were looked at")

// A Scheduled is a delayed message.
type Scheduled struct {
	Message        // as it was sent, but for NotBefore
	Queue   string // it goes to; "" when only its exchange is known
	Due     time.Time
}
