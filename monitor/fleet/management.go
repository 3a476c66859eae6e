package fleet

import (
	"strings"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel/internal/delayed"
	"github.com/umbel-go/umbel/internal/management"
)

// passing reports whether a queue belongs to a connection: events, replies, remote control, a worker's parking. Results by rpc://
// go to a queue that bears its client's id.
func passing(q *management.Queue) bool {
	return q.Exclusive || q.AutoDelete && uuid.Validate(q.Name) == nil || strings.Contains(q.Name, ".parking.") || strings.HasPrefix(q.Name, "celeryev") || strings.HasSuffix(q.Name, ".pidbox") || strings.HasPrefix(q.Name, "amq.gen")
}

// delays reports whether a queue only keeps messages until their time. Nobody consumes it, and nobody should.
func delays(name string) bool { return strings.HasPrefix(name, delayed.Prefix) }
