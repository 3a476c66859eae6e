package umbel

import (
	"context"
	"errors"
	"fmt"

	"github.com/umbel-go/umbel/codec"
)

// Replace runs a step in place of the running task, under its id and with all that follows from it: a handler returns
// what Replace returns. The running task itself then has no result; the step's result is stored under its id. A group
// gives the list of its results. Celery: self.replace.
//
//	return zero, umbel.Replace(ctx, umbel.Chain(load.S(id), parse.S()))
func Replace(ctx context.Context, by Step) error {
	r := RequestFrom(ctx)
	if r == nil || r.app == nil || r.body == nil {
		return errors.New("replace: no task is running here")
	}
	a, s := r.app, by.step()
	if err := s.problem(); err != nil {
		return fmt.Errorf("replace: %w", err)
	}
	if s.chord != nil {
		return &ConfigurationError{Reason: "A signature replacing a task must not be part of a chord"}
	}
	if s.kind == aChain && len(s.steps()) == 0 {
		return &ConfigurationError{Reason: "Cannot replace with an empty chain"}
	}
	if s.kind == aGroup {
		s = gathered(s)
	}
	e := &r.body.Embed
	p := place{group: r.Group}
	s = named(s, r.ID)
	link, err := fromWireAll(e.Callbacks)
	if err == nil {
		s = linked(s, link)
		link, err = fromWireAll(e.Errbacks)
	}
	if err == nil && len(link) > 0 {
		s = s.clone()
		s.linkError = append(s.linkError[:len(s.linkError):len(s.linkError)], link...)
	}
	if err == nil {
		p.chord, err = fromWire(e.Chord)
	}
	if err == nil && e.Chain != nil {
		p.rest, err = fromWireAll(e.Chain)
	}
	if err != nil {
		return fmt.Errorf("replace: %w", err)
	}
	nesting := 1
	if r.task != nil {
		p.index, p.hasIndex = r.task.GroupIndex, r.task.HasGroupIndex
		nesting += r.task.ReplacedTaskNesting
	}
	err = a.follow(ctx, s, nil, p, func(b *starter) { b.nesting = nesting })
	if err != nil {
		return fmt.Errorf("replace: %w", err)
	}
	return &replacedError{}
}

// named gives what s ends in an id.
func named(s *Signature, id string) *Signature {
	c := s.clone()
	switch s.kind {
	case aChain:
		c = &Signature{app: s.app, kind: aChain, tasks: s.steps()}
		last := len(c.tasks) - 1
		if c.tasks[last].kind == aGroup {
			c.tasks[last] = gathered(c.tasks[last])
		}
		c.tasks[last] = named(c.tasks[last], id)
	case aChord:
		if s.body == nil || s.body.kind == aGroup { // several results: one list of them
			c = onePart(s).clone()
		}
		c.body = named(c.body, id)
	default:
		c.options = c.options.with("task_id", codec.Of(id))
	}
	return c
}

// replacedError ends a task without a state, as Ignore does.
type replacedError struct{}

func (*replacedError) Error() string        { return "task was replaced" }
func (*replacedError) Is(target error) bool { return target == Ignore }

// A ConfigurationError says that a workflow makes no sense. Celery: ImproperlyConfigured.
type ConfigurationError struct{ Reason string }

func (e *ConfigurationError) Error() string { return e.Reason }

// PythonException names Celery's class.
func (e *ConfigurationError) PythonException() (module, name string) {
	return "celery.exceptions", "ImproperlyConfigured"
}
