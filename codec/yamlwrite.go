package codec

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// marshalYAML writes v as safe_dump does: block style, keys sorted, ASCII only.
func marshalYAML(v any) (string, []byte, error) {
	g, err := generic(v, false, 0)
	if err != nil {
		return "", nil, fmt.Errorf("encode YAML: %w", err)
	}
	n, err := yamlNode(g, 0)
	if err != nil {
		return "", nil, fmt.Errorf("encode YAML: %w", err)
	}
	body, err := yaml.Dump(n, yaml.WithIndent(2), yaml.WithCompactSeqIndent(true), yaml.WithUnicode(false), yaml.WithLineWidth(-1))
	if err != nil {
		return "", nil, fmt.Errorf("encode YAML: %w", err)
	}
	return encodingUTF8, body, nil
}

func yamlNode(v any, depth int) (*yaml.Node, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	switch v := v.(type) {
	case nil:
		return plainNode("!!null", "null"), nil
	case bool:
		if v {
			return plainNode("!!bool", "true"), nil
		}
		return plainNode("!!bool", "false"), nil
	case int64:
		return plainNode("!!int", fmt.Sprint(v)), nil
	case *big.Int:
		return plainNode("!!int", v.String()), nil
	case float64:
		return plainNode("!!float", yamlFloatText(v)), nil
	case string:
		return textNode(v), nil
	case []byte:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!binary", Style: yaml.TaggedStyle | yaml.LiteralStyle, Value: base64Lines(v)}, nil
	case time.Time:
		b, err := appendDateTime(nil, v, ' ')
		return plainNode("!!timestamp", string(b)), err
	case Date:
		return plainNode("!!timestamp", v.String()), v.check()
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i, item := range v {
			c, err := yamlNode(item, depth+1)
			if err != nil {
				return nil, under(err, index(i))
			}
			n.Content = append(n.Content, c)
		}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
		return n, nil
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			c, err := yamlNode(v[name], depth+1)
			if err != nil {
				return nil, under(err, name)
			}
			n.Content = append(n.Content, textNode(name), c)
		}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
		return n, nil
	}
	return nil, noForm("YAML", v)
}

func plainNode(tag, text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
}

// textNode writes text plain only where no reader of any YAML version could take it for something else.
func textNode(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.ToValidUTF8(s, "\ufffd")}
	if !isPlainText(s) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func isPlainText(s string) bool {
	if s == "" || len(s) > 1024 || yamlTag(s) != "!!str" {
		return false
	}
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		inside := c >= '0' && c <= '9' || c == '.' || c == '-' || c == '/' || c == ' ' && i+1 < len(s)
		if !letter && (i == 0 || !inside) {
			return false
		}
	}
	return true
}

// yamlFloatText is PyYAML's spelling: YAML 1.1 wants a point before the exponent.
func yamlFloatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	}
	s := string(appendFloatRepr(nil, f, 64))
	if !strings.Contains(s, ".") {
		s = strings.Replace(s, "e", ".0e", 1)
	}
	return s
}

// base64Lines breaks lines at 76 characters as Python's encodebytes does.
func base64Lines(b []byte) string {
	var out strings.Builder
	for ; len(b) > 57; b = b[57:] {
		out.WriteString(base64.StdEncoding.EncodeToString(b[:57]))
		out.WriteByte('\n')
	}
	out.WriteString(base64.StdEncoding.EncodeToString(b))
	out.WriteByte('\n')
	return out.String()
}
