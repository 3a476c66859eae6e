package worker

// What parent and child say to each other about a task, as tables: every type of a header survives the pipe.
//
//	order    parent → child    the message, where it came from, its limits
//	outcome  child → parent    umbel.Outcome, its value encoded and its errors as exceptions
//	report   child → parent    a state that the running task reports

import (
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/envelope"
	"github.com/umbel-go/umbel/protocol"
)

// An order is a task for a child to run.
type order struct {
	message     broker.Message
	queue       string
	redelivered bool
	wantsValue  bool // of the task's return value
	soft, hard  time.Duration
}

func (o *order) encode() ([]byte, error) {
	head, err := envelope.Encode(&o.message)
	if err != nil {
		return nil, err
	}
	return envelope.AppendTable(nil, protocol.Table{"head": head, "body": o.message.Body, "queue": o.queue, "redelivered": o.redelivered, "wants value": o.wantsValue,
		"soft": int64(o.soft), "hard": int64(o.hard)})
}

func decodeOrder(b []byte) (*order, error) {
	t, err := readFields(b)
	if err != nil {
		return nil, err
	}
	o := &order{queue: t.text("queue"), redelivered: t.flag("redelivered"), wantsValue: t.flag("wants value"), soft: t.duration("soft"), hard: t.duration("hard")}
	if err := envelope.Decode(t.bytes("head"), &o.message); err != nil {
		return nil, err
	}
	o.message.Body = t.bytes("body")
	return o, nil
}

// An outcome is umbel.Outcome on its way through the pipe, and the tasks that the run has sent.
type outcome struct {
	umbel.Outcome
	children []protocol.ResultTuple
	carrier  map[string]string
}

func (o *outcome) encode() ([]byte, error) {
	t := protocol.Table{"state": string(o.State), "traceback": o.Traceback, "delay": int64(o.Delay), "requeue": o.Requeue,
		"expected": o.Expected, "runtime": int64(o.Runtime), "children": childrenField(o.children),
		"err": faultField(o.Err), "cause": faultField(o.Cause)}
	if o.carrier != nil {
		c := make(protocol.Table, len(o.carrier))
		for name, text := range o.carrier {
			c[name] = text
		}
		t["carrier"] = c
	}
	if o.State == umbel.Success {
		raw, err := o.Encoded.AppendJSON(nil) // which holds every value that the serializers do
		if err != nil {
			return nil, err
		}
		t["value"] = raw
	}
	return envelope.AppendTable(nil, t)
}

func decodeOutcome(b []byte) (*outcome, error) {
	t, err := readFields(b)
	if err != nil {
		return nil, err
	}
	o := &outcome{Outcome: umbel.Outcome{State: umbel.State(t.text("state")), Traceback: t.text("traceback"), Delay: t.duration("delay"),
		Requeue: t.flag("requeue"), Expected: t.flag("expected"), Runtime: t.duration("runtime"), Err: t.fault("err"), Cause: t.fault("cause")}}
	if o.children, err = t.tuples("children"); err != nil {
		return nil, err
	}
	if c := t.table("carrier"); c != nil {
		o.carrier = make(map[string]string, len(c))
		for name := range c {
			o.carrier[name] = c.text(name)
		}
	}
	switch o.State {
	case umbel.Success:
		o.Encoded = codec.JSON(t.bytes("value"))
		o.Value = o.Encoded
	case umbel.Failure, umbel.Rejected, umbel.Retrying, umbel.Revoked, umbel.Ignored:
		if o.Err == nil {
			o.Err = errors.New("the task ended in " + string(o.State) + " without a reason")
		}
	default:
		return nil, fmt.Errorf("a child says that its task ended in the state %q", o.State)
	}
	return o, nil
}

// A report is a state that a running task stores, with what it has sent so far.
type report struct {
	state    umbel.State
	meta     codec.Value
	children []protocol.ResultTuple
}

func (r *report) encode() ([]byte, error) {
	raw, err := r.meta.AppendJSON(nil)
	if err != nil {
		return nil, err
	}
	return envelope.AppendTable(nil, protocol.Table{"state": string(r.state), "meta": raw, "children": childrenField(r.children)})
}

func decodeReport(b []byte) (*report, error) {
	t, err := readFields(b)
	if err != nil {
		return nil, err
	}
	r := &report{state: umbel.State(t.text("state")), meta: codec.JSON(t.bytes("meta"))}
	r.children, err = t.tuples("children")
	return r, err
}

// A fault is an error that came through the pipe: its text, and the exception that it is.
type fault struct {
	text      string
	exception *protocol.Exception
}

func (f *fault) Error() string { return f.text }

// PythonException is what umbel.NewException made of the error in its own process.
func (f *fault) PythonException() (module, name string) { return f.exception.Module, f.exception.Type }

// PythonArgs are the exception's arguments.
func (f *fault) PythonArgs() []any {
	args := make([]any, len(f.exception.Message))
	for i, a := range f.exception.Message {
		args[i] = a
	}
	return args
}

func faultField(err error) any {
	if err == nil {
		return nil
	}
	exc := umbel.NewException(err)
	raw, jsonErr := exc.Value().AppendJSON(nil)
	if jsonErr != nil {
		return nil
	}
	return protocol.Table{"text": textOf(err, exc), "exception": raw}
}

// textOf is an error's text, also if the error panics when it is asked.
func textOf(err error, exc *protocol.Exception) (text string) {
	defer func() {
		if recover() != nil {
			text = exc.Error()
		}
	}()
	return err.Error()
}

// fields are a table that came through the pipe. A field that is missing or of another type is its zero value.
type fields protocol.Table

func readFields(b []byte) (fields, error) {
	t, err := envelope.ReadTable(b)
	return fields(t), err
}

func (f fields) text(name string) string            { s, _ := f[name].(string); return s }
func (f fields) flag(name string) bool              { b, _ := f[name].(bool); return b }
func (f fields) number(name string) int64           { n, _ := f[name].(int64); return n }
func (f fields) bytes(name string) []byte           { b, _ := f[name].([]byte); return b }
func (f fields) duration(name string) time.Duration { return time.Duration(f.number(name)) }
func (f fields) list(name string) []any             { l, _ := f[name].([]any); return l }
func (f fields) table(name string) fields           { t, _ := f[name].(protocol.Table); return fields(t) }

func (f fields) fault(name string) error {
	t := f.table(name)
	if t == nil {
		return nil
	}
	exc, err := protocol.DecodeException(codec.JSON(t.bytes("exception")))
	if err != nil {
		return errors.New(t.text("text"))
	}
	return &fault{text: t.text("text"), exception: exc}
}

func childrenField(list []protocol.ResultTuple) []any {
	out := make([]any, 0, len(list))
	for _, c := range list {
		if raw, err := c.AppendJSON(nil); err == nil {
			out = append(out, raw)
		}
	}
	return out
}

func (f fields) tuples(name string) ([]protocol.ResultTuple, error) {
	var out []protocol.ResultTuple
	for _, x := range f.list(name) {
		raw, _ := x.([]byte)
		t, err := protocol.DecodeResultTuple(codec.JSON(raw))
		if err != nil {
			return nil, fmt.Errorf("what the task has sent: %w", err)
		}
		out = append(out, t)
	}
	return out, nil
}
