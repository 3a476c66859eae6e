package protocol

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/umbel-go/umbel/codec"
)

// Events as bytes: what workers and clients tell whoever listens. Order of members is Celery's: hostname, utcoffset, pid,
// clock, those of the type, timestamp, type.
//
//	worker.heartbeat   {…}          worker events and task-sent: one object a message
//	task.multi         [{…}, {…}]   what a worker tells of tasks: a list, mostly short
//
// Celery: celery/events/event.py, celery/events/dispatcher.py.

// An Event is one thing that happened, and where and when.
type Event struct {
	Hostname  string  // node name, or gen<pid>@host of a client
	UTCOffset int     // hours west of UTC, as in C: UTC+1 is -1
	PID       int     // of the sender's process
	Clock     int64   // the sender's logical clock; 0: it does not say
	Timestamp float64 // Unix time in seconds

	Body  EventBody          // what happened; its Type is the event's
	Extra []codec.NamedValue // members that Body does not know
}

// An EventBody is what is special to one type of event: one of *TaskSent, *TaskReceived, *TaskStarted, *TaskSucceeded,
// *TaskFailed, *TaskRetried, *TaskRevoked, *TaskRejected, *WorkerStatus, and *CustomEvent for all others.
type EventBody interface {
	Type() string // such as "task-received"

	append(dst []byte) ([]byte, error) // each member led by a comma
	read(f codec.NamedValue) (known bool, err error)
}

// Type is the event's type, such as "task-received".
func (e *Event) Type() string {
	if e.Body == nil {
		return ""
	}
	return e.Body.Type()
}

// Time is the timestamp as a time.
func (e *Event) Time() time.Time { return unixTime(e.Timestamp) }

// unixTime takes seconds since 1970; what no clock shows is the zero time.
func unixTime(seconds float64) time.Time {
	if !(math.Abs(seconds) < 1<<40) || seconds == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(math.Round(seconds * 1e6)))
}

// UnixSeconds is t as events carry times: seconds, to the microsecond.
func UnixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// EventGroup is the part of an event's type before the first dash: "task", "worker", or that of a custom event.
func EventGroup(typ string) string {
	group, _, _ := strings.Cut(typ, "-")
	return group
}

// EventRoutingKey is where a single event of the type is sent: "worker.heartbeat".
func EventRoutingKey(typ string) string { return strings.ReplaceAll(typ, "-", ".") }

// EventBatchKey is where a list of events of a group is sent: "task.multi".
func EventBatchKey(group string) string { return group + ".multi" }

// AppendEvent writes one event as a JSON object. The error names the member that cannot be encoded.
func AppendEvent(dst []byte, e *Event) ([]byte, error) {
	if e.Body == nil {
		return nil, errors.New("encode event: it has no body")
	}
	dst = appendString(append(dst, `{"hostname": `...), e.Hostname)
	dst = appendInt(append(dst, `, "utcoffset": `...), int64(e.UTCOffset))
	dst = appendInt(append(dst, `, "pid": `...), int64(e.PID))
	dst = appendInt(append(dst, `, "clock": `...), e.Clock)
	dst, err := e.Body.append(dst)
	if err == nil {
		dst, err = appendMembers(dst, e.Extra)
	}
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.Type(), err)
	}
	dst = appendNumber(append(dst, `, "timestamp": `...), e.Timestamp)
	dst = appendString(append(dst, `, "type": `...), e.Type())
	return append(dst, '}'), nil
}

// EncodeEvents makes the message of finished JSON: one object, or an array of them. hostname is the sender's; the
// serializer is an alias or content type, "" is json. Celery: event_serializer.
func EncodeEvents(text []byte, hostname, serializer string) (*Envelope, error) {
	enc, err := serialize(text, serializer)
	if err != nil {
		return nil, fmt.Errorf("encode events: %w", err)
	}
	return &Envelope{
		Properties: Properties{ContentType: enc.ContentType, ContentEncoding: enc.ContentEncoding, DeliveryMode: Transient, HasPriority: true},
		Headers:    Table{"hostname": hostname}, Body: enc.Body,
	}, nil
}
