package doctor

import (
	"slices"
	"strings"

	"github.com/umbel-go/umbel/internal/python"
	"github.com/umbel-go/umbel/internal/setting"
)

// Bounds of what a stranger's module may make of its names: a value can hold others twice, and these others twice.
const (
	maxValue = 20_000  // nodes of one value
	maxNames = 1 << 22 // nodes and characters of all that names stand for
)

// remember notes what a name stands for from here on.
func (r *pythonReader) remember(name string, n *python.Node) {
	v := r.expand(n, 0)
	size := v.Size(maxValue + 1)
	r.held += size + len(v.Text)
	if size > maxValue || r.held > maxNames {
		delete(r.names, name)
		return
	}
	r.names[name] = v
}

// value is an expression with what it says of names put in, if that is not too much.
func (r *pythonReader) value(n *python.Node) value {
	if v := r.expand(n, 0); v.Size(maxValue+1) <= maxValue {
		n = v
	}
	return value{n, r.place(n)}
}

// stands is what a name stands for, nil if only Python knows. The value of an enum's member is the member's.
func (r *pythonReader) stands(name string) *python.Node {
	if v, ok := r.names[name]; ok {
		return v
	}
	return r.names[strings.TrimSuffix(name, ".value")]
}

// origin is the name by which a module calls what an import renamed: after "from celery import shared_task as st", st is
// celery.shared_task.
func (r *pythonReader) origin(name string) string {
	first, rest, dotted := strings.Cut(name, ".")
	i, ok := r.imports[first]
	if !ok || i.Level > 0 || i.Name == i.As || i.Name == "" && i.Module == i.As {
		return name
	}
	full := i.Module
	if i.Name != "" {
		full += "." + i.Name
	} else if strings.HasPrefix(i.Module, first+".") {
		return name // import a.b
	}
	if dotted {
		full += "." + rest
	}
	return full
}

// expand puts in the values of names that the module has assigned, and does what can be done with them.
func (r *pythonReader) expand(n *python.Node, depth int) *python.Node {
	if n == nil || depth > 20 {
		return n
	}
	out := *n
	switch n.Kind {
	case python.Name:
		if v := r.stands(n.Text); v != nil {
			out = *v
			out.Line, out.Column = n.Line, n.Column
			return &out
		}
		out.Text = r.origin(n.Text)
		return &out
	case python.Call:
		of := *n.Of
		if of.Text = r.origin(of.Text); of.Kind == python.Name {
			out.Of = &of
		}
	case python.Index:
		if of := r.expand(n.Of, depth+1); of.Kind == python.Dict {
			out.Of = of
		}
	case python.List, python.Tuple, python.Set, python.Dict, python.Operator, python.Format:
	default:
		return n
	}
	out.Items = make([]*python.Node, len(n.Items))
	for i, item := range n.Items {
		out.Items[i] = r.expand(item, depth+1)
	}
	out.Pairs = make([]python.Pair, 0, len(n.Pairs))
	for _, p := range n.Pairs {
		v := r.expand(p.Value, depth+1)
		if p.Key == nil && v.Kind == python.Dict {
			out.Pairs = append(out.Pairs, v.Pairs...)
			continue
		}
		key := p.Key
		if n.Kind == python.Dict {
			key = r.expand(key, depth+1)
		}
		out.Pairs = append(out.Pairs, python.Pair{Key: key, Value: v})
	}
	return python.Fold(&out)
}

// amend changes what a name stands for, and the setting that it is, as "X += n" or "X |= n" would.
func (r *pythonReader) amend(target *python.Node, sign string, n *python.Node) {
	name := target.Text
	if target.Kind == python.Index && isConf(target.Of) && target.Items[0] != nil {
		name = target.Items[0].Text
	} else if target.Kind != python.Name {
		return
	}
	n = r.value(n).Node
	if before, ok := r.names[name]; ok && len(r.in) == 0 {
		r.remember(name, combine(sign, before, n))
	}
	if before, last, ok := cutLast(name, "."); ok {
		if !isConf(&python.Node{Kind: python.Name, Text: before}) {
			return
		}
		name = last
	} else if target.Kind == python.Name && (!r.isSetting(name) || !r.module()) {
		return
	}
	known, ok := setting.Lookup(name)
	if !ok {
		return
	}
	r.found = true
	for i := len(r.assigned) - 1; i >= 0; i-- {
		a := &r.assigned[i]
		if a.name != known.Name || !a.celery {
			continue
		}
		if a.Place.File != r.file {
			n = n.At(a.Line, a.Column) // a place is of one file
		}
		if after := combine(sign, a.source, n); after.Size(maxValue+1) <= maxValue {
			a.source, a.Node = after, after
			return
		}
	}
	if n.Kind != python.Dict && n.Kind != python.List && n.Kind != python.Tuple {
		n = &python.Node{Kind: python.Unknown, Line: n.Line, Column: n.Column, Text: target.String() + " " + sign + " " + n.String()}
	}
	r.note(name, n)
}

// module tells whether the statement that is read stands in the module itself, or in a class that is a configuration.
func (r *pythonReader) module() bool {
	return !slices.ContainsFunc(r.in, func(name string) bool { return !r.configs[name] })
}

// combine is what "X += n" or "X |= n" makes of X. What is not known in it stands there as an item, or as what is spread.
func combine(sign string, before, n *python.Node) *python.Node {
	out := *before
	switch {
	case sign == "+=" && (before.Kind == python.List || before.Kind == python.Tuple):
		if n.Kind == python.List || n.Kind == python.Tuple {
			out.Items = append(slices.Clone(before.Items), n.Items...)
		} else {
			out.Items = append(slices.Clone(before.Items), n)
		}
		return &out
	case sign == "|=" && before.Kind == python.Dict:
		more := n.Pairs
		if n.Kind != python.Dict {
			more = []python.Pair{{Value: n}}
		}
		out.Pairs = slices.DeleteFunc(slices.Clone(before.Pairs), func(p python.Pair) bool {
			return p.Key != nil && p.Key.Kind == python.String && n.Get(p.Key.Text) != nil
		})
		out.Pairs = append(out.Pairs, more...)
		return &out
	}
	return python.Fold(&python.Node{Kind: python.Operator, Line: before.Line, Column: before.Column, Text: strings.TrimSuffix(sign, "="), Items: []*python.Node{before, n}})
}

// change is what a call of a method does to the list or dict whose method it is: the sign and the value of a statement that does the
// same; "" for other methods.
func change(method string, call *python.Node) (sign string, n *python.Node) {
	out := &python.Node{Kind: python.List, Line: call.Line, Column: call.Column}
	switch {
	case method == "update":
		out.Kind, out.Pairs = python.Dict, call.Pairs
		for i := len(call.Items) - 1; i >= 0; i-- {
			if item := call.Items[i]; item.Kind == python.Dict {
				out.Pairs = append(slices.Clone(item.Pairs), out.Pairs...)
			} else {
				out.Pairs = append([]python.Pair{{Value: item}}, out.Pairs...)
			}
		}
		return "|=", out
	case method == "append" && len(call.Items) == 1:
		out.Items = call.Items
		return "+=", out
	case method == "insert" && len(call.Items) == 2:
		out.Items = call.Items[1:]
		return "+=", out
	case method == "extend" && len(call.Items) == 1:
		return "+=", call.Items[0]
	}
	return "", nil
}
