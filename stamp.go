package umbel

import (
	"maps"
	"slices"

	"github.com/umbel-go/umbel/codec"
)

// Stamp gives a stamp to every task of a workflow, with its callbacks and errbacks: a header that they bear, by which they
// can be revoked and found. A stamp of the same name replaces the one before. Celery: stamp.
func (s *Signature) Stamp(name string, value any) *Signature {
	return s.StampFunc(func(StampPlace, *Signature) map[string]any { return map[string]any{name: value} })
}

// A StampPlace is what StampFunc has come to in a workflow.
type StampPlace string

// Where a stamp is put. Celery: the methods on_signature, on_chain_start, on_group_start, on_chord_header_start,
// on_chord_body, on_callback and on_errback of a StampingVisitor.
const (
	StampTask     StampPlace = "signature" // also of what is named below
	StampChain    StampPlace = "chain"
	StampGroup    StampPlace = "group"
	StampHeader   StampPlace = "chord_header"
	StampBody     StampPlace = "chord_body"
	StampCallback StampPlace = "callback"
	StampErrback  StampPlace = "errback"
)

// StampFunc stamps what f returns for each place of a workflow: a stamp given to a chain, group or chord is also every
// task's in it. f may return nil. Celery: stamp with a visitor.
func (s *Signature) StampFunc(f func(at StampPlace, s *Signature) map[string]any) *Signature {
	return s.stamped(f, nil)
}

func (s *Signature) stamped(f func(StampPlace, *Signature) map[string]any, outer map[string]any) *Signature {
	if s == nil {
		return nil
	}
	c := s.clone()
	own := maps.Clone(outer)
	add := func(at StampPlace, of *Signature, to map[string]any) map[string]any {
		out := maps.Clone(to)
		if out == nil {
			out = make(map[string]any)
		}
		maps.Copy(out, f(at, of))
		return out
	}
	switch s.kind {
	case aChain, aGroup:
		at := StampChain
		if s.kind == aGroup {
			at = StampGroup
		}
		own = add(at, s, own)
		c.tasks = make([]*Signature, len(s.tasks))
		for i, t := range s.tasks {
			c.tasks[i] = t.stamped(f, own)
		}
	case aChord:
		own = add(StampHeader, s.head, own)
		c.head = s.head.stamped(f, own)
		c.body = s.body.stamped(f, add(StampBody, s.body, outer))
	default:
		own = add(StampTask, s, own)
		c.options = c.options.stamp(own)
	}
	c.link = stampedAll(s.link, func(l *Signature) *Signature { return l.stamped(f, add(StampCallback, l, own)) })
	c.linkError = stampedAll(s.linkError, func(l *Signature) *Signature { return l.stamped(f, add(StampErrback, l, own)) })
	return c
}

func stampedAll(list []*Signature, one func(*Signature) *Signature) []*Signature {
	if list == nil {
		return nil
	}
	out := make([]*Signature, len(list))
	for i, s := range list {
		out[i] = one(s)
	}
	return out
}

// stamp adds stamps and their names.
func (o wireOptions) stamp(stamps map[string]any) wireOptions {
	if len(stamps) == 0 {
		return o
	}
	names := o.stamped()
	for _, name := range slices.Sorted(maps.Keys(stamps)) {
		o = o.with(name, codec.Of(stamps[name]))
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return o.with("stamped_headers", codec.Of(names))
}

// Stamp is Signature.Stamp.
func (s TypedSignature[Out]) Stamp(name string, value any) TypedSignature[Out] {
	return TypedSignature[Out]{s.Signature.Stamp(name, value)}
}
