package umbel

import (
	"context"
	"fmt"
	"slices"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// A Step is what can stand in a workflow: a Signature, or a TypedSignature.
type Step interface{ step() *Signature }

// A Signature is a call of a task that has not been made yet, or a workflow of such calls: a chain, a group, a chord. It
// can be sent, sent again, put into other workflows, or passed to a task as an argument. It never changes: methods return
// changed copies, so that one signature may be used from many goroutines. Celery: Signature.
type Signature struct {
	app *App // that sends it; nil when it came in a message

	kind      kind
	task      string // name, of a call
	args      []codec.Value
	kwargs    []codec.NamedValue
	immutable bool
	options   wireOptions // all but the four below

	link      []*Signature // what follows a success
	linkError []*Signature // what follows a failure
	chord     *Signature   // the body of the chord that this is a part of
	chain     []*Signature // what follows in a chain, the next step last; nil is none, empty is the end of a chain

	tasks []*Signature // of a chain or group
	head  *Signature   // of a chord: its header, a group
	body  *Signature   // of a chord

	extra []codec.NamedValue // unknown keys of a received one
	err   error              // the first mistake made in building it, returned by Send
}

// kind is Celery's subtask_type.
type kind string

const (
	oneTask kind = ""
	aChain  kind = "chain"
	aGroup  kind = "group"
	aChord  kind = "chord"
)

// A TypedSignature is a Signature whose result type is known.
type TypedSignature[Out any] struct{ *Signature }

func (s *Signature) step() *Signature { return s }

// S is the signature of a call of the task: with an input, or without one when the result of the step before it in a
// chain is its whole input. That result comes as the first positional argument. Celery: task.s(…).
func (t *Task[In, Out]) S(in ...In) TypedSignature[Out] {
	return TypedSignature[Out]{newSignature(t.app, t.def.name, in)}
}

// SI is S, but the call takes nothing from the step before it. Celery: task.si(…).
func (t *Task[In, Out]) SI(in ...In) TypedSignature[Out] {
	s := newSignature(t.app, t.def.name, in)
	s.immutable = true
	return TypedSignature[Out]{s}
}

// Partial is S with a part of the arguments only: what the step before it returns comes in front of them.
// Celery: task.s(…).
func (t *Task[In, Out]) Partial(args Args) TypedSignature[Out] {
	return TypedSignature[Out]{t.app.Signature(t.def.name, args)}
}

func newSignature[In any](a *App, name string, in []In) *Signature {
	switch len(in) {
	case 0:
		return a.Signature(name, nil)
	case 1:
		return a.Signature(name, in[0])
	}
	s := a.Signature(name, nil)
	s.err = fmt.Errorf("signature of %q: %d inputs were given, want one or none", name, len(in))
	return s
}

// Signature is a call of a task by name: registered here or anywhere. in is as with App.Send. Celery: app.signature.
func (a *App) Signature(name string, in any, options ...SendOption) *Signature {
	body := unbind(in)
	s := &Signature{app: a, task: name, args: body.Args, kwargs: body.Kwargs}
	if name == "" {
		s.err = fmt.Errorf("signature: the task has no name")
	}
	if len(options) > 0 {
		s = s.Set(options...)
	}
	return s
}

// Typed declares the type of a step's result.
func Typed[Out any](s Step) TypedSignature[Out] { return TypedSignature[Out]{s.step()} }

// clone is a copy whose own fields may be changed; what it points to is shared.
func (s *Signature) clone() *Signature {
	c := *s
	c.options = slices.Clip(c.options)
	return &c
}

// Task is the name of the task, or celery.chain, celery.group, celery.chord.
func (s *Signature) Task() string {
	if s.kind != oneTask {
		return "celery." + string(s.kind)
	}
	return s.task
}

// Set adds options of the send. Those of a group are its members', those of a chain its first step's, those of a chord its
// members' and its body's. Celery: set.
func (s *Signature) Set(options ...SendOption) *Signature {
	c := s.clone()
	o := newOptions()
	for _, opt := range options {
		opt.applySend(o)
	}
	if o.err != nil && c.err == nil {
		c.err = o.err
	}
	for _, f := range o.wire() {
		c.options = c.options.with(f.Name, f.Value)
	}
	c.link = append(slices.Clip(c.link), o.link...)
	c.linkError = append(slices.Clip(c.linkError), o.linkError...)
	return c
}

// Immutable makes the call take nothing from the step before it. Celery: set_immutable.
func (s *Signature) Immutable() *Signature {
	c := s.clone()
	c.immutable = true
	return c
}

// Link runs steps when this one has succeeded, with its result in front of their arguments. Of a chain it is the last
// step that counts, of a chord the body, of a group its first member. Celery: link.
func (s *Signature) Link(steps ...Step) *Signature {
	c := s.clone()
	c.link = append(slices.Clip(c.link), stepsOf(steps)...)
	return c
}

// OnError runs steps when this one, or any step of a chain, has failed for good, with the failed task's id in front of
// their arguments. A task registered with RegisterErrback is called at once, in the worker that saw the failure.
// Celery: link_error, on_error.
func (s *Signature) OnError(steps ...Step) *Signature {
	c := s.clone()
	c.linkError = append(slices.Clip(c.linkError), stepsOf(steps)...)
	return c
}

func stepsOf(steps []Step) []*Signature {
	out := make([]*Signature, len(steps))
	for i, s := range steps {
		out[i] = s.step()
	}
	return out
}

// Send starts it and returns a handle on its result once the broker has confirmed all first messages. For a group the
// handle is on its first member: use SendGroup. Celery: apply_async.
func (s *Signature) Send(ctx context.Context, options ...SendOption) (*AsyncResult, error) {
	h, err := s.send(ctx, options)
	if err != nil {
		return nil, err
	}
	if h.result == nil {
		return nil, fmt.Errorf("send %s: an empty group has no result to wait for: use SendGroup", s.Task())
	}
	return h.result, nil
}

// SendGroup is Send with a handle on all members of a group. Anything else is a group of one.
func (s *Signature) SendGroup(ctx context.Context, options ...SendOption) (*GroupResult, error) {
	h, err := s.send(ctx, options)
	if err != nil {
		return nil, err
	}
	if h.group == nil {
		return &GroupResult{app: s.app, members: []*AsyncResult{h.result}}, nil
	}
	return h.group, nil
}

// Send starts it: see Signature.Send.
func (s TypedSignature[Out]) Send(ctx context.Context, options ...SendOption) (*Result[Out], error) {
	r, err := s.Signature.Send(ctx, options...)
	if err != nil {
		return nil, err
	}
	return &Result[Out]{AsyncResult: r}, nil
}

// Set is Signature.Set.
func (s TypedSignature[Out]) Set(options ...SendOption) TypedSignature[Out] {
	return TypedSignature[Out]{s.Signature.Set(options...)}
}

// Immutable is Signature.Immutable.
func (s TypedSignature[Out]) Immutable() TypedSignature[Out] {
	return TypedSignature[Out]{s.Signature.Immutable()}
}

// Link is Signature.Link.
func (s TypedSignature[Out]) Link(steps ...Step) TypedSignature[Out] {
	return TypedSignature[Out]{s.Signature.Link(steps...)}
}

// OnError is Signature.OnError.
func (s TypedSignature[Out]) OnError(steps ...Step) TypedSignature[Out] {
	return TypedSignature[Out]{s.Signature.OnError(steps...)}
}

// Link runs steps when the task has succeeded: see Signature.Link. Celery: link.
func Link(steps ...Step) SendOption {
	return sendOption(func(s *sendOptions) { s.link = append(s.link, stepsOf(steps)...) })
}

// LinkError runs steps when the task has failed: see Signature.OnError. Celery: link_error.
func LinkError(steps ...Step) SendOption {
	return sendOption(func(s *sendOptions) { s.linkError = append(s.linkError, stepsOf(steps)...) })
}

// MarshalJSON writes the signature as Celery does, so that it can be an argument or a result of a task.
func (s *Signature) MarshalJSON() ([]byte, error) {
	if err := s.problem(); err != nil {
		return nil, err
	}
	w, err := s.wire()
	if err != nil {
		return nil, err
	}
	return w.AppendJSON(nil)
}

// UnmarshalJSON reads what MarshalJSON or Celery wrote. Bind gives it the app that sends it.
func (s *Signature) UnmarshalJSON(text []byte) error {
	w, err := protocol.DecodeSignature(codec.JSON(slices.Clone(text)))
	if err != nil {
		return err
	}
	read, err := fromWire(w)
	if err != nil {
		return err
	}
	*s = *read
	return nil
}

// Bind is the signature sent by an app: for one that came as an argument of a task.
func (s *Signature) Bind(a *App) *Signature {
	c := s.clone()
	c.app = a
	return c
}

// problem is the first mistake in the signature or what it holds.
func (s *Signature) problem() error {
	if s == nil {
		return nil
	}
	if s.err != nil {
		return s.err
	}
	for _, list := range [][]*Signature{s.tasks, s.link, s.linkError, {s.head, s.body}} {
		for _, t := range list {
			if err := t.problem(); err != nil {
				return err
			}
		}
	}
	return nil
}
