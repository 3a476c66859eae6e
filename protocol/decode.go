package protocol

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/umbel-go/umbel/codec"
)

// Reading a task message, in two steps: the header when the message arrives, the body when the task runs.
//
//	task header?  yes ─► protocol 2: fields from the header table; the body waits for DecodeBody
//	              yes, and the body is an object ─► hybrid: body fields, then headers on top
//	              no  ─► protocol 1: everything is in the body
//
// Celery: celery/worker/strategy.py (proto1_to_proto2, hybrid_to_proto2), celery/worker/consumer/consumer.py.

// DecodeTask reads the header of a task message. The task keeps env's headers and body, which must not change any more.
//
// A body of protocol 2 is not decoded; it must only be there and have a content type that o.Accept takes. When that alone
// is wrong the task is returned beside the error, for those who look at messages without running them. Messages of protocol 1 and
// hybrid ones are decoded whole. Errors are *InvalidTaskError (Celery rejects), *DecodeError (Celery acknowledges) and
// ErrUnknownMessage (Celery rejects); errors.As finds *codec.DisallowedError in the first two.
func DecodeTask(env *Envelope, o DecodeOptions) (*Task, error) {
	t := &Task{Version: 2, Properties: env.Properties, Headers: env.Headers, raw: env.Body}
	if _, ok := env.Headers["task"]; !ok {
		t.Version = 1
		if err := t.decodeOne(o); err != nil {
			return nil, err
		}
		return t, nil
	}
	if t.isHybrid(o) {
		if err := t.decodeHybrid(o); err != nil {
			return nil, err
		}
		return t, nil
	}
	if err := t.readHeaders(env.Headers); err != nil {
		return nil, err
	}
	if err := t.readable(o.Accept); err != nil {
		return t, err
	}
	return t, nil
}

// DecodeBody decompresses and decodes the body of a received task, once: later calls return the same Body. It must not
// be called from several goroutines at a time. Errors are *DecodeError and *InvalidTaskError.
func (t *Task) DecodeBody(o DecodeOptions) (*Body, error) {
	if t.body != nil {
		return t.body, nil
	}
	if err := t.readable(o.Accept); err != nil {
		return nil, err
	}
	plain, err := t.plain(o)
	if err != nil {
		return nil, err
	}
	if isJSON(&t.Properties) && firstByte(plain) == '[' { // nearly always
		parts, err := codec.SplitArray(plain)
		if err == nil {
			err = checkTyped(plain)
		}
		if err != nil {
			return nil, t.undecodable(err)
		}
		return t.keep(t.readParts(parts))
	}
	v, err := codec.UnmarshalValue(t.Properties.ContentType, t.Properties.ContentEncoding, plain)
	if err == nil {
		err = checkTyped(v.Raw())
	}
	if err != nil {
		return nil, t.undecodable(err)
	}
	if kindOf(v) == objectKind {
		fields, err := members(v)
		if err != nil {
			return nil, t.undecodable(err)
		}
		if _, ok := field(fields, "args"); ok {
			return t.keep(t.readFields(fields))
		}
	}
	if kindOf(v) != arrayKind {
		return nil, t.invalid("the body is %s, want [args, kwargs, embed]", kindOf(v))
	}
	parts, err := elements(v)
	if err != nil {
		return nil, t.undecodable(err)
	}
	return t.keep(t.readParts(parts))
}

// keep caches a decoded body.
func (t *Task) keep(b *Body, err error) (*Body, error) {
	if err != nil {
		return nil, err
	}
	t.body = b
	return b, nil
}

// readable checks what is known of the body without looking into it.
func (t *Task) readable(accept codec.Accept) error {
	if len(t.raw) == 0 {
		return t.invalid("the body is empty, want [args, kwargs, embed]")
	}
	if t.Properties.ContentType == "" {
		return t.invalid("the message has no content type, so its body cannot be decoded")
	}
	if err := accept.Check(t.Properties.ContentType); err != nil {
		return &InvalidTaskError{ID: t.ID, Name: t.Name, Reason: err.Error(), Err: err}
	}
	return nil
}

// plain is the body without compression.
func (t *Task) plain(o DecodeOptions) ([]byte, error) {
	v := t.Headers["compression"]
	if v == nil {
		return t.raw, nil
	}
	mime, ok := text(v)
	if !ok {
		return nil, t.undecodable(fmt.Errorf("header compression is %s, want a MIME type", shown(v)))
	}
	if mime == "" {
		return t.raw, nil
	}
	plain, err := codec.Decompress(mime, t.raw, o.limit())
	if err != nil {
		return nil, t.undecodable(err)
	}
	return plain, nil
}

// decodeOne reads a message of protocol 1.
func (t *Task) decodeOne(o DecodeOptions) error {
	p := &t.Properties
	t.ID = p.CorrelationID // all that is known of it until its body is read
	if err := o.Accept.Check(orText(p.ContentType, "application/data")); err != nil {
		return t.undecodable(err)
	}
	fields, err := t.objectFields(o)
	if errors.Is(err, errNoObject) {
		return ErrUnknownMessage
	}
	if err != nil {
		return err
	}
	if name, ok := field(fields, "task"); !ok || name.IsNull() {
		return ErrUnknownMessage
	}
	h, err := headersOf(fields)
	if err != nil {
		return t.undecodable(err)
	}
	if set := h["taskset"]; set != nil {
		h["group"] = set
	}
	if err := t.readHeaders(h); err != nil {
		return err
	}
	if _, err := t.keep(t.readFields(fields)); err != nil {
		return err
	}
	t.ArgsRepr, t.KwargsRepr = reprList(t.body.Args), codec.ReprKwargs(t.body.Kwargs)
	return nil
}

// decodeHybrid reads a message with headers of protocol 2 and a body of protocol 1.
func (t *Task) decodeHybrid(o DecodeOptions) error {
	t.Name, _ = text(t.Headers["task"])
	t.ID, _ = text(t.Headers["id"])
	fields, err := t.objectFields(o)
	if errors.Is(err, errNoObject) {
		return t.invalid("%v", err)
	}
	if err != nil {
		return err
	}
	h, err := headersOf(fields)
	if err != nil {
		return t.undecodable(err)
	}
	for name, v := range t.Headers {
		h[name] = v
	}
	if err := t.readHeaders(h); err != nil {
		return err
	}
	if _, ok := field(fields, "args"); !ok {
		return t.invalid("the body is an object without args, want [args, kwargs, embed]")
	}
	_, err = t.keep(t.readFields(fields))
	return err
}

var errNoObject = errors.New("the body is not an object")

// objectFields decodes a body that should be one object.
func (t *Task) objectFields(o DecodeOptions) ([]codec.NamedValue, error) {
	plain, err := t.plain(o)
	if err != nil {
		return nil, err
	}
	if len(plain) == 0 {
		return nil, errNoObject
	}
	p := &t.Properties
	v, err := codec.UnmarshalValue(orText(p.ContentType, "application/data"), p.ContentEncoding, plain)
	if err == nil {
		err = checkTyped(v.Raw())
	}
	if err != nil {
		return nil, t.undecodable(err)
	}
	if kindOf(v) != objectKind {
		return nil, errNoObject
	}
	fields, err := members(v)
	if err != nil {
		return nil, t.undecodable(err)
	}
	return fields, nil
}

// headersOf turns the fields of a protocol 1 body, except the arguments and signatures, into header values.
func headersOf(fields []codec.NamedValue) (Table, error) {
	h := make(Table, len(fields))
	for _, f := range fields {
		if !known[f.Name] && f.Name != "taskset" {
			continue
		}
		v, err := f.Value.Any()
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		h[f.Name] = v
	}
	return h, nil
}

// reprList shows arguments as Celery shows those of protocol 1: as a list, not a tuple.
func reprList(args []codec.Value) string {
	items := make([]any, len(args))
	for i, a := range args {
		v, err := a.Any()
		if err != nil {
			return codec.ReprArgs(args)
		}
		items[i] = v
	}
	return codec.Repr(items)
}

// isHybrid reports whether the body of a message with a task header is an object.
func (t *Task) isHybrid(o DecodeOptions) bool {
	if len(t.raw) == 0 || t.Properties.ContentType == "" || o.Accept.Check(t.Properties.ContentType) != nil {
		return false
	}
	if t.Headers["compression"] == nil {
		if isJSON(&t.Properties) {
			return firstByte(t.raw) == '{'
		}
		if t.Properties.ContentType == "application/x-msgpack" {
			c := t.raw[0]
			return c&0xf0 == 0x80 || c == 0xde || c == 0xdf
		}
	}
	// It cannot be seen from outside. A header that lacks what every sender of protocol 2 writes is reason to look: the
	// ETA may be in the body.
	if _, complete := t.Headers["timelimit"]; complete {
		return false
	}
	fields, err := t.objectFields(o)
	if err != nil {
		return false
	}
	_, ok := field(fields, "args")
	return ok
}

func isJSON(p *Properties) bool {
	return p.ContentType == "application/json" && (p.ContentEncoding == "utf-8" || p.ContentEncoding == "")
}

// checkTyped decodes JSON text that holds typed values, so that one of unknown type makes the message undecodable now, as
// in Celery, and not the task fail later. Other text is left alone.
func checkTyped(text []byte) error {
	if !bytes.Contains(text, []byte("__type__")) {
		return nil
	}
	_, err := codec.JSON(text).Any()
	return err
}

// firstByte is the first byte that is not white space, or 0.
func firstByte(b []byte) byte {
	for _, c := range b {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
	}
	return 0
}

func (t *Task) undecodable(err error) error {
	return &DecodeError{ID: t.ID, Name: t.Name, Err: err}
}
