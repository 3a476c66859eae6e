package fleet

import (
	"strings"

	"github.com/umbel-go/umbel/internal/delayed"
	"github.com/umbel-go/umbel/internal/management"
)

// passing reports whether a queue belongs to a connection: events, replies, remote control, a worker's parking.
func passing(q *management.Queue) bool {
	return q.Exclusive || strings.Contains(q.Name, ".parking.") || strings.HasPrefix(q.Name, "celeryev") || strings.HasSuffix(q.Name, ".pidbox") || strings.HasPrefix(q.Name, "amq.gen")
}

// delays reports whether a queue only keeps messages until their time. Nobody consumes it, and nobody should.
func delays(name string) bool { return strings.HasPrefix(name, delayed.Prefix) }
