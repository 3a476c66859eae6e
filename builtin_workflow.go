package umbel

// Tasks of Celery's own that start or join workflows. Clients of today send the workflows' parts instead; these come from
// older ones, from result stores that do not count, and from programs that call them by name.
// Celery: celery/app/builtins.py.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

const chordUnlock = "celery.chord_unlock"

// unlockInterval is how often celery.chord_unlock looks when the message does not say. Celery: result_chord_retry_interval.
const unlockInterval = time.Second

func (a *App) addWorkflowTasks(add func(name string, run func(context.Context, *protocol.Body) (any, error)) *Definition) {
	add("celery.chain", func(context.Context, *protocol.Body) (any, error) {
		return nil, notImplemented("chain is not a real task")
	})
	add("celery.group", a.runGroup)
	add("celery.chord", a.runChord)
	add("celery.chunks", a.runChunks)
	d := add(chordUnlock, a.runChordUnlock)
	d.options.retry = &Retry{Max: NoLimit}
	d.options.send.ignoreResult = new(true)
}

type notImplemented string

func (e notImplemented) Error() string { return string(e) }

// PythonException names the class.
func (notImplemented) PythonException() (module, name string) {
	return "builtins", "NotImplementedError"
}

// argumentsOf are a message's arguments by their names, however they came. What has no name here is left out.
func argumentsOf(body *protocol.Body, names ...string) map[string]codec.Value {
	out := make(map[string]codec.Value, len(names))
	for i, v := range body.Args[:min(len(body.Args), len(names))] {
		out[names[i]] = v
	}
	for _, kw := range body.Kwargs {
		out[kw.Name] = kw.Value
	}
	for name, v := range out {
		if v.IsNull() {
			delete(out, name)
		}
	}
	return out
}

// runGroup sends the members, each with the partial arguments in front of its own, and returns the result it was given.
func (a *App) runGroup(ctx context.Context, body *protocol.Body) (any, error) {
	in := argumentsOf(body, "tasks", "result", "group_id", "partial_args", "add_to_parent")
	tasks, err := readSignatures(in["tasks"])
	if err != nil {
		return nil, &ArgumentError{Task: "celery.group", Field: "tasks", Reason: err.Error()}
	}
	g := &Signature{app: a, kind: aGroup, tasks: tasks}
	if id, ok := in["group_id"]; ok {
		g.options = g.options.with("task_id", id)
	}
	if err := a.followPartly(ctx, "celery.group", g, in["partial_args"]); err != nil {
		return nil, err
	}
	return in["result"], nil
}

// runChord begins a chord. Its own result, in Celery, is a handle that no client reads.
func (a *App) runChord(ctx context.Context, body *protocol.Body) (any, error) {
	in := argumentsOf(body, "header", "body", "partial_args")
	header, err := readHeader(in["header"])
	if err != nil {
		return nil, &ArgumentError{Task: "celery.chord", Field: "header", Reason: err.Error()}
	}
	callback, err := readSignature(in["body"])
	if err == nil && callback == nil {
		err = errors.New("missing")
	}
	if err != nil {
		return nil, &ArgumentError{Task: "celery.chord", Field: "body", Reason: err.Error()}
	}
	return nil, a.followPartly(ctx, "celery.chord", &Signature{app: a, kind: aChord, head: header, body: callback}, in["partial_args"])
}

func (a *App) followPartly(ctx context.Context, name string, s *Signature, partial codec.Value) error {
	var args []codec.Value
	if !partial.IsNull() {
		var err error
		if args, err = elementsOf(partial); err != nil {
			return &ArgumentError{Task: name, Field: "partial_args", Reason: err.Error()}
		}
	}
	return a.follow(ctx, s, args, place{}, nil)
}

func (a *App) runChunks(ctx context.Context, body *protocol.Body) (any, error) {
	g, err := chunked(body)
	if err != nil {
		return nil, err
	}
	g.app = a
	return nil, a.follow(ctx, g, nil, place{}, nil)
}

// chunked is the group of celery.starmap that a call of celery.chunks stands for.
func chunked(body *protocol.Body) (*Signature, error) {
	in := argumentsOf(body, "task", "it", "n")
	items, err := elementsOf(in["it"])
	if err != nil {
		return nil, &ArgumentError{Task: "celery.chunks", Field: "it", Reason: err.Error()}
	}
	var n int
	if err := in["n"].Decode(&n); err != nil || n < 1 {
		return nil, &ArgumentError{Task: "celery.chunks", Field: "n", Reason: "want a whole number from 1 on"}
	}
	g := &Signature{kind: aGroup}
	for len(items) > 0 {
		text := []byte{'['}
		for i, item := range items[:min(n, len(items))] {
			if i > 0 {
				text = append(text, ", "...)
			}
			if text, err = item.AppendJSON(text); err != nil {
				return nil, err
			}
		}
		items = items[min(n, len(items)):]
		g.tasks = append(g.tasks, &Signature{task: "celery.starmap", immutable: true, kwargs: []codec.NamedValue{
			{Name: "task", Value: in["task"]}, {Name: "it", Value: codec.JSON(append(text, ']'))}}})
	}
	return g, nil
}

// runChordUnlock begins the body of a chord whose parts have ended, as their documents say, and looks again later while they
// have not: what Python's result stores do that cannot count.
func (a *App) runChordUnlock(ctx context.Context, body *protocol.Body) (any, error) {
	in := argumentsOf(body, "group_id", "callback", "interval", "max_retries", "result")
	callback, err := readSignature(in["callback"])
	if err == nil && callback == nil {
		err = errors.New("missing")
	}
	if err != nil {
		return nil, Permanent(&ArgumentError{Task: chordUnlock, Field: "callback", Reason: err.Error()})
	}
	list, err := elementsOf(in["result"])
	parts := make([]protocol.ResultTuple, len(list))
	for i := 0; i < len(list) && err == nil; i++ {
		parts[i], err = protocol.DecodeResultTuple(list[i])
	}
	if err != nil {
		return nil, Permanent(&ArgumentError{Task: chordUnlock, Field: "result", Reason: err.Error()})
	}
	interval := unlockInterval
	if v, ok := in["interval"]; ok {
		if interval, err = durationOf(v); err != nil {
			return nil, Permanent(&ArgumentError{Task: chordUnlock, Field: "interval", Reason: err.Error()})
		}
	}
	ready, err := a.haveEnded(ctx, parts)
	if err != nil {
		return nil, RetryIn(interval, err)
	}
	if !ready {
		if most, ok := wireOptions(body.Kwargs).number("max_retries"); ok && RequestFrom(ctx).Retries >= most {
			return nil, Permanent(fmt.Errorf("the parts of the chord have not ended after %d looks", most))
		}
		return nil, RetryIn(interval, nil)
	}
	text, n := []byte{'['}, 0
	failed, err := a.gatherSaved(ctx, parts, func(v codec.Value) (err error) {
		if n++; n > 1 {
			text = append(text, ", "...)
		}
		text, err = v.AppendJSON(text)
		return err
	})
	switch {
	case err != nil && !permanentJoin(err):
		return nil, RetryIn(interval, err)
	case err != nil:
		return nil, a.failChord(ctx, callback, Fault{State: Failure, Exception: chordError("Join error: " + err.Error())})
	case failed != nil:
		return nil, a.failChord(ctx, callback, *dependencyFault(failed))
	}
	return nil, a.follow(ctx, callback, []codec.Value{codec.JSON(append(text, ']'))}, place{}, nil)
}

// haveEnded reports whether every task among the results has ended.
func (a *App) haveEnded(ctx context.Context, results []protocol.ResultTuple) (bool, error) {
	store, err := a.Backend(ctx)
	if err != nil {
		return false, err
	}
	for _, r := range results {
		if r.IsGroup {
			if ended, err := a.haveEnded(ctx, r.Members); err != nil || !ended {
				return false, err
			}
			continue
		}
		doc, err := store.Get(ctx, r.ID)
		switch {
		case errors.Is(err, backend.ErrNotFound):
			return false, nil
		case err != nil:
			return false, err
		case !doc.Status.Ready():
			return false, nil
		}
	}
	return true, nil
}
