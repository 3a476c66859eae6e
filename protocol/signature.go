package protocol

import (
	"errors"
	"fmt"

	"github.com/umbel-go/umbel/codec"
)

// A Signature is a task call that travels inside another message.
// Celery: celery/canvas.py, Signature; on the wire the six keys task, args, kwargs, options, subtask_type, immutable.
type Signature struct {
	Task        string
	Args        []codec.Value
	Kwargs      []codec.NamedValue
	Options     []codec.NamedValue // publish options by Celery's names: task_id, queue, link, …
	SubtaskType string             // chain, group, chord, …; "" is null
	Immutable   bool
	Extra       []codec.NamedValue // unknown keys, kept
}

// AppendJSON writes the signature with Celery's key order and separators. The error names the value that cannot be
// encoded.
func (s *Signature) AppendJSON(dst []byte) ([]byte, error) {
	dst = appendString(append(dst, `{"task": `...), s.Task)
	dst, err := appendArray(append(dst, `, "args": `...), s.Args)
	if err != nil {
		return nil, fmt.Errorf("signature %q: args: %w", s.Task, err)
	}
	if dst, err = appendObject(append(dst, `, "kwargs": `...), s.Kwargs); err != nil {
		return nil, fmt.Errorf("signature %q: kwargs: %w", s.Task, err)
	}
	if dst, err = appendObject(append(dst, `, "options": `...), s.Options); err != nil {
		return nil, fmt.Errorf("signature %q: options: %w", s.Task, err)
	}
	dst = appendOrNull(append(dst, `, "subtask_type": `...), s.SubtaskType)
	dst = append(dst, `, "immutable": `...)
	if s.Immutable {
		dst = append(dst, "true"...)
	} else {
		dst = append(dst, "false"...)
	}
	if dst, err = appendMore(dst, s.Extra); err != nil {
		return nil, fmt.Errorf("signature %q: %w", s.Task, err)
	}
	return dst, nil
}

// DecodeSignature reads a signature. All keys but task may be missing or null; unknown ones are kept.
func DecodeSignature(v codec.Value) (*Signature, error) {
	if kind := kindOf(v); kind != objectKind {
		return nil, fmt.Errorf("signature: want an object, got %s", kind)
	}
	fields, err := members(v)
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	s := new(Signature)
	for _, f := range fields {
		if err := s.read(f); err != nil {
			return nil, fmt.Errorf("signature %q: %w", s.Task, err)
		}
	}
	if s.Task == "" {
		return nil, errors.New("signature: it has no task name")
	}
	return s, nil
}

func (s *Signature) read(f codec.NamedValue) error {
	var err error
	ok := true
	switch f.Name {
	case "task":
		s.Task, ok = textOf(f.Value)
	case "args":
		s.Args, err = elements(f.Value)
	case "kwargs":
		s.Kwargs, err = members(f.Value)
	case "options":
		s.Options, err = members(f.Value)
	case "subtask_type":
		s.SubtaskType, ok = textOf(f.Value)
	case "immutable":
		var x any
		if x, err = f.Value.Any(); err == nil && x != nil {
			s.Immutable, ok = flag(x)
		}
	default:
		s.Extra = append(s.Extra, f)
	}
	if err == nil && !ok {
		err = fmt.Errorf("unexpected %s", kindOf(f.Value))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil
}
