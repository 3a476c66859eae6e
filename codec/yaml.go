package codec

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
)

// YAML as PyYAML's safe_load and safe_dump speak it: YAML 1.1 with the safe types only. The library splits the text into
// nodes; what a plain scalar means is decided here (yamlscalar.go), because the library follows YAML 1.2 for most of it.

const (
	// maxYAML is how long a YAML body may be.
	maxYAML = 16 << 20

	// maxMarks is how many marks that may begin a value a body may have: while it parses, the library takes about a
	// kilobyte for each, five hundred times the text of a long list.
	maxMarks = 200_000

	// maxAliases is how many values aliases may repeat, long text counting more: nine lines can stand for a billion.
	maxAliases = 100_000
)

// readYAML is the generic value of one YAML document.
func readYAML(body []byte) (any, error) {
	if len(body) > maxYAML {
		return nil, fmt.Errorf("a YAML body of %d bytes: at most %d are read; use json or msgpack for large ones", len(body), maxYAML)
	}
	if n := countMarks(body); n > maxMarks {
		return nil, fmt.Errorf("a YAML body of about %d values: at most %d are read; use json or msgpack for large ones", n, maxMarks)
	}
	v, err := loadYAML(body)
	if err != nil {
		return nil, &SyntaxError{Format: "YAML", Offset: -1, Reason: err.Error()}
	}
	return v, nil
}

// countMarks counts, a little too high, what may begin a value: no value stands without one of these before it.
func countMarks(body []byte) (n int) {
	for i, c := range body {
		switch c {
		case ',', ':', '[', '{', '\n', '\r':
			n++
		case '-', '?':
			if i+1 == len(body) || body[i+1] <= ' ' {
				n++
			}
		}
	}
	return n
}

func loadYAML(body []byte) (any, error) {
	if err := checkUTF8("YAML", body); err != nil {
		return nil, err
	}
	var docs []*yaml.Node
	loader, err := yaml.NewLoader(strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	for len(docs) < 2 {
		var doc yaml.Node
		err := loader.Load(&doc)
		if err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return nil, err
		}
		docs = append(docs, &doc)
	}
	switch len(docs) {
	case 0:
		return nil, nil
	case 1:
		r := yamlReader{aliases: maxAliases}
		return r.value(docs[0], 0)
	}
	return nil, errors.New("more than one document")
}

// A yamlReader turns nodes into generic values.
type yamlReader struct {
	aliases int // what aliases may still repeat
	inAlias int // aliases being followed
}

func (r *yamlReader) value(n *yaml.Node, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("line %d: more than %d values inside each other, or an alias inside its own anchor", n.Line, MaxDepth)
	}
	if r.inAlias > 0 {
		if r.aliases -= 1 + len(n.Value)/64; r.aliases < 0 {
			return nil, fmt.Errorf("line %d: aliases repeat more than %d values", n.Line, maxAliases)
		}
	}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 0 {
			return nil, nil
		}
		return r.value(n.Content[0], depth)
	case yaml.AliasNode:
		r.inAlias++
		defer func() { r.inAlias-- }()
		return r.value(n.Alias, depth+1)
	case yaml.ScalarNode:
		v, err := yamlScalar(n)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n.Line, err)
		}
		return v, nil
	case yaml.SequenceNode:
		if err := allowTag(n, "!!seq", "!!omap", "!!pairs"); err != nil {
			return nil, err
		}
		items := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := r.value(c, depth+1)
			if err != nil {
				return nil, err
			}
			items = append(items, v)
		}
		return items, nil
	case yaml.MappingNode:
		if err := allowTag(n, "!!map", "!!set"); err != nil {
			return nil, err
		}
		table := make(map[string]any, min(len(n.Content)/2, 64))
		if err := r.table(table, n, depth); err != nil {
			return nil, err
		}
		return table, nil
	}
	return nil, fmt.Errorf("line %d: a node of an unknown kind", n.Line)
}

// allowTag refuses every tag that is not one of YAML's own: the others ask a Python to build objects.
func allowTag(n *yaml.Node, allowed ...string) error {
	if n.Style&yaml.TaggedStyle == 0 || n.Tag == "!" {
		return nil
	}
	short := n.ShortTag()
	for _, tag := range allowed {
		if short == tag {
			return nil
		}
	}
	return fmt.Errorf("line %d: the tag %s is not one of the safe types", n.Line, clip(n.Tag))
}

// table fills a mapping. What "<<" merges in is put first and gives way to the mapping's own keys, the last of which wins.
func (r *yamlReader) table(table map[string]any, n *yaml.Node, depth int) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if isMerge(n.Content[i]) {
			if err := r.merge(table, n.Content[i+1], depth+1); err != nil {
				return err
			}
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if isMerge(key) {
			continue
		}
		name, err := r.key(key, depth)
		if err != nil {
			return err
		}
		if table[name], err = r.value(n.Content[i+1], depth+1); err != nil {
			return err
		}
	}
	return nil
}

func isMerge(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "<<" && (n.Style == 0 || n.Style&yaml.TaggedStyle != 0 && n.ShortTag() == "!!merge")
}

// merge takes in a mapping, or a list of which the earlier wins.
func (r *yamlReader) merge(table map[string]any, n *yaml.Node, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("line %d: more than %d values inside each other, or an alias inside its own anchor", n.Line, MaxDepth)
	}
	switch n.Kind {
	case yaml.AliasNode:
		r.inAlias++
		defer func() { r.inAlias-- }()
		return r.merge(table, n.Alias, depth+1)
	case yaml.MappingNode:
		return r.table(table, n, depth)
	case yaml.SequenceNode:
		for i := len(n.Content) - 1; i >= 0; i-- {
			if err := r.merge(table, n.Content[i], depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("line %d: << wants a mapping or a list of them", n.Line)
}

// key is a mapping's key as text; numbers, booleans and dates are spelled as json.dumps would.
func (r *yamlReader) key(n *yaml.Node, depth int) (string, error) {
	v, err := r.value(n, depth+1)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case nil, bool, int64, float64:
		b, err := AppendJSON(nil, v)
		return string(b), err
	}
	if text, ok := textOf(v); ok {
		return text, nil
	}
	return "", fmt.Errorf("line %d: a mapping key is %s; only scalars are read", n.Line, nameOf(v))
}

func decodeBinary(text string) ([]byte, error) {
	text = strings.Map(func(c rune) rune {
		if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
			return -1
		}
		return c
	}, text)
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("!!binary that is not base64")
	}
	return b, nil
}
