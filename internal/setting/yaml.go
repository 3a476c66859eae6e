package setting

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxNodes bounds a settings file: aliases of aliases can make a small one huge.
const maxNodes = 100_000

// readYAML reads a YAML or JSON document. file names it in places.
func readYAML(file string, text []byte) (*Node, []Problem) {
	var doc yaml.Node
	if err := yaml.Load(text, &doc); err != nil {
		if errors.Is(err, io.EOF) || strings.TrimSpace(string(text)) == "" {
			return &Node{Kind: Null, Place: Place{File: file}}, nil
		}
		place := Place{File: file}
		var at *yaml.LoadError
		if errors.As(err, &at) {
			place.Line, place.Col = at.Mark.Line, at.Mark.Column
			if at.Message != "" {
				return nil, []Problem{{Place: place, Text: "not valid YAML: " + at.Message}}
			}
		}
		return nil, []Problem{{Place: place, Text: "not valid YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	r := yamlReader{file: file}
	n := r.node(&doc, 0)
	return n, r.problems
}

type yamlReader struct {
	file     string
	nodes    int
	problems []Problem
}

func (r *yamlReader) fail(y *yaml.Node, format string, a ...any) *Node {
	place := Place{File: r.file, Line: y.Line, Col: y.Column}
	r.problems = append(r.problems, Problem{Place: place, Text: fmt.Sprintf(format, a...)})
	return &Node{Kind: Null, Place: place}
}

func (r *yamlReader) node(y *yaml.Node, depth int) *Node {
	r.nodes++
	if r.nodes > maxNodes || depth > 100 {
		if r.nodes <= maxNodes+1 {
			return r.fail(y, "too many or too deeply nested values: is it a settings file?")
		}
		return &Node{Kind: Null}
	}
	n := &Node{Place: Place{File: r.file, Line: y.Line, Col: y.Column}}
	switch y.Kind {
	case yaml.DocumentNode:
		if len(y.Content) == 0 {
			return n
		}
		return r.node(y.Content[0], depth)
	case yaml.AliasNode:
		if y.Alias == nil {
			return r.fail(y, "unknown alias")
		}
		alias := *r.node(y.Alias, depth+1)
		alias.Place = n.Place
		return &alias
	case yaml.SequenceNode:
		n.Kind = List
		for _, c := range y.Content {
			n.Items = append(n.Items, r.node(c, depth+1))
		}
	case yaml.MappingNode:
		n.Kind = Mapping
		r.members(n, y, depth)
	case yaml.ScalarNode:
		return r.scalar(n, y)
	}
	return n
}

func (r *yamlReader) members(n *Node, y *yaml.Node, depth int) {
	seen := make(map[string]int, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			r.fail(key, "a name must be text")
			continue
		}
		if key.ShortTag() == "!!merge" {
			r.fail(key, "merge keys (<<) are not read in settings: write the values out")
			continue
		}
		if line, twice := seen[key.Value]; twice {
			r.fail(key, "%s is set twice: first in line %d", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
		n.Members = append(n.Members, Member{
			Name: key.Value, Place: Place{File: r.file, Line: key.Line, Col: key.Column}, Value: r.node(value, depth+1),
		})
	}
}

func (r *yamlReader) scalar(n *Node, y *yaml.Node) *Node {
	n.Text = y.Value
	switch tag := y.ShortTag(); tag {
	case "!!null":
		n.Kind = Null
	case "!!bool":
		n.Kind = Boolean
	case "!!int":
		n.Kind = Integer
	case "!!float":
		n.Kind = Decimal
	case "!!str", "!!timestamp":
		n.Kind = String
	default:
		return r.fail(y, "values of type %s are not read in settings", tag)
	}
	return n
}
