package umbel

import "github.com/umbel-go/umbel/protocol"

// State is a task's state, by Celery's name. Any other text is a custom state that a task set itself.
type State = protocol.State

// Celery's states, and Unknown.
const (
	Pending  = protocol.Pending
	Received = protocol.Received
	Started  = protocol.Started
	Progress = protocol.Progress
	Retrying = protocol.Retry
	Success  = protocol.Success
	Failure  = protocol.Failure
	Revoked  = protocol.Revoked
	Rejected = protocol.Rejected
	Ignored  = protocol.Ignored

	// Unknown: nothing is stored under the id and this process did not send it. Celery says PENDING of such an id.
	Unknown State = "UNKNOWN"
)
