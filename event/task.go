package event

import (
	"strings"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// A Task is what events tell of one task. Empty texts and zero times are not known. Celery: celery.events.state.Task.
type Task struct {
	UUID             string
	Name             string
	State            protocol.State // of the latest event in the task's own order, whatever order they came in
	Worker           string         // that has it
	Client           string         // that sent it; known by task-sent only
	RootID, ParentID string

	Args, Kwargs          string // as Python's repr shows them
	Retries               int
	ETA, Expires          string // ISO 8601
	Queue                 string // known by task-sent only, as the next two
	Exchange, RoutingKey  string
	Result                string // as Python's repr shows it
	Exception, Traceback  string
	Runtime               float64 // seconds
	Clock                 int64   // of the latest event
	Timestamp             time.Time
	LastHeard             time.Time // of the latest event, by the listener's clock; kept by a State
	Terminated, Expired   bool
	Signum                string // number of the signal that ended it; "" for none
	Requeue               bool
	Sent, Received        time.Time // when the event of each kind was sent
	Started, Succeeded    time.Time
	Failed, Retried       time.Time
	Revoked, RejectedTime time.Time
}

// precedence of states: of two events the one further up tells how things are, even when it comes first.
// Celery: celery.states.PRECEDENCE.
func precedence(s protocol.State) int {
	switch s {
	case protocol.Success:
		return 0
	case protocol.Failure:
		return 1
	case protocol.Revoked:
		return 3
	case protocol.Started:
		return 4
	case protocol.Received:
		return 5
	case protocol.Rejected:
		return 6
	case protocol.Retry:
		return 7
	case protocol.Pending:
		return 8
	}
	return 2 // of the user's own
}

// Apply folds one event into the task, with texts cut to most bytes. The sender is left to the caller. An event that is older in
// the order of states adds what it knows and changes nothing else: it was overtaken. A retry begins the order anew, unless the
// next attempt was heard of before it: then it is older, too, which Celery does not see.
func (t *Task) Apply(e *protocol.Event, most int) {
	state, at := t.happened(e)
	older := state != protocol.Retry && t.State != protocol.Retry && precedence(state) > precedence(t.State) ||
		state == protocol.Retry && e.Time().Before(t.Timestamp)
	if !older {
		t.State, t.Timestamp, t.Clock = state, e.Time(), e.Clock
	}
	if at != nil {
		*at = e.Time()
	}
	cut := func(s string) string { return cutText(s, most) }
	switch b := e.Body.(type) {
	case *protocol.TaskSent:
		t.Name, t.Args, t.Kwargs, t.RootID, t.ParentID = cut(b.Name), cut(b.Args), cut(b.Kwargs), cut(b.RootID), cut(b.ParentID)
		t.Retries, t.ETA, t.Expires = b.Retries, cut(b.ETA), cut(b.Expires)
		t.Queue, t.Exchange, t.RoutingKey = cut(b.Queue), cut(b.Exchange), cut(b.RoutingKey)
	case *protocol.TaskReceived:
		t.Name, t.Args, t.Kwargs, t.RootID, t.ParentID = cut(b.Name), cut(b.Args), cut(b.Kwargs), cut(b.RootID), cut(b.ParentID)
		t.Retries, t.ETA, t.Expires = b.Retries, cut(b.ETA), cut(b.Expires)
	case *protocol.TaskSucceeded:
		t.Result, t.Runtime = cut(b.Result), b.Runtime
	case *protocol.TaskFailed:
		t.Exception, t.Traceback = cut(b.Exception), cut(b.Traceback)
	case *protocol.TaskRetried:
		t.Exception, t.Traceback = cut(b.Exception), cut(b.Traceback)
	case *protocol.TaskRevoked:
		t.Terminated, t.Expired, t.Signum = b.Terminated, b.Expired, ""
		if !b.Signum.IsNull() {
			t.Signum = cut(b.Signum.String())
		}
	case *protocol.TaskRejected:
		t.Requeue = b.Requeue
	}
}

// happened is the state that an event tells of, and where its time is kept.
func (t *Task) happened(e *protocol.Event) (protocol.State, *time.Time) {
	switch e.Body.(type) {
	case *protocol.TaskSent:
		return protocol.Pending, &t.Sent
	case *protocol.TaskReceived:
		return protocol.Received, &t.Received
	case *protocol.TaskStarted:
		return protocol.Started, &t.Started
	case *protocol.TaskSucceeded:
		return protocol.Success, &t.Succeeded
	case *protocol.TaskFailed:
		return protocol.Failure, &t.Failed
	case *protocol.TaskRetried:
		return protocol.Retry, &t.Retried
	case *protocol.TaskRevoked:
		return protocol.Revoked, &t.Revoked
	case *protocol.TaskRejected:
		return protocol.Rejected, &t.RejectedTime
	}
	_, kind, _ := strings.Cut(e.Type(), "-")
	return protocol.State(strings.ToUpper(kind)), nil
}

// size is the bytes of text, near enough.
func (t *Task) size() int {
	return 512 + len(t.UUID) + len(t.Name) + len(t.Worker) + len(t.Client) + len(t.Args) + len(t.Kwargs) + len(t.Result) + len(t.Exception) +
		len(t.Traceback) + len(t.RootID) + len(t.ParentID) + len(t.Queue) + len(t.Exchange) + len(t.RoutingKey) +
		len(t.ETA) + len(t.Expires) + len(t.Signum)
}

// cutText shortens a text to most bytes without breaking a character.
func cutText(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// TaskID is the task that an event tells of; "" for none.
func TaskID(body protocol.EventBody) string {
	switch b := body.(type) {
	case *protocol.TaskSent:
		return b.UUID
	case *protocol.TaskReceived:
		return b.UUID
	case *protocol.TaskStarted:
		return b.UUID
	case *protocol.TaskSucceeded:
		return b.UUID
	case *protocol.TaskFailed:
		return b.UUID
	case *protocol.TaskRetried:
		return b.UUID
	case *protocol.TaskRevoked:
		return b.UUID
	case *protocol.TaskRejected:
		return b.UUID
	case *protocol.CustomEvent:
		return b.UUID
	}
	return ""
}
