package umbel

// Signatures on the wire: what Celery writes as {"task", "args", "kwargs", "options", "subtask_type", "immutable"}, with
// workflows as calls of celery.chain, celery.group and celery.chord whose keyword arguments hold the parts.
// Celery: celery/canvas.py.

import (
	"errors"
	"fmt"
	"strings"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// wire is the signature as it is written.
func (s *Signature) wire() (*protocol.Signature, error) {
	if s == nil {
		return nil, nil
	}
	w := &protocol.Signature{Task: s.Task(), Args: s.args, Kwargs: s.kwargs, SubtaskType: string(s.kind), Immutable: s.immutable,
		Extra: s.extra, Options: s.options}
	var err error
	switch s.kind {
	case aChain, aGroup:
		w.Kwargs, err = addSignatures(w.Kwargs, "tasks", s.tasks)
	case aChord:
		w.Kwargs = append(w.Kwargs[:len(w.Kwargs):len(w.Kwargs)], codec.NamedValue{Name: "kwargs", Value: codec.JSON([]byte("{}"))})
		if w.Kwargs, err = addSignature(w.Kwargs, "header", s.head); err == nil {
			w.Kwargs, err = addSignature(w.Kwargs, "body", s.body)
		}
	}
	if err == nil && s.link != nil {
		w.Options, err = addSignatures(w.Options, "link", s.link)
	}
	if err == nil && s.linkError != nil {
		w.Options, err = addSignatures(w.Options, "link_error", s.linkError)
	}
	if err == nil && s.chord != nil {
		w.Options, err = addSignature(w.Options, "chord", s.chord)
	}
	if err == nil && s.chain != nil {
		w.Options, err = addSignatures(w.Options, "chain", s.chain)
	}
	return w, err
}

func addSignature(to []codec.NamedValue, name string, s *Signature) ([]codec.NamedValue, error) {
	text := []byte("null")
	if s != nil {
		w, err := s.wire()
		if err == nil {
			text, err = w.AppendJSON(nil)
		}
		if err != nil {
			return nil, err
		}
	}
	return append(to[:len(to):len(to)], codec.NamedValue{Name: name, Value: codec.JSON(text)}), nil
}

func addSignatures(to []codec.NamedValue, name string, list []*Signature) ([]codec.NamedValue, error) {
	text := []byte{'['}
	for i, s := range list {
		if i > 0 {
			text = append(text, ", "...)
		}
		w, err := s.wire()
		if err == nil {
			text, err = w.AppendJSON(text)
		}
		if err != nil {
			return nil, err
		}
	}
	return append(to[:len(to):len(to)], codec.NamedValue{Name: name, Value: codec.JSON(append(text, ']'))}), nil
}

func wireAll(list []*Signature) ([]*protocol.Signature, error) {
	if list == nil {
		return nil, nil
	}
	out := make([]*protocol.Signature, len(list))
	var err error
	for i, s := range list {
		if out[i], err = s.wire(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fromWire reads a signature and all that it holds.
func fromWire(w *protocol.Signature) (*Signature, error) {
	if w == nil {
		return nil, nil
	}
	s := &Signature{kind: kind(w.SubtaskType), task: w.Task, args: w.Args, immutable: w.Immutable, extra: w.Extra}
	if rest, ok := strings.CutPrefix(w.Task, "celery."); ok && s.kind == oneTask {
		switch kind(rest) {
		case aChain, aGroup, aChord:
			s.kind = kind(rest)
		}
	}
	var err error
	switch s.kind {
	case aChain, aGroup, aChord:
		s.task = ""
		err = s.readParts(w.Kwargs)
	default: // xmap and the like are calls of one task
		s.kind, s.kwargs = oneTask, w.Kwargs
	}
	if err == nil {
		err = s.readOptions(w.Options)
	}
	if err != nil {
		return nil, fmt.Errorf("signature %q: %w", w.Task, err)
	}
	return s, nil
}

func fromWireAll(list []*protocol.Signature) ([]*Signature, error) {
	if list == nil {
		return nil, nil
	}
	out := make([]*Signature, len(list))
	var err error
	for i, w := range list {
		if out[i], err = fromWire(w); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Signature) readParts(kwargs []codec.NamedValue) (err error) {
	for _, f := range kwargs {
		switch {
		case f.Name == "tasks" && s.kind != aChord:
			s.tasks, err = readSignatures(f.Value)
		case f.Name == "header" && s.kind == aChord:
			s.head, err = readHeader(f.Value)
		case f.Name == "body" && s.kind == aChord:
			s.body, err = readSignature(f.Value)
		case f.Name == "kwargs" && s.kind == aChord:
		default:
			s.kwargs = append(s.kwargs, f)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if s.kind == aChord && s.head == nil {
		return errors.New("the chord has no header")
	}
	return nil
}

// readHeader reads a group, or the bare list of its members.
func readHeader(v codec.Value) (*Signature, error) {
	if s, err := readSignature(v); err == nil && s != nil && s.kind == aGroup {
		return s, nil
	}
	tasks, err := readSignatures(v)
	return &Signature{kind: aGroup, tasks: tasks}, err
}

func (s *Signature) readOptions(options []codec.NamedValue) (err error) {
	for _, f := range options {
		switch f.Name {
		case "link":
			s.link, err = readSignatures(f.Value)
		case "link_error":
			s.linkError, err = readSignatures(f.Value)
		case "chain":
			s.chain, err = readSignatures(f.Value)
		case "chord":
			s.chord, err = readSignature(f.Value)
		default:
			s.options = append(s.options, f)
		}
		if err != nil {
			return fmt.Errorf("option %s: %w", f.Name, err)
		}
	}
	return nil
}

func readSignature(v codec.Value) (*Signature, error) {
	if v.IsNull() {
		return nil, nil
	}
	w, err := protocol.DecodeSignature(v)
	if err != nil {
		return nil, err
	}
	return fromWire(w)
}

// readSignatures reads a list of signatures; one alone is a list of one.
func readSignatures(v codec.Value) ([]*Signature, error) {
	if v.IsNull() {
		return nil, nil
	}
	items, err := elementsOf(v)
	if err != nil {
		one, oneErr := readSignature(v)
		if oneErr != nil {
			return nil, err
		}
		return []*Signature{one}, nil
	}
	out := make([]*Signature, len(items))
	for i, item := range items {
		if out[i], err = readSignature(item); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		if out[i] == nil {
			return nil, fmt.Errorf("item %d: want a signature, got null", i)
		}
	}
	return out, nil
}

// elementsOf are the elements of a list.
func elementsOf(v codec.Value) ([]codec.Value, error) {
	if raw := v.Raw(); raw != nil {
		return codec.SplitArray(raw)
	}
	x, err := v.Any()
	if err != nil {
		return nil, err
	}
	list, ok := x.([]any)
	if !ok {
		return nil, fmt.Errorf("want a list, got %T", x)
	}
	out := make([]codec.Value, len(list))
	for i, item := range list {
		out[i] = codec.Of(item)
	}
	return out, nil
}
