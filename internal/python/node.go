package python

import (
	"strconv"
	"strings"
)

// Kind is what an expression is.
type Kind int

const (
	Unknown Kind = iota // only running the program would tell; Text is its source
	None
	Bool
	Int
	Float
	String
	Bytes
	List
	Tuple
	Set
	Dict
	Name // a name, or a dotted one
	Call
	Index    // Of[Items[0]]
	Operator // Text applied to Items
	Format   // an f-string: Items are its parts, Text is its source
)

var kindNames = [...]string{"expression", "None", "boolean", "integer", "number", "string", "bytes", "list", "tuple", "set", "dict", "name", "call", "index", "operation", "f-string"}

func (k Kind) String() string { return kindNames[k] }

// A Node is an expression. Constant arithmetic (60 * 60, "a" "b", "a" + "b") is done already.
type Node struct {
	Kind         Kind
	Line, Column int // from 1

	Text  string  // String, Bytes: its value; Name: dotted; Operator: its sign; Unknown, Format: the source
	Bool  bool    // Bool
	Int   int64   // Int
	Float float64 // Float
	Items []*Node // List, Tuple, Set: the items; Call: positional arguments; Operator: operands; Index: the key; Format: the parts
	Pairs []Pair  // Dict: the entries; Call: keyword arguments
	Of    *Node   // Call: what is called; Index: what is indexed
}

// A Pair is a key and its value. In a call the key is a String; a key that is nil stands before what is spread (**more).
type Pair struct{ Key, Value *Node }

// Get is the value that key has in a dict or among a call's keywords, nil if it has none there. Of several the last one counts.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	var found *Node
	for _, p := range n.Pairs {
		if p.Key != nil && p.Key.Kind == String && p.Key.Text == key {
			found = p.Value
		}
	}
	return found
}

// Is tells whether n is a string, or a name, of this text.
func (n *Node) Is(text string) bool {
	return n != nil && (n.Kind == String || n.Kind == Name) && n.Text == text
}

// At is a copy of n in which everything stands at one place.
func (n *Node) At(line, column int) *Node {
	if n == nil {
		return nil
	}
	out := *n
	out.Line, out.Column = line, column
	out.Of = n.Of.At(line, column)
	out.Items = make([]*Node, len(n.Items))
	for i, item := range n.Items {
		out.Items[i] = item.At(line, column)
	}
	out.Pairs = make([]Pair, len(n.Pairs))
	for i, p := range n.Pairs {
		out.Pairs[i] = Pair{p.Key.At(line, column), p.Value.At(line, column)}
	}
	return &out
}

// Size counts the nodes of n, no further than to limit: values that hold others twice, and these twice again, can be too large to
// be walked through.
func (n *Node) Size(limit int) int {
	if n == nil || limit <= 0 {
		return 0
	}
	size := 1
	add := func(child *Node) { size += child.Size(limit - size) }
	add(n.Of)
	for _, item := range n.Items {
		add(item)
	}
	for _, p := range n.Pairs {
		add(p.Key)
		add(p.Value)
	}
	return size
}

// Number is the value of an integer, float or boolean.
func (n *Node) Number() (float64, bool) {
	switch {
	case n == nil:
	case n.Kind == Int:
		return float64(n.Int), true
	case n.Kind == Float:
		return n.Float, true
	case n.Kind == Bool && n.Bool:
		return 1, true
	case n.Kind == Bool:
		return 0, true
	}
	return 0, false
}

// Plain is the value in Go: nil, bool, int64, float64, string, []any, map[string]any. Tuples and sets are lists. It is false
// when a part of it is not known.
func (n *Node) Plain() (any, bool) {
	switch n.Kind {
	case None:
		return nil, true
	case Bool:
		return n.Bool, true
	case Int:
		return n.Int, true
	case Float:
		return n.Float, true
	case String, Bytes:
		return n.Text, true
	case List, Tuple, Set:
		out := make([]any, len(n.Items))
		for i, item := range n.Items {
			v, ok := item.Plain()
			if !ok {
				return nil, false
			}
			out[i] = v
		}
		return out, true
	case Dict:
		out := make(map[string]any, len(n.Pairs))
		for _, p := range n.Pairs {
			if p.Key == nil || p.Key.Kind != String {
				return nil, false
			}
			v, ok := p.Value.Plain()
			if !ok {
				return nil, false
			}
			out[p.Key.Text] = v
		}
		return out, true
	}
	return nil, false
}

// String is the expression as Python would write it.
func (n *Node) String() string {
	switch {
	case n == nil:
		return ""
	case n.Kind == None:
		return "None"
	case n.Kind == Bool && n.Bool:
		return "True"
	case n.Kind == Bool:
		return "False"
	case n.Kind == Int:
		return strconv.FormatInt(n.Int, 10)
	case n.Kind == Float:
		return strconv.FormatFloat(n.Float, 'g', -1, 64)
	case n.Kind == String:
		return quote(n.Text)
	case n.Kind == Bytes:
		return "b" + quote(n.Text)
	case n.Kind == Name || n.Kind == Unknown || n.Kind == Format:
		return n.Text
	case n.Kind == List:
		return "[" + join(n.Items) + "]"
	case n.Kind == Tuple && len(n.Items) == 1:
		return "(" + join(n.Items) + ",)"
	case n.Kind == Tuple:
		return "(" + join(n.Items) + ")"
	case n.Kind == Set:
		return "{" + join(n.Items) + "}"
	case n.Kind == Dict:
		parts := make([]string, len(n.Pairs))
		for i, p := range n.Pairs {
			parts[i] = p.Key.String() + ": " + p.Value.String()
			if p.Key == nil {
				parts[i] = "**" + p.Value.String()
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case n.Kind == Call:
		parts := make([]string, 0, len(n.Items)+len(n.Pairs))
		for _, item := range n.Items {
			parts = append(parts, item.String())
		}
		for _, p := range n.Pairs {
			if p.Key == nil {
				parts = append(parts, "**"+p.Value.String())
				continue
			}
			parts = append(parts, p.Key.Text+"="+p.Value.String())
		}
		return n.Of.String() + "(" + strings.Join(parts, ", ") + ")"
	case n.Kind == Index:
		return n.Of.String() + "[" + join(n.Items) + "]"
	case len(n.Items) == 1:
		return strings.TrimSpace(n.Text + " " + n.Items[0].String())
	}
	parts := make([]string, len(n.Items))
	for i, item := range n.Items {
		parts[i] = item.String()
	}
	return strings.Join(parts, " "+n.Text+" ")
}

func join(items []*Node) string {
	parts := make([]string, len(items))
	for i, item := range items {
		parts[i] = item.String()
	}
	return strings.Join(parts, ", ")
}

// quote is s as Python's repr writes it, for most strings.
func quote(s string) string {
	q := strconv.Quote(s)
	if strings.Contains(s, "'") {
		return q
	}
	return "'" + strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`) + "'"
}
