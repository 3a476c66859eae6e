package umbel

import (
	"fmt"
	"slices"

	"github.com/umbel-go/umbel/codec"
)

// Workflows: signatures of signatures.
//
//	Chain(a, b, c)          a ─► b ─► c           each gets the result of the one before
//	Group(a, b)             a, b                  at once
//	Chord(Group(a, b), c)   a, b ─► c             c gets the list of what a and b return, in their order
//
// They nest without limit. A group that is followed by something in a chain is a chord, as in Celery.

// Chain runs steps one after the other, each with the result of the one before in front of its arguments. Its result is
// that of the last step. When a step fails, those after it fail with the same error without running. Celery: chain.
func Chain(steps ...Step) *Signature {
	s := &Signature{kind: aChain, tasks: stepsOf(steps)}
	s.app = appOf(s.tasks)
	return s
}

// Then is a chain of two whose result type is known: what comes first, and last, which decides the result.
// Celery: first | last.
func Then[Out any](first Step, last TypedSignature[Out]) TypedSignature[Out] {
	return TypedSignature[Out]{Chain(first, last)}
}

// Group runs steps at once. Send it with SendGroup to wait for all results. Celery: group.
func Group(steps ...Step) *Signature {
	s := &Signature{kind: aGroup, tasks: stepsOf(steps)}
	s.app = appOf(s.tasks)
	return s
}

// GroupOf is a group whose members have one result type.
func GroupOf[Out any](members ...TypedSignature[Out]) TypedGroup[Out] {
	steps := make([]Step, len(members))
	for i, m := range members {
		steps[i] = m
	}
	return TypedGroup[Out]{Group(steps...)}
}

// A TypedGroup is a group whose members have one result type.
type TypedGroup[Out any] struct{ *Signature }

// Chord runs body once all steps of the header, a Group or a single step, have ended, with the list of their results in
// front of its arguments, in the order of the header whatever the order they ended in. When one has failed the body fails
// with a ChordError, without running. It needs a result store that counts: not rpc://. Celery: chord.
func Chord(header, body Step) *Signature {
	s := &Signature{kind: aChord, head: asGroup(header.step()), body: body.step()}
	s.app = appOf([]*Signature{s.head, s.body})
	return s
}

// ChordOf is a chord whose result type is known.
func ChordOf[Out any](header Step, body TypedSignature[Out]) TypedSignature[Out] {
	return TypedSignature[Out]{Chord(header, body)}
}

func asGroup(s *Signature) *Signature {
	if s.kind == aGroup {
		return s
	}
	return &Signature{app: s.app, kind: aGroup, tasks: []*Signature{s}}
}

// Map is one task that calls this one for each input and returns the list of its results. Celery: task.map.
func (t *Task[In, Out]) Map(inputs ...In) TypedSignature[[]Out] {
	it := make([]any, len(inputs))
	for i, in := range inputs {
		it[i] = in
	}
	return TypedSignature[[]Out]{t.app.mapping("celery.map", t.def.name, it)}
}

// Starmap is Map over lists of positional arguments. Celery: task.starmap.
func (t *Task[In, Out]) Starmap(inputs ...Args) TypedSignature[[]Out] {
	return TypedSignature[[]Out]{t.app.Starmap(t.def.name, inputs...)}
}

// Map is Task.Map for a task known by name only.
func (a *App) Map(name string, inputs ...any) *Signature {
	return a.mapping("celery.map", name, inputs)
}

// Starmap is Task.Starmap for a task known by name only.
func (a *App) Starmap(name string, inputs ...Args) *Signature {
	it := make([]any, len(inputs))
	for i, in := range inputs {
		it[i] = []any(in)
	}
	return a.mapping("celery.starmap", name, it)
}

func (a *App) mapping(task, name string, it []any) *Signature {
	s := a.Signature(name, nil)
	w := &Signature{app: a, task: task, immutable: true, err: s.err}
	var err error
	if w.kwargs, err = addSignature(nil, "task", s); err != nil && w.err == nil {
		w.err = err
	}
	w.kwargs = append(w.kwargs, codec.NamedValue{Name: "it", Value: codec.Of(it)})
	return w
}

// Chunks is a group of Starmaps of n calls each: fewer and larger messages than one per call. Celery: task.chunks.
func (t *Task[In, Out]) Chunks(n int, inputs ...Args) TypedGroup[[]Out] {
	return TypedGroup[[]Out]{t.app.Chunks(t.def.name, n, inputs...)}
}

// Chunks is Task.Chunks for a task known by name only.
func (a *App) Chunks(name string, n int, inputs ...Args) *Signature {
	g := &Signature{app: a, kind: aGroup}
	if n < 1 {
		g.err = fmt.Errorf("chunks of %q: %d calls in each, want 1 or more", name, n)
		return g
	}
	for part := range slices.Chunk(inputs, n) {
		g.tasks = append(g.tasks, a.Starmap(name, part...))
	}
	return g
}

func appOf(list []*Signature) *App {
	for _, s := range list {
		if s.app != nil {
			return s.app
		}
	}
	return nil
}
