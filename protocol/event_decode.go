package protocol

import (
	"errors"
	"fmt"
	"math"

	"github.com/umbel-go/umbel/codec"
)

// DecodeEvents reads a message of events: one object or a list of them, whatever its routing key. Events of a list that
// cannot be read are left out, and the error, a *DecodeError, tells of the first; the others are returned beside it.
// An event must have a type; every other member may be missing, and unknown ones are kept.
func DecodeEvents(env *Envelope, o DecodeOptions) ([]*Event, error) {
	p := &env.Properties
	if err := o.Accept.Check(orText(p.ContentType, "application/data")); err != nil {
		return nil, &DecodeError{Err: err}
	}
	body := env.Body
	if mime, _ := env.Headers["compression"].(string); mime != "" {
		var err error
		if body, err = codec.Decompress(mime, body, o.limit()); err != nil {
			return nil, &DecodeError{Err: err}
		}
	}
	if len(body) == 0 {
		return nil, &DecodeError{Err: errors.New("the message of events is empty")}
	}
	v, err := codec.UnmarshalValue(p.ContentType, p.ContentEncoding, body)
	if err != nil {
		return nil, &DecodeError{Err: err}
	}
	if kindOf(v) != arrayKind {
		e, err := eventOf(v)
		if err != nil {
			return nil, &DecodeError{Err: err}
		}
		return []*Event{e}, nil
	}
	items, err := elements(v)
	if err != nil {
		return nil, &DecodeError{Err: err}
	}
	events := make([]*Event, 0, len(items))
	var first error
	for i, item := range items {
		e, err := eventOf(item)
		switch {
		case err == nil:
			events = append(events, e)
		case first == nil:
			first = &DecodeError{Err: fmt.Errorf("event %d of %d: %w", i+1, len(items), err)}
		}
	}
	return events, first
}

func eventOf(v codec.Value) (*Event, error) {
	if kind := kindOf(v); kind != objectKind {
		return nil, fmt.Errorf("an event is %s, want an object", kind)
	}
	fields, err := members(v)
	if err != nil {
		return nil, err
	}
	typ, _ := field(fields, "type")
	name, err := wantText(typ)
	switch {
	case err != nil:
		return nil, fmt.Errorf("event: type: %w", err)
	case name == "":
		return nil, errors.New("event: it has no type")
	}
	e := &Event{Body: newEventBody(name)}
	for _, f := range fields {
		known, err := e.read(f)
		if err == nil && !known {
			known, err = e.Body.read(f)
		}
		if err != nil {
			return nil, fmt.Errorf("event %s: %s: %w", name, f.Name, err)
		}
		if !known {
			e.Extra = append(e.Extra, f)
		}
	}
	if w, is := e.Body.(*WorkerStatus); is {
		w.complete(fields)
	}
	return e, nil
}

// read takes a member that every event has.
func (e *Event) read(f codec.NamedValue) (known bool, err error) {
	switch f.Name {
	case "hostname":
		e.Hostname, err = wantText(f.Value)
	case "utcoffset":
		e.UTCOffset, err = wantInt(f.Value, -1<<15, 1<<15)
	case "pid":
		e.PID, err = wantInt(f.Value, 0, math.MaxInt32)
	case "clock":
		var n int
		n, err = wantInt(f.Value, 0, MaxClock)
		e.Clock = int64(n)
	case "timestamp":
		e.Timestamp, err = wantNumber(f.Value)
	case "type":
	default:
		return false, nil
	}
	return true, err
}

// MaxClock is the largest logical clock that is believed: adding to it for a thousand years stays within 64 bits.
const MaxClock = 1 << 53

func newEventBody(typ string) EventBody {
	switch typ {
	case TypeTaskSent:
		return &TaskSent{}
	case TypeTaskReceived:
		return &TaskReceived{}
	case TypeTaskStarted:
		return &TaskStarted{}
	case TypeTaskSucceeded:
		return &TaskSucceeded{}
	case TypeTaskFailed:
		return &TaskFailed{}
	case TypeTaskRetried:
		return &TaskRetried{}
	case TypeTaskRevoked:
		return &TaskRevoked{}
	case TypeTaskRejected:
		return &TaskRejected{}
	case TypeWorkerOnline, TypeWorkerHeartbeat, TypeWorkerOffline:
		return &WorkerStatus{Kind: typ}
	}
	return &CustomEvent{Name: typ}
}

// wantNumber reads a number; null is 0. It must be finite.
func wantNumber(v codec.Value) (float64, error) {
	x, err := v.Any()
	if err != nil {
		return 0, err
	}
	var f float64
	switch x := x.(type) {
	case nil:
		return 0, nil
	case float64:
		f = x
	case float32:
		f = float64(x)
	default:
		n, ok := integer(x)
		if !ok {
			return 0, fmt.Errorf("want a number, got %s", shown(x))
		}
		f = float64(n)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("%v is no number to go on with", f)
	}
	return f, nil
}

// wantInt reads a whole number between two bounds; null is 0, or the least that is allowed.
func wantInt(v codec.Value, least, most int) (int, error) {
	f, err := wantNumber(v)
	if err != nil {
		return 0, err
	}
	f = math.Floor(f)
	if f < float64(least) || f > float64(most) {
		return 0, fmt.Errorf("%v is out of range", f)
	}
	return int(f), nil
}

// wantFlag reads true or false; null is false.
func wantFlag(v codec.Value) (bool, error) {
	x, err := v.Any()
	if err != nil || x == nil {
		return false, err
	}
	b, ok := flag(x)
	if !ok {
		return false, fmt.Errorf("want true or false, got %s", shown(x))
	}
	return b, nil
}
