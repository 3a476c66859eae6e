package soak

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
)

// settledAfter is how long all queues must have been empty to be believed: three times the lag of the management API.
const settledAfter = 1500 * time.Millisecond

// A remainder is what a queue still holds.
type remainder struct {
	queue         string
	messages      int // all
	deadLettering int // of these, on their way to another queue, which is RabbitMQ's affair alone
}

func (r remainder) String() string {
	return fmt.Sprintf("%s: %d, %d of them being dead-lettered", r.queue, r.messages, r.deadLettering)
}

// left tells what is still in queues, dead letters and broadcasts aside. What is ready is counted by the queues themselves;
// what is unacked is known to the management API, and half a second later.
func left(t testing.TB, rabbit *testenv.Rabbit, b broker.Broker) (full []remainder) {
	t.Helper()
	for _, q := range rabbit.Queues() {
		if q.Name == dead || !strings.HasPrefix(q.Name, "soak.") && !strings.HasPrefix(q.Name, "celery_delayed_") {
			continue
		}
		n := q.Messages
		stat, err := b.Stat(t.Context(), q.Name)
		switch {
		case err == nil:
			n = max(n, stat.Ready)
		case !errors.Is(err, broker.ErrNoQueue):
			n = max(n, 1)
		}
		if n > 0 {
			full = append(full, remainder{q.Name, n, q.DeadLettering})
		}
	}
	return full
}

// onlyDeadLettering reports whether all that is left is in the hands of RabbitMQ's dead-letter workers.
func onlyDeadLettering(full []remainder) bool {
	for _, r := range full {
		if r.messages > r.deadLettering {
			return false
		}
	}
	return true
}
