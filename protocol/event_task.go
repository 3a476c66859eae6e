package protocol

import (
	"github.com/umbel-go/umbel/codec"
)

// Types of the events that tell of tasks.
const (
	TypeTaskSent      = "task-sent"
	TypeTaskReceived  = "task-received"
	TypeTaskStarted   = "task-started"
	TypeTaskSucceeded = "task-succeeded"
	TypeTaskFailed    = "task-failed"
	TypeTaskRetried   = "task-retried"
	TypeTaskRevoked   = "task-revoked"
	TypeTaskRejected  = "task-rejected"
)

// TaskSent tells that a client has published a task; only where task_send_sent_event is set.
type TaskSent struct {
	UUID             string
	RootID, ParentID string // "" is null
	Name             string
	Args, Kwargs     string // as Python's repr shows them, cut
	Retries          int
	ETA, Expires     string // ISO 8601; "" is null
	Queue            string
	Exchange         string
	RoutingKey       string
}

// TaskReceived tells that a worker has taken a message for a task it knows.
type TaskReceived struct {
	UUID             string
	Name             string // the shadow name if there is one
	Args, Kwargs     string // as Python's repr shows them, cut
	RootID, ParentID string // "" is null
	Retries          int
	ETA, Expires     string // ISO 8601; "" is null
}

// TaskStarted tells that a task has begun.
type TaskStarted struct{ UUID string }

// TaskSucceeded tells that a task has ended well.
type TaskSucceeded struct {
	UUID    string
	Result  string  // as Python's repr shows it, cut
	Runtime float64 // seconds
}

// TaskFailed tells that a task has failed for good.
type TaskFailed struct {
	UUID      string
	Exception string // as Python's repr shows it

	// Traceback is missing where the task was not run: a name that is not registered.
	Traceback    string
	HasTraceback bool
}

// TaskRetried tells that an attempt has failed and another one is to come.
type TaskRetried struct {
	UUID      string
	Exception string // as Python's repr shows it
	Traceback string
}

// TaskRevoked tells that a task was revoked, or had expired.
type TaskRevoked struct {
	UUID       string
	Terminated bool        // while it ran
	Signum     codec.Value // number of the signal that ended it, null, or text
	Expired    bool
}

// TaskRejected tells that a message was given back to its queue, or dropped.
type TaskRejected struct {
	UUID    string
	Requeue bool
}

// Type implements EventBody.
func (*TaskSent) Type() string { return TypeTaskSent }

// Type implements EventBody.
func (*TaskReceived) Type() string { return TypeTaskReceived }

// Type implements EventBody.
func (*TaskStarted) Type() string { return TypeTaskStarted }

// Type implements EventBody.
func (*TaskSucceeded) Type() string { return TypeTaskSucceeded }

// Type implements EventBody.
func (*TaskFailed) Type() string { return TypeTaskFailed }

// Type implements EventBody.
func (*TaskRetried) Type() string { return TypeTaskRetried }

// Type implements EventBody.
func (*TaskRevoked) Type() string { return TypeTaskRevoked }

// Type implements EventBody.
func (*TaskRejected) Type() string { return TypeTaskRejected }

func appendUUID(dst []byte, id string) []byte { return appendString(append(dst, `, "uuid": `...), id) }

func (t *TaskSent) append(dst []byte) ([]byte, error) {
	dst = appendUUID(dst, t.UUID)
	dst = appendOrNull(append(dst, `, "root_id": `...), t.RootID)
	dst = appendOrNull(append(dst, `, "parent_id": `...), t.ParentID)
	dst = appendString(append(dst, `, "name": `...), t.Name)
	dst = appendString(append(dst, `, "args": `...), t.Args)
	dst = appendString(append(dst, `, "kwargs": `...), t.Kwargs)
	dst = appendInt(append(dst, `, "retries": `...), int64(t.Retries))
	dst = appendOrNull(append(dst, `, "eta": `...), t.ETA)
	dst = appendOrNull(append(dst, `, "expires": `...), t.Expires)
	dst = appendString(append(dst, `, "queue": `...), t.Queue)
	dst = appendString(append(dst, `, "exchange": `...), t.Exchange)
	return appendString(append(dst, `, "routing_key": `...), t.RoutingKey), nil
}

func (t *TaskSent) read(f codec.NamedValue) (known bool, err error) {
	return readMember(f, member{"uuid", &t.UUID}, member{"root_id", &t.RootID}, member{"parent_id", &t.ParentID}, member{"name", &t.Name},
		member{"args", &t.Args}, member{"kwargs", &t.Kwargs}, member{"retries", &t.Retries}, member{"eta", &t.ETA},
		member{"expires", &t.Expires}, member{"queue", &t.Queue}, member{"exchange", &t.Exchange}, member{"routing_key", &t.RoutingKey})
}

func (t *TaskReceived) append(dst []byte) ([]byte, error) {
	dst = appendUUID(dst, t.UUID)
	dst = appendString(append(dst, `, "name": `...), t.Name)
	dst = appendString(append(dst, `, "args": `...), t.Args)
	dst = appendString(append(dst, `, "kwargs": `...), t.Kwargs)
	dst = appendOrNull(append(dst, `, "root_id": `...), t.RootID)
	dst = appendOrNull(append(dst, `, "parent_id": `...), t.ParentID)
	dst = appendInt(append(dst, `, "retries": `...), int64(t.Retries))
	dst = appendOrNull(append(dst, `, "eta": `...), t.ETA)
	return appendOrNull(append(dst, `, "expires": `...), t.Expires), nil
}

func (t *TaskReceived) read(f codec.NamedValue) (known bool, err error) {
	return readMember(f, member{"uuid", &t.UUID}, member{"name", &t.Name}, member{"args", &t.Args}, member{"kwargs", &t.Kwargs},
		member{"root_id", &t.RootID}, member{"parent_id", &t.ParentID}, member{"retries", &t.Retries}, member{"eta", &t.ETA},
		member{"expires", &t.Expires})
}

func (t *TaskStarted) append(dst []byte) ([]byte, error) { return appendUUID(dst, t.UUID), nil }

func (t *TaskStarted) read(f codec.NamedValue) (known bool, err error) {
	return readMember(f, member{"uuid", &t.UUID})
}

func (t *TaskSucceeded) append(dst []byte) ([]byte, error) {
	dst = appendString(append(appendUUID(dst, t.UUID), `, "result": `...), t.Result)
	return appendNumber(append(dst, `, "runtime": `...), t.Runtime), nil
}

func (t *TaskSucceeded) read(f codec.NamedValue) (known bool, err error) {
	return readMember(f, member{"uuid", &t.UUID}, member{"result", &t.Result}, member{"runtime", &t.Runtime})
}

func (t *TaskFailed) append(dst []byte) ([]byte, error) {
	dst = appendString(append(appendUUID(dst, t.UUID), `, "exception": `...), t.Exception)
	if t.HasTraceback {
		dst = appendString(append(dst, `, "traceback": `...), t.Traceback)
	}
	return dst, nil
}

func (t *TaskFailed) read(f codec.NamedValue) (known bool, err error) {
	if f.Name == "traceback" {
		t.HasTraceback = true
	}
	return readMember(f, member{"uuid", &t.UUID}, member{"exception", &t.Exception}, member{"traceback", &t.Traceback})
}

func (t *TaskRetried) append(dst []byte) ([]byte, error) {
	dst = appendString(append(appendUUID(dst, t.UUID), `, "exception": `...), t.Exception)
	return appendString(append(dst, `, "traceback": `...), t.Traceback), nil
}

func (t *TaskRetried) read(f codec.NamedValue) (known bool, err error) {
	return readMember(f, member{"uuid", &t.UUID}, member{"exception", &t.Exception}, member{"traceback", &t.Traceback})
}

func (t *TaskRevoked) append(dst []byte) ([]byte, error) {
	dst = appendFlag(append(appendUUID(dst, t.UUID), `, "terminated": `...), t.Terminated)
	dst, err := t.Signum.AppendJSON(append(dst, `, "signum": `...))
	return appendFlag(append(dst, `, "expired": `...), t.Expired), err
}

func (t *TaskRevoked) read(f codec.NamedValue) (known bool, err error) {
	if f.Name == "signum" {
		t.Signum = f.Value
		return true, nil
	}
	return readMember(f, member{"uuid", &t.UUID}, member{"terminated", &t.Terminated}, member{"expired", &t.Expired})
}

func (t *TaskRejected) append(dst []byte) ([]byte, error) {
	return appendFlag(append(appendUUID(dst, t.UUID), `, "requeue": `...), t.Requeue), nil
}

func (t *TaskRejected) read(f codec.NamedValue) (known bool, err error) {
	return readMember(f, member{"uuid", &t.UUID}, member{"requeue", &t.Requeue})
}
