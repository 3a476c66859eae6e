package setting

import (
	"errors"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// readTOML reads a TOML document. The library's decoder says whether it is valid; its parser then tells the order and
// the line of every value, which the decoder forgets.
func readTOML(file string, text []byte) (*Node, []Problem) {
	var valid map[string]any
	if err := toml.Unmarshal(text, &valid); err != nil {
		place := Place{File: file}
		var at *toml.DecodeError
		if errors.As(err, &at) {
			place.Line, place.Col = at.Position()
		}
		return nil, []Problem{{Place: place, Text: "not valid TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}}
	}
	r := tomlReader{file: file}
	r.parser.Reset(text)
	root := &Node{Kind: Mapping, Place: Place{File: file, Line: 1, Col: 1}}
	table := root
	for r.parser.NextExpression() {
		switch e := r.parser.Expression(); e.Kind {
		case unstable.KeyValue:
			r.put(table, e)
		case unstable.Table:
			table = r.open(root, e.Key(), false)
		case unstable.ArrayTable:
			table = r.open(root, e.Key(), true)
		}
	}
	if err := r.parser.Error(); err != nil { // the decoder has passed it: cannot be
		return nil, []Problem{{Place: Place{File: file}, Text: "not valid TOML: " + err.Error()}}
	}
	return root, nil
}

type tomlReader struct {
	file   string
	parser unstable.Parser
}

func (r *tomlReader) place(n *unstable.Node) Place {
	at := r.parser.Shape(n.Raw).Start
	return Place{File: r.file, Line: at.Line, Col: at.Column}
}

// open walks to the table of a [header], making what is not there.
func (r *tomlReader) open(at *Node, key unstable.Iterator, array bool) *Node {
	for key.Next() {
		k := key.Node()
		kind := Mapping
		if array && k.Next() == nil {
			kind = List
		}
		m := r.member(at, string(k.Data), r.place(k), kind)
		at = m
		if m.Kind == List {
			if kind == List {
				m.Items = append(m.Items, &Node{Kind: Mapping, Place: r.place(k)})
			}
			at = m.Items[len(m.Items)-1]
		}
	}
	return at
}

func (r *tomlReader) member(at *Node, name string, place Place, kind Kind) *Node {
	for i := range at.Members {
		if at.Members[i].Name == name {
			return at.Members[i].Value
		}
	}
	n := &Node{Kind: kind, Place: place}
	at.Members = append(at.Members, Member{Name: name, Place: place, Value: n})
	return n
}

// put adds a key = value, whose key may be dotted.
func (r *tomlReader) put(at *Node, e *unstable.Node) {
	key := e.Key()
	for key.Next() {
		k := key.Node()
		if k.Next() != nil {
			at = r.member(at, string(k.Data), r.place(k), Mapping)
			continue
		}
		value := r.value(e.Value(), r.place(k))
		at.Members = append(at.Members, Member{Name: string(k.Data), Place: r.place(k), Value: value})
	}
}

// value reads a value; place is its key's, for the kinds whose own place the parser does not tell.
func (r *tomlReader) value(v *unstable.Node, place Place) *Node {
	if v.Raw.Length > 0 {
		place = r.place(v)
	}
	n := &Node{Place: place, Text: string(v.Data)}
	switch v.Kind {
	case unstable.Bool:
		n.Kind = Boolean
	case unstable.Integer:
		n.Kind = Integer
	case unstable.Float:
		n.Kind = Decimal
	case unstable.Array:
		n.Kind, n.Text = List, ""
		items := v.Children()
		for items.Next() {
			if items.Node().Kind != unstable.Comment {
				n.Items = append(n.Items, r.value(items.Node(), place))
			}
		}
	case unstable.InlineTable:
		n.Kind, n.Text = Mapping, ""
		members := v.Children()
		for members.Next() {
			if members.Node().Kind == unstable.KeyValue {
				r.put(n, members.Node())
			}
		}
	default: // text, dates and times
		n.Kind = String
	}
	return n
}
