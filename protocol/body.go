package protocol

import (
	"bytes"
	"fmt"

	"github.com/umbel-go/umbel/codec"
)

// The body of a task message: [args, kwargs, embed] in protocol 2, the members of one object in protocol 1.

// bare is the embed of a task that is no part of a workflow, as Python writes it: nearly all are.
var bare = []byte(`{"callbacks": null, "errbacks": null, "chain": null, "chord": null}`)

// readParts reads the three items of a protocol 2 body.
func (t *Task) readParts(parts []codec.Value) (*Body, error) {
	if len(parts) != 3 {
		return nil, t.invalid("the body has %d items, want [args, kwargs, embed]", len(parts))
	}
	b := new(Body)
	if err := t.readArguments(b, parts[0], parts[1]); err != nil {
		return nil, err
	}
	embed := parts[2]
	if bytes.Equal(embed.Raw(), bare) || embed.IsNull() {
		return b, nil
	}
	if kind := kindOf(embed); kind != objectKind {
		return nil, t.invalid("the embed is %s, want an object", kind)
	}
	fields, err := members(embed)
	if err != nil {
		return nil, t.undecodable(err)
	}
	for _, f := range fields {
		if !b.Embed.read(f, &err) && err == nil {
			b.Embed.Extra = append(b.Embed.Extra, f)
		}
		if err != nil {
			return nil, t.invalid("embed: %v", err)
		}
	}
	return b, nil
}

// readFields reads the members of a protocol 1 body that are not header fields.
func (t *Task) readFields(fields []codec.NamedValue) (*Body, error) {
	b := new(Body)
	args, _ := field(fields, "args")
	kwargs, _ := field(fields, "kwargs")
	if err := t.readArguments(b, args, kwargs); err != nil {
		return nil, err
	}
	var err error
	for _, f := range fields {
		if f.Name == "chain" { // protocol 1 has none; Celery ignores it
			continue
		}
		if b.Embed.read(f, &err); err != nil {
			return nil, t.invalid("%v", err)
		}
	}
	return b, nil
}

func (t *Task) readArguments(b *Body, args, kwargs codec.Value) error {
	if kind := kindOf(args); kind != arrayKind && kind != nullKind {
		return t.invalid("Task positional arguments must be an array, got %s", kind)
	}
	if kind := kindOf(kwargs); kind != objectKind && kind != nullKind {
		return t.invalid("Task keyword arguments must be a mapping, got %s", kind)
	}
	var err error
	if b.Args, err = elements(args); err != nil {
		return t.undecodable(err)
	}
	if b.Kwargs, err = members(kwargs); err != nil {
		return t.undecodable(err)
	}
	return nil
}

// read takes one member of an embed and reports whether it is one that an Embed knows.
func (e *Embed) read(f codec.NamedValue, err *error) bool {
	switch f.Name {
	case "callbacks":
		e.Callbacks, *err = readSignatures(f)
	case "errbacks":
		e.Errbacks, *err = readSignatures(f)
	case "chain":
		e.Chain, *err = readSignatures(f)
	case "chord":
		e.Chord = nil
		if !f.Value.IsNull() {
			if e.Chord, *err = DecodeSignature(f.Value); *err != nil {
				*err = fmt.Errorf("chord: %w", *err)
			}
		}
	default:
		return false
	}
	return true
}

// readSignatures reads a list of signatures; one alone is a list of one, null is nil.
func readSignatures(f codec.NamedValue) ([]*Signature, error) {
	items := []codec.Value{f.Value}
	switch kindOf(f.Value) {
	case nullKind:
		return nil, nil
	case objectKind:
	default:
		var err error
		if items, err = elements(f.Value); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	out := make([]*Signature, len(items))
	for i, item := range items {
		var err error
		if out[i], err = DecodeSignature(item); err != nil {
			return nil, fmt.Errorf("%s, item %d: %w", f.Name, i, err)
		}
	}
	return out, nil
}

// appendJSON writes the body of protocol 2.
func (b *Body) appendJSON(dst []byte) ([]byte, error) {
	dst, err := appendArray(append(dst, '['), b.Args)
	if err != nil {
		return nil, fmt.Errorf("args: %w", err)
	}
	if dst, err = appendObject(append(dst, ", "...), b.Kwargs); err != nil {
		return nil, fmt.Errorf("kwargs: %w", err)
	}
	if dst, err = b.Embed.appendJSON(append(dst, ", "...)); err != nil {
		return nil, fmt.Errorf("embed: %w", err)
	}
	return append(dst, ']'), nil
}

func (e *Embed) appendJSON(dst []byte) ([]byte, error) {
	if e.Callbacks == nil && e.Errbacks == nil && e.Chain == nil && e.Chord == nil && len(e.Extra) == 0 {
		return append(dst, bare...), nil
	}
	dst, err := appendSignatures(append(dst, `{"callbacks": `...), e.Callbacks)
	if err != nil {
		return nil, fmt.Errorf("callbacks: %w", err)
	}
	if dst, err = appendSignatures(append(dst, `, "errbacks": `...), e.Errbacks); err != nil {
		return nil, fmt.Errorf("errbacks: %w", err)
	}
	if dst, err = appendSignatures(append(dst, `, "chain": `...), e.Chain); err != nil {
		return nil, fmt.Errorf("chain: %w", err)
	}
	if dst, err = appendSignature(append(dst, `, "chord": `...), e.Chord); err != nil {
		return nil, fmt.Errorf("chord: %w", err)
	}
	return appendMore(dst, e.Extra)
}

// appendMore writes the remaining members of an object that has some already, and closes it.
func appendMore(dst []byte, fields []codec.NamedValue) ([]byte, error) {
	var err error
	for _, f := range fields {
		dst = append(appendString(append(dst, ", "...), f.Name), ": "...)
		if dst, err = f.Value.AppendJSON(dst); err != nil {
			return nil, fmt.Errorf("%q: %w", f.Name, err)
		}
	}
	return append(dst, '}'), nil
}

func appendSignatures(dst []byte, list []*Signature) ([]byte, error) {
	if list == nil {
		return append(dst, "null"...), nil
	}
	dst = append(dst, '[')
	var err error
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if dst, err = appendSignature(dst, s); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return append(dst, ']'), nil
}

func appendSignature(dst []byte, s *Signature) ([]byte, error) {
	if s == nil {
		return append(dst, "null"...), nil
	}
	return s.AppendJSON(dst)
}
