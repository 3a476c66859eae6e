package migration

import (
	"fmt"
	"go/token"
	"slices"
	"strings"
	"unicode"

	"github.com/umbel-go/umbel/internal/python"
)

// An input is a task's arguments in Go.
type input struct {
	raw    bool // umbel.Args: everything as it comes
	fields []field
	result string // Go type
}

// A field is one argument.
type field struct {
	name, json, kind string
	optional         bool
	comment          string
}

// inputs types the arguments of a task from its signature.
func (t *Task) inputs() {
	t.input.result = "any"
	if !t.Source {
		t.input.raw = true
		t.needs("its source was not read", "type its input: it takes umbel.Args")
		return
	}
	if t.Opaque {
		t.input.raw = true
		t.needs("its signature could not be read", "type its input: it takes umbel.Args")
		return
	}
	for _, p := range t.Params {
		if p.Star != "" {
			t.input.raw = true
		}
	}
	if t.input.raw {
		t.needs("it takes "+signature(t.Params), "say in Go which arguments there are: it takes umbel.Args, where a last umbel.Kwargs has the keywords")
	} else {
		for _, p := range t.Params {
			t.input.fields = append(t.input.fields, t.field(p))
		}
	}
	if t.Returns != nil && t.Returns.Kind != python.None {
		if kind, ok := goType(t.Returns, 0); ok {
			t.input.result = kind
		} else {
			t.needs("it returns "+t.Returns.String(), "type its result: it is any")
		}
	}
}

func signature(params []python.Param) string {
	words := make([]string, len(params))
	for i, p := range params {
		words[i] = p.Star + p.Name
	}
	return strings.Join(words, ", ")
}

func (t *Task) field(p python.Param) field {
	f := field{name: camel(p.Name), json: p.Name, kind: "any"}
	known := true
	switch {
	case p.Annotation != nil:
		f.kind, known = goType(p.Annotation, 0)
		if !known {
			t.needs(fmt.Sprintf("argument %s is a %s", p.Name, p.Annotation), "type the field: it is any")
		}
	case p.Default != nil:
		f.kind, known = typeOf(p.Default)
	default:
		known = false
	}
	if !known && p.Annotation == nil {
		t.needs(fmt.Sprintf("argument %s has no annotation", p.Name), "type the field: it is any")
	}
	if p.Default != nil {
		f.optional = true
		f.comment = "Python's default: " + oneLine(p.Default.String())
		if f.kind != "any" && !strings.HasPrefix(f.kind, "*") && !strings.HasPrefix(f.kind, "[]") && !strings.HasPrefix(f.kind, "map[") {
			f.kind = "*" + f.kind
		}
	}
	return f
}

func oneLine(s string) string { return cut(strings.Join(strings.Fields(s), " "), 80) }

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// plain are annotations that are one type in Go, by the end of their names.
var plain = map[string]string{
	"int": "int64", "float": "float64", "str": "string", "bool": "bool", "bytes": "[]byte", "dict": "map[string]any", "Dict": "map[string]any",
	"Mapping": "map[string]any", "MutableMapping": "map[string]any", "list": "[]any", "List": "[]any", "Sequence": "[]any", "Iterable": "[]any",
	"tuple": "[]any", "Tuple": "[]any", "set": "[]any", "Set": "[]any", "frozenset": "[]any", "FrozenSet": "[]any", "Any": "any", "object": "any",
	"datetime": "time.Time", "date": "umbel.Date", "Decimal": "umbel.Decimal", "UUID": "uuid.UUID", "None": "any", "EmailStr": "string", "LiteralString": "string",
}

// goType is an annotation in Go; false, with any, when it is not known. Elements of a list that are not known make it one of any.
func goType(n *python.Node, depth int) (string, bool) {
	if n == nil || depth > 20 {
		return "any", false
	}
	switch n.Kind {
	case python.String: // a forward reference
		if m := python.Read("x = " + n.Text); len(m.Statements) == 1 && m.Statements[0].Value != nil && m.Statements[0].Value.Kind != python.String {
			return goType(m.Statements[0].Value, depth+1)
		}
	case python.None:
		return "any", true
	case python.Name:
		if n.Text == "datetime.time" || n.Text == "dt.time" {
			return "umbel.TimeOfDay", true
		}
		kind, ok := plain[lastWord(n.Text)]
		if ok {
			return kind, true
		}
	case python.Operator: // X | None
		if n.Text == "|" && len(n.Items) == 2 {
			return union(n.Items, depth)
		}
	case python.Index:
		items := n.Items
		if len(items) == 1 && items[0] != nil && items[0].Kind == python.Tuple {
			items = items[0].Items
		}
		switch lastWord(n.Of.Text) {
		case "Optional":
			return union(append(slices.Clone(items), &python.Node{Kind: python.None}), depth)
		case "Union":
			return union(items, depth)
		case "Literal":
			return literal(items)
		case "Annotated", "Final", "ClassVar":
			return goType(items[0], depth+1)
		case "list", "List", "Sequence", "Iterable", "set", "Set", "frozenset", "FrozenSet", "Collection":
			kind, ok := goType(items[0], depth+1)
			return "[]" + kind, ok
		case "tuple", "Tuple":
			kind, ok := goType(items[0], depth+1)
			for _, item := range items[1:] {
				if item.Kind == python.Unknown { // ...
					continue
				}
				if other, known := goType(item, depth+1); !known || other != kind {
					return "[]any", known && ok
				}
			}
			return "[]" + kind, ok
		case "dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "DefaultDict":
			if len(items) == 2 {
				if key, ok := goType(items[0], depth+1); ok && key == "string" {
					kind, ok := goType(items[1], depth+1)
					return "map[string]" + kind, ok
				}
			}
			return "map[string]any", len(items) == 2
		}
	}
	return "any", false
}

// lastWord is what follows the last dot.
func lastWord(s string) string { return s[strings.LastIndexByte(s, '.')+1:] }

// union is one type, or that type and None: a pointer.
func union(items []*python.Node, depth int) (string, bool) {
	kind, nullable := "", false
	for _, item := range items {
		if item.Kind == python.None || item.Is("None") {
			nullable = true
			continue
		}
		one, ok := goType(item, depth+1)
		if !ok || kind != "" && strings.TrimPrefix(one, "*") != strings.TrimPrefix(kind, "*") {
			return "any", false
		}
		kind = one
		nullable = nullable || strings.HasPrefix(one, "*")
	}
	kind = strings.TrimPrefix(kind, "*")
	switch {
	case kind == "":
		return "any", true
	case nullable && kind != "any" && !strings.HasPrefix(kind, "[]") && !strings.HasPrefix(kind, "map["):
		return "*" + kind, true
	}
	return kind, true
}

func literal(items []*python.Node) (string, bool) {
	kind := ""
	for _, item := range items {
		one, ok := typeOf(item)
		if !ok || kind != "" && one != kind {
			return "any", false
		}
		kind = one
	}
	return kind, kind != ""
}

// typeOf is the type of a default; not known of None.
func typeOf(n *python.Node) (string, bool) {
	switch n.Kind {
	case python.Bool:
		return "bool", true
	case python.Int:
		return "int64", true
	case python.Float:
		return "float64", true
	case python.String:
		return "string", true
	case python.List, python.Tuple, python.Set:
		return "[]any", true
	case python.Dict:
		return "map[string]any", true
	}
	return "any", false
}

// initials are words that Go writes in capitals.
var initials = []string{"id", "url", "uri", "uuid", "api", "http", "https", "json", "csv", "pdf", "sql", "ip", "html", "xml", "sms", "ids"}

// camel is a Python name in Go's spelling, exported.
func camel(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		switch {
		case word == "ids":
			b.WriteString("IDs")
		case slices.Contains(initials, word):
			b.WriteString(strings.ToUpper(word))
		default:
			r := []rune(word)
			b.WriteString(string(unicode.ToUpper(r[0])) + string(r[1:]))
		}
	}
	out := b.String()
	if out == "" || !token.IsExported(out) || !token.IsIdentifier(out) {
		out = "X" + out
	}
	return out
}
