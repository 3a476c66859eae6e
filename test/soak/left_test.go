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

// left names the queues that still hold something, dead letters and broadcasts aside.
func left(t testing.TB, rabbit *testenv.Rabbit, b broker.Broker) (full []string) {
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
			full = append(full, fmt.Sprintf("%s: %d", q.Name, n))
		}
	}
	return full
}
