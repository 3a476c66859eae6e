package fleet

import (
	"strings"

	"github.com/umbel-go/umbel/internal/management"
)

// passing reports whether a queue belongs to a connection: events, replies, remote control.
func passing(q *management.Queue) bool {
	return q.Exclusive || strings.HasPrefix(q.Name, "celeryev") || strings.HasSuffix(q.Name, ".pidbox") || strings.HasPrefix(q.Name, "amq.gen")
}
