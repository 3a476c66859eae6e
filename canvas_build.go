package umbel

// The rules by which workflows are rewritten before they are sent, so that what goes on the wire has one shape: a chain is
// calls of one task each, of which only the last may be a group or a chord; a part of a chord returns exactly one result.
//
//	chain(a, chain(b, c))          chain(a, b, c)
//	chain(a, group(b))             chain(a, b)
//	chain(group(b), c)             chord(group(b), c)
//	chain(a, group(b, c), d, e)    chain(a, chord(group(b, c), chain(d, e)))
//	chain(a, chord(h, b), c)       chain(a, chord(h, chain(b, c)))
//	group(a, group(b, c))          group(a, b, c)
//	chord(group(a, group(b)), c)   chord(group(a, chord(group(b), accumulate)), c)
//
// Celery: celery/canvas.py, _chain.prepare_steps, group._prepared. The last rule is ours: Celery saves such a group and
// reads its members' documents when the chord ends.

import (
	"slices"

	"github.com/umbel-go/umbel/codec"
)

// steps are a chain's, rewritten, with what the chain itself has been given handed on to them.
func (s *Signature) steps() []*Signature {
	list := flatten(s.tasks, aChain)
	if s.chain != nil {
		rest := slices.Clone(s.chain)
		slices.Reverse(rest)
		list = append(list, flatten(rest, aChain)...)
	}
	list = rewrite(list)
	if len(list) == 0 {
		return nil
	}
	for i, step := range list {
		c := step.clone()
		if i == 0 {
			c.args = joinArgs(c, s.args)
			for _, o := range s.options.without("task_id", "group_id", "group_index", "root_id", "parent_id", "add_to_parent") {
				if !o.Value.IsNull() {
					c.options = c.options.with(o.Name, o.Value)
				}
			}
		}
		if i == len(list)-1 {
			c.link = append(slices.Clip(c.link), s.link...)
			if s.chord != nil {
				c.chord = s.chord
			}
			for _, name := range []string{"group_id", "group_index"} {
				if v, ok := s.options.get(name); ok && !v.IsNull() {
					c.options = c.options.with(name, v)
				}
			}
		}
		c.linkError = append(slices.Clip(c.linkError), s.linkError...)
		list[i] = c
	}
	return list
}

func joinArgs(s *Signature, in []codec.Value) []codec.Value {
	if s.immutable || len(in) == 0 {
		return s.args
	}
	return slices.Concat(in, s.args)
}

// flatten puts the parts of nested chains, or groups, in their place.
func flatten(list []*Signature, k kind) []*Signature {
	out := make([]*Signature, 0, len(list))
	for _, s := range list {
		switch {
		case s.kind != k:
			out = append(out, s)
		case k == aChain:
			out = append(out, s.steps()...)
		default:
			out = append(out, s.members()...)
		}
	}
	return out
}

// rewrite makes one step of a group or chord and all that follows it.
func rewrite(list []*Signature) []*Signature {
	list = slices.DeleteFunc(slices.Clone(list), func(s *Signature) bool { return s.kind == aGroup && len(s.tasks) == 0 })
	for i, s := range list {
		rest := list[i+1:]
		if s.kind == aGroup && i > 0 {
			if members := s.members(); len(members) == 1 {
				return append(list[:i:i], rewrite(append(unroll(members[0]), rest...))...)
			}
		}
		if len(rest) == 0 {
			break
		}
		switch s.kind {
		case aGroup:
			return append(list[:i:i], &Signature{app: s.app, kind: aChord, head: s, body: single(rest)})
		case aChord:
			c := s.clone()
			c.link = nil // they are the former body's, which is no longer the end
			c.body = single(rest)
			if s.body != nil {
				c.body = &Signature{app: s.app, kind: aChain, tasks: append([]*Signature{linked(s.body, s.link)}, rest...)}
			}
			return append(list[:i:i], c)
		}
	}
	return list
}

func linked(s *Signature, link []*Signature) *Signature {
	if len(link) == 0 {
		return s
	}
	c := s.clone()
	c.link = append(slices.Clip(c.link), link...)
	return c
}

func unroll(s *Signature) []*Signature {
	if s.kind == aChain {
		return s.steps()
	}
	return []*Signature{s}
}

func single(list []*Signature) *Signature {
	if len(list) == 1 {
		return list[0]
	}
	return &Signature{app: appOf(list), kind: aChain, tasks: list}
}

// members are a group's, those of groups in it in their place, with what the group has been given handed on.
func (s *Signature) members() []*Signature {
	list := flatten(s.tasks, aGroup)
	handed := s.options.without("task_id", "group_id", "group_index", "root_id", "parent_id", "add_to_parent")
	if len(handed) == 0 && len(s.link) == 0 && len(s.linkError) == 0 && len(s.args) == 0 {
		return list
	}
	for i, m := range list {
		c := m.clone()
		c.args = joinArgs(c, s.args)
		for _, o := range handed {
			if !o.Value.IsNull() {
				c.options = c.options.with(o.Name, o.Value)
			}
		}
		if i == 0 {
			for _, l := range s.link {
				c.link = append(slices.Clip(c.link), l.Immutable())
			}
		}
		c.linkError = append(slices.Clip(c.linkError), s.linkError...)
		list[i] = c
	}
	return list
}

// parts are the members of a chord's header, each rewritten to return one result.
func (s *Signature) parts() []*Signature {
	list := make([]*Signature, 0, len(s.tasks))
	plain := s.clone()
	for _, m := range s.tasks {
		list = append(list, onePart(m))
	}
	plain.tasks = list
	return plain.members()
}

func onePart(s *Signature) *Signature {
	switch s.kind {
	case aGroup:
		return gathered(s)
	case aChain:
		steps := s.steps()
		if len(steps) == 0 {
			return gathered(&Signature{kind: aGroup})
		}
		last := len(steps) - 1
		steps[last] = onePart(steps[last])
		if last == 0 {
			return steps[0]
		}
		return &Signature{app: s.app, kind: aChain, tasks: steps, options: s.options.without("task_id")}
	case aChord:
		if s.body == nil {
			return onePart(s.head)
		}
		c := s.clone()
		c.body = onePart(s.body)
		return c
	}
	return s
}

// gathered is a group that returns the list of its members' results: Celery's own trick in replace.
func gathered(group *Signature) *Signature {
	return &Signature{app: group.app, kind: aChord, head: group, body: accumulate()}
}

func accumulate() *Signature {
	return &Signature{task: "celery.accumulate", kwargs: []codec.NamedValue{{Name: "index", Value: codec.Of(0)}}}
}
