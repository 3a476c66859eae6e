package protocol

// State is a task's state, by Celery's name. Any other text is a custom state set by the task itself.
type State string

// Celery's states. PENDING is never stored: it is what a client says of an id that has no document.
const (
	Pending  State = "PENDING"
	Received State = "RECEIVED"
	Started  State = "STARTED"
	Progress State = "PROGRESS" // custom by Celery's book, but everybody's word for it
	Retry    State = "RETRY"
	Success  State = "SUCCESS"
	Failure  State = "FAILURE"
	Revoked  State = "REVOKED"
	Rejected State = "REJECTED"
	Ignored  State = "IGNORED"
)

// Ready reports whether the state is final: the task will not run again under this id.
func (s State) Ready() bool { return s == Success || s == Failure || s == Revoked }

// Failed reports whether the state is final and its result is an exception.
func (s State) Failed() bool { return s == Failure || s == Revoked }

// Exception reports whether the document's result is an encoded exception.
func (s State) Exception() bool { return s == Retry || s == Failure || s == Revoked }
