package doctor

import (
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/umbel-go/umbel/internal/python"
	"github.com/umbel-go/umbel/internal/setting"
)

// A container of an ECS task definition.
type container struct {
	definition value // the task definition as a whole
	value            // the container
	command    command
}

// readJSON reads an ECS task definition, or settings. JSON is YAML, whose reader knows lines.
func readJSON(s *system, file string, after int, text string) bool {
	root, ok := document(s, file, after, text)
	if !ok || root.Kind != python.Dict {
		return false
	}
	definition := root
	for _, name := range []string{"taskDefinition", "TaskDefinition"} { // as aws ecs describe-task-definition prints it
		if inner := definition.Get(name); inner != nil {
			definition = inner
		}
	}
	list := definition.Get("containerDefinitions")
	if list == nil || list.Kind != python.List {
		return readSettings(s, file, after, text)
	}
	at := func(n *python.Node) value { return value{n, Place{file, after + n.Line, n.Column}} }
	s.task(definition, list, at)
	return true
}

// task takes the containers of an ECS task definition.
func (s *system) task(definition, containers *python.Node, at func(*python.Node) value) {
	for _, item := range itemsOf(containers) {
		c := container{definition: at(definition), value: at(item)}
		for i, w := range startedWith(item) {
			place := at(w).Place
			if i == 0 {
				c.command = command{program: path.Base(w.Text), Place: place}
				continue
			}
			c.command.words = append(c.command.words, word{w.Text, place})
		}
		c.command.unwrap()
		if c.command.program != "" {
			s.command(c.command)
		}
		s.containers = append(s.containers, c)
		s.containerSettings(item, at)
	}
}

// containerSettings takes UMBEL_ variables for the settings they are, once where several containers have the same.
func (s *system) containerSettings(item *python.Node, at func(*python.Node) value) {
	for _, v := range itemsOf(item.Get("environment")) {
		name, text := v.Get("name"), v.Get("value")
		if name == nil || text == nil || !strings.HasPrefix(name.Text, "UMBEL_") {
			continue
		}
		known, ok := setting.Lookup(strings.ToLower(strings.TrimPrefix(name.Text, "UMBEL_")))
		if !ok || slices.ContainsFunc(s.assigned, func(a assigned) bool { return a.spelt == name.Text }) {
			continue
		}
		place := at(text).Place
		n := &python.Node{Kind: python.String, Text: text.Text}
		var doc yaml.Node
		if budget := 100_000; yaml.Load([]byte(text.Text), &doc) == nil { // a list or a map is written as JSON
			n = nodeOf(&doc, &budget)
		}
		n.Line, n.Column = place.Line, place.Column
		s.assign(known.Name, value{n, place}, false)
		s.assigned[len(s.assigned)-1].spelt = name.Text
	}
}

// startedWith are the words that a container is started with. An entry point of the image's own, which starts what it is
// given, does not hide the program.
func startedWith(item *python.Node) []*python.Node {
	command := itemsOf(item.Get("command"))
	if len(command) > 0 && slices.Contains([]string{"celery", "umbel", "python", "python3"}, path.Base(command[0].Text)) {
		return command
	}
	return append(slices.Clip(itemsOf(item.Get("entryPoint"))), command...)
}

func itemsOf(n *python.Node) []*python.Node {
	if n == nil {
		return nil
	}
	return n.Items
}

// document reads YAML or JSON into the nodes that rules look at.
func document(s *system, file string, after int, text string) (*python.Node, bool) {
	var doc yaml.Node
	if err := yaml.Load([]byte(text), &doc); err != nil {
		s.unread = append(s.unread, Unread{Place{File: file, Line: after}, err.Error()})
		return nil, false
	}
	budget := 100_000
	return nodeOf(&doc, &budget), true
}

// nodeOf is a YAML node as a Python literal would be. budget bounds what aliases of aliases can make.
func nodeOf(y *yaml.Node, budget *int) *python.Node {
	n := &python.Node{Kind: python.None, Line: y.Line, Column: y.Column}
	if *budget--; *budget < 0 {
		return n
	}
	switch y.Kind {
	case yaml.DocumentNode:
		if len(y.Content) > 0 {
			return nodeOf(y.Content[0], budget)
		}
	case yaml.AliasNode:
		if y.Alias != nil {
			return nodeOf(y.Alias, budget)
		}
	case yaml.SequenceNode:
		n.Kind = python.List
		for _, c := range y.Content {
			n.Items = append(n.Items, nodeOf(c, budget))
		}
	case yaml.MappingNode:
		n.Kind = python.Dict
		for i := 0; i+1 < len(y.Content); i += 2 {
			key := &python.Node{Kind: python.String, Text: y.Content[i].Value, Line: y.Content[i].Line, Column: y.Content[i].Column}
			n.Pairs = append(n.Pairs, python.Pair{Key: key, Value: nodeOf(y.Content[i+1], budget)})
		}
	case yaml.ScalarNode:
		scalar(n, y)
	}
	return n
}

func scalar(n *python.Node, y *yaml.Node) {
	n.Kind, n.Text = python.String, y.Value
	switch y.ShortTag() {
	case "!!null":
		n.Kind = python.None
	case "!!bool":
		if y.Decode(&n.Bool) == nil {
			n.Kind = python.Bool
		}
	case "!!int":
		if y.Decode(&n.Int) == nil {
			n.Kind = python.Int
		}
	case "!!float":
		if y.Decode(&n.Float) == nil {
			n.Kind = python.Float
		}
	}
}
