package umbel

// What follows from a task that has ended. Workers call this, and eager mode.
//
//	SUCCESS   Continue: callbacks and the next step of the chain are published; the document is stored; JoinChord
//	FAILURE   the document is stored; JoinChord; FailRest: later steps get the same document, errbacks are published
//
// All of it is confirmed when the calls return nil, so that the delivery may be acked. All of it may be repeated for a
// message that is delivered again: steps keep the ids that they were given when the workflow was begun.
// Celery: celery/app/trace.py, celery/backends/base.py.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// Follows reports whether anything follows from a task besides its own result.
func Follows(e *protocol.Embed) bool {
	return e.Chord != nil || len(e.Chain) > 0 || len(e.Callbacks) > 0 || len(e.Errbacks) > 0
}

// Resendable reports whether what follows from a task could not be sent for now only: its message should be delivered
// again. Any other error of Continue fails the task.
func Resendable(err error) bool {
	return errors.Is(err, broker.ErrNotSent) || errors.Is(err, broker.ErrUnconfirmed) || errors.Is(err, broker.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// Continue publishes what follows from a success: its callbacks and the next step of its chain, which get value in front
// of their arguments. They are noted as the task's children.
func (a *App) Continue(ctx context.Context, r *Request, e *protocol.Embed, value codec.Value) error {
	if len(e.Callbacks) == 0 && len(e.Chain) == 0 {
		return nil
	}
	ctx = context.WithValue(ctx, requestKey{}, r)
	if err := a.callback(ctx, e, value); err != nil {
		return fmt.Errorf("publish callbacks: %w", err)
	}
	if err := a.nextStep(ctx, r, e, value); err != nil {
		return fmt.Errorf("publish the next step of the chain: %w", err)
	}
	return nil
}

// callback begins the callbacks: one by itself; of several the groups by themselves and the others as one group, as Celery
// does.
func (a *App) callback(ctx context.Context, e *protocol.Embed, value codec.Value) error {
	links, err := fromWireAll(e.Callbacks)
	if err != nil {
		return err
	}
	if len(links) > 1 {
		var others []*Signature
		var groups []*Signature
		for _, s := range links {
			if s.kind == aGroup {
				groups = append(groups, s)
			} else {
				others = append(others, s)
			}
		}
		links = groups
		if len(others) > 0 {
			links = append(links, &Signature{kind: aGroup, tasks: others})
		}
	}
	for _, s := range links {
		if err := a.follow(ctx, s, []codec.Value{value}, place{}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) nextStep(ctx context.Context, r *Request, e *protocol.Embed, value codec.Value) error {
	last := len(e.Chain) - 1
	if last < 0 {
		return nil
	}
	next, err := fromWire(e.Chain[last])
	if err != nil {
		return err
	}
	rest, err := fromWireAll(e.Chain[:last])
	if err != nil {
		return err
	}
	return a.follow(ctx, next, []codec.Value{value}, place{rest: append([]*Signature{}, rest...)}, func(b *starter) {
		b.parent, b.root = r.ID, orID(r.RootID, r.ID)
	})
}

func orID(id, otherwise string) string {
	if id == "" {
		return otherwise
	}
	return id
}

// follow begins a signature from within a task and notes it as a child.
func (a *App) follow(ctx context.Context, s *Signature, in []codec.Value, p place, prepare func(*starter)) error {
	b, err := a.newStarter(ctx)
	if err != nil {
		return err
	}
	if prepare != nil {
		prepare(b)
	}
	t, err := b.start(s, in, p)
	if err == nil {
		err = a.begin(ctx, b)
	}
	if err != nil {
		return err
	}
	if r := RequestFrom(ctx); r != nil {
		r.addTuple(trail(s, t))
	}
	return nil
}

// A Fault is why a task has failed, as documents hold it.
type Fault struct {
	State     State // Failure or Revoked
	Exception *protocol.Exception
	Traceback string
}

// FailRest does what follows from a failure once its document is stored: the steps of the chain that now never run get the
// same document, and the errbacks are called. revoked tasks call none, as in Celery.
func (a *App) FailRest(ctx context.Context, r *Request, e *protocol.Embed, f Fault) error {
	if len(e.Chain) == 0 && len(e.Errbacks) == 0 {
		return nil
	}
	ctx = context.WithValue(ctx, requestKey{}, r)
	rest, err := fromWireAll(e.Chain)
	if err != nil {
		return fmt.Errorf("mark the rest of the chain: %w", err)
	}
	for i := len(rest) - 1; i >= 0; i-- {
		if err := a.markFailed(ctx, rest[i], f); err != nil {
			return fmt.Errorf("mark the rest of the chain: %w", err)
		}
	}
	if f.State != Failure {
		return nil
	}
	links, err := fromWireAll(e.Errbacks)
	if err == nil {
		err = a.errbacks(ctx, r, links, f)
	}
	if err != nil {
		return fmt.Errorf("publish errbacks: %w", err)
	}
	return nil
}

// markFailed gives a signature that never runs, and what would have followed it in a chain, the document of what kept it from
// running, and counts each as a failed part where it is a part of a chord.
func (a *App) markFailed(ctx context.Context, s *Signature, f Fault) error {
	if err := a.markOne(ctx, s, f); err != nil {
		return err
	}
	for i := len(s.chain) - 1; i >= 0; i-- {
		if err := a.markFailed(ctx, s.chain[i], f); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) markOne(ctx context.Context, s *Signature, f Fault) error {
	switch s.kind {
	case aChain, aGroup:
		for _, t := range s.tasks {
			if err := a.markFailed(ctx, t, f); err != nil {
				return err
			}
		}
		return nil
	case aChord:
		for _, t := range s.head.tasks {
			t = t.clone()
			t.chord = nil // the body is marked by itself
			if err := a.markFailed(ctx, t, f); err != nil {
				return err
			}
		}
		if s.body == nil {
			return nil
		}
		return a.markFailed(ctx, s.body, f)
	}
	id := s.options.text("task_id")
	if id == "" {
		return nil
	}
	doc := &protocol.Result{TaskID: id, Status: f.State, Result: f.Exception.Value(), Traceback: f.Traceback,
		HasTraceback: f.Traceback != "", HasChildren: true, DateDone: time.Now(), GroupID: s.options.text("group_id"),
		ParentID: s.options.text("parent_id"), ReplyTo: s.options.text("reply_to"), CorrelationID: id}
	if err := a.storeDocument(ctx, doc); err != nil {
		return err
	}
	if s.chord == nil {
		return nil
	}
	index, has := s.options.number("group_index")
	return a.join(ctx, backend.ChordPart{Group: s.options.text("group_id"), TaskID: id, Index: index, HasIndex: has,
		State: f.State, Result: doc.Result}, s.chord)
}

// storeDocument stores one document, unless results are disabled.
func (a *App) storeDocument(ctx context.Context, doc *protocol.Result) error {
	if e := eagerRun(ctx); e != nil {
		e.put(doc)
		return nil
	}
	store, err := a.Backend(ctx)
	if errors.Is(err, ErrNoBackend) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, err := range store.Store(ctx, []*protocol.Result{doc}) {
		if err != nil {
			return err
		}
	}
	return nil
}

// errbacks calls those that are registered here for it, and publishes the others as a group, with the failed task's id in
// front of their arguments.
func (a *App) errbacks(ctx context.Context, r *Request, links []*Signature, f Fault) error {
	var others []*Signature
	for _, s := range links {
		d := (*Definition)(nil)
		if s.kind == oneTask {
			d = a.definition(s.task)
		}
		if d == nil || d.errback == nil {
			others = append(others, s)
			continue
		}
		if err := a.callErrback(ctx, d, r, f); err != nil {
			a.Logger().Error("errback returned an error", "errback", s.task, "task", r.Name, "id", r.ID, "error", err)
		}
	}
	if len(others) == 0 {
		return nil
	}
	return a.follow(ctx, &Signature{kind: aGroup, tasks: others}, []codec.Value{codec.Of(r.ID)}, place{}, nil)
}

func (a *App) callErrback(ctx context.Context, d *Definition, r *Request, f Fault) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p}
		}
	}()
	return d.errback(ctx, r, f)
}

// An Errback is told of a task that has failed: new style, in the worker that saw it.
type Errback func(ctx context.Context, failed *Request, f Fault) error

// RegisterErrback makes a function known under a name that OnError and LinkError may use. Workers that have it call it
// themselves, at once, with the failed task's request; it is never sent as a message. An error or panic is logged.
// Celery: an errback task with the parameters request, exc and traceback.
func RegisterErrback(a *App, name string, f Errback) {
	if f == nil {
		panic(fmt.Sprintf("umbel: errback %q has no function", name))
	}
	t := Register(a, name, func(context.Context, Args) (any, error) {
		return nil, Permanent(fmt.Errorf("%s is an errback that is called where a task fails: it cannot be sent as a task", name))
	})
	t.def.errback = f
}
