package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// An object is a map whose keys keep their order, as people want to read it. Values are objects, lists of them, strings,
// lists of strings, whole numbers, truths, and what note and named make.
type object []field

type field struct {
	key   string
	value any
}

// noted is a value with a comment above its key; JSON has none.
type noted struct {
	text  string
	value any
}

// named is a value that others repeat by its name; JSON has none of that, either.
type named struct {
	anchor string
	value  any
}

// same is what was named. Under the key "<<" its fields are merged.
type same string

// encodeJSON is JSON, indented by two blanks, with < and & as they are.
func encodeJSON(v any) string {
	var b strings.Builder
	writeJSON(&b, v, "\n")
	b.WriteByte('\n')
	return b.String()
}

func writeJSON(b *strings.Builder, v any, newline string) {
	list := func(open, end string, n int, item func(i int)) {
		b.WriteString(open)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(newline + "  ")
			item(i)
		}
		if n > 0 {
			b.WriteString(newline)
		}
		b.WriteString(end)
	}
	deeper := newline + "  "
	switch v := v.(type) {
	case object:
		list("{", "}", len(v), func(i int) {
			b.WriteString(jsonText(v[i].key) + ": ")
			writeJSON(b, v[i].value, deeper)
		})
	case []object:
		list("[", "]", len(v), func(i int) { writeJSON(b, v[i], deeper) })
	case []string:
		quoted := make([]string, len(v))
		for i := range v {
			quoted[i] = jsonText(v[i])
		}
		b.WriteString("[" + strings.Join(quoted, ", ") + "]")
	case string:
		b.WriteString(jsonText(v))
	case int:
		b.WriteString(strconv.Itoa(v))
	case bool:
		b.WriteString(strconv.FormatBool(v))
	default:
		panic(fmt.Sprintf("render: %T has no JSON", v))
	}
}

func jsonText(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always can
	return strings.TrimSuffix(b.String(), "\n")
}

// encodeYAML is one YAML document.
func encodeYAML(v any) (string, error) {
	y := drawing{named: make(map[string]*yaml.Node)}
	text, err := yaml.Dump(y.node(v), yaml.WithV3Defaults(), yaml.WithIndent(2), yaml.WithCompactSeqIndent(true), yaml.WithLineWidth(-1))
	return string(text), err
}

// A drawing is one YAML document in the making.
type drawing struct{ named map[string]*yaml.Node }

func (y *drawing) node(v any) *yaml.Node {
	scalar := func(tag, text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text} }
	switch v := v.(type) {
	case object:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, f := range v {
			key := scalar("!!str", f.key)
			if f.key == "<<" {
				key.Tag = "!!merge"
			}
			value := f.value
			if with, ok := value.(noted); ok {
				key.HeadComment, value = with.text, with.value
			}
			n.Content = append(n.Content, key, y.node(value))
		}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
		return n
	case []object:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, o := range v {
			n.Content = append(n.Content, y.node(o))
		}
		return n
	case []string:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
		for _, s := range v {
			item := scalar("!!str", s)
			item.Style = yaml.DoubleQuotedStyle
			n.Content = append(n.Content, item)
		}
		return n
	case named:
		n := y.node(v.value)
		n.Anchor = v.anchor
		y.named[v.anchor] = n
		return n
	case same:
		return &yaml.Node{Kind: yaml.AliasNode, Value: string(v), Alias: y.named[string(v)]}
	case string:
		return scalar("!!str", v)
	case int:
		return scalar("!!int", strconv.Itoa(v))
	case bool:
		return scalar("!!bool", strconv.FormatBool(v))
	}
	panic(fmt.Sprintf("render: %T has no YAML", v))
}
