// Package literal reads what Python's repr shows of arguments, as far as JSON has words for it: None, booleans, numbers, strings,
// lists, tuples, and dictionaries with strings for keys. Umbel's own workers show theirs in the same form.
package literal

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrCut: the text was cut, or a value in it was.
var ErrCut = errors.New("it was cut")

// ErrForeign: a value has no form in JSON, or is hidden.
var ErrForeign = errors.New("it holds a value that JSON has no word for")

// depthMost bounds how deep values lie within each other.
const depthMost = 100

// Parse reads one value: nil, bool, json.Number, string, []any (of lists and tuples) or map[string]any. A string that ends in
// dots is taken for cut: workers cut long texts so.
func Parse(text string) (any, error) {
	p := &parser{s: text}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.s) {
		return nil, p.wrong()
	}
	return v, nil
}

type parser struct {
	s  string
	at int
}

func (p *parser) space() {
	for p.at < len(p.s) && strings.IndexByte(" \t\n\r", p.s[p.at]) >= 0 {
		p.at++
	}
}

// take goes over a sign if it comes next.
func (p *parser) take(sign string) bool {
	p.space()
	if strings.HasPrefix(p.s[p.at:], sign) {
		p.at += len(sign)
		return true
	}
	return false
}

func (p *parser) wrong() error {
	if rest := p.s[p.at:]; rest == "" || strings.HasPrefix(rest, "...") || strings.HasPrefix(rest, "…") {
		return ErrCut
	}
	return ErrForeign
}

var words = []struct {
	text  string
	value any
}{{"None", nil}, {"True", true}, {"False", false}, {"null", nil}, {"true", true}, {"false", false}}

func (p *parser) value(depth int) (any, error) {
	if depth > depthMost {
		return nil, fmt.Errorf("%w: it is too deep", ErrForeign)
	}
	p.space()
	if p.at == len(p.s) {
		return nil, ErrCut
	}
	switch c := p.s[p.at]; {
	case c == '\'' || c == '"':
		return p.text()
	case c == '[':
		p.at++
		return p.list(depth, "]")
	case c == '(':
		p.at++
		return p.list(depth, ")")
	case c == '{':
		p.at++
		return p.dict(depth)
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for _, w := range words {
		if p.take(w.text) {
			return w.value, nil
		}
	}
	return nil, p.wrong()
}

func (p *parser) list(depth int, end string) (any, error) {
	out := []any{}
	for {
		if p.take(end) {
			return out, nil
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		comma := p.take(",")
		if end == ")" && !comma && len(out) == 0 { // parentheses around one value are no tuple
			if !p.take(end) {
				return nil, p.wrong()
			}
			return v, nil
		}
		if out = append(out, v); !comma {
			if !p.take(end) {
				return nil, p.wrong()
			}
			return out, nil
		}
	}
}

func (p *parser) dict(depth int) (any, error) {
	out := map[string]any{}
	for {
		if p.take("}") {
			return out, nil
		}
		k, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		name, ok := k.(string)
		if !ok {
			return nil, ErrForeign
		}
		if !p.take(":") {
			return nil, p.wrong()
		}
		if out[name], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		if !p.take(",") {
			if !p.take("}") {
				return nil, p.wrong()
			}
			return out, nil
		}
	}
}

func (p *parser) number() (any, error) {
	from := p.at
	for p.at < len(p.s) && strings.IndexByte("+-.0123456789eE", p.s[p.at]) >= 0 {
		p.at++
	}
	text := p.s[from:p.at]
	if strings.HasSuffix(text, "...") {
		return nil, ErrCut
	}
	if strings.HasSuffix(text, ".") { // 5. is a float in Python
		text += "0"
	}
	n := json.Number(text)
	if !json.Valid([]byte(text)) {
		return nil, ErrForeign
	}
	return n, nil
}

// text reads a string; the escapes are Python's.
func (p *parser) text() (any, error) {
	quote := p.s[p.at]
	p.at++
	var b strings.Builder
	for p.at < len(p.s) {
		c := p.s[p.at]
		p.at++
		switch {
		case c == quote:
			if s := b.String(); strings.HasSuffix(s, "...") || strings.HasSuffix(s, "…") {
				return nil, ErrCut
			}
			return b.String(), nil
		case c != '\\':
			b.WriteByte(c)
		default:
			if err := p.escape(&b); err != nil {
				return nil, err
			}
		}
	}
	return nil, ErrCut
}

var escapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', '\\': '\\', '\'': '\'', '"': '"', 'a': '\a', 'b': '\b', 'f': '\f', 'v': '\v', '/': '/'}

func (p *parser) escape(b *strings.Builder) error {
	if p.at == len(p.s) {
		return ErrCut
	}
	c := p.s[p.at]
	p.at++
	if e, ok := escapes[c]; ok {
		b.WriteByte(e)
		return nil
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	if digits == 0 {
		return ErrForeign
	}
	if p.at+digits > len(p.s) {
		return ErrCut
	}
	n, err := strconv.ParseUint(p.s[p.at:p.at+digits], 16, 32)
	if err != nil || !utf8.ValidRune(rune(n)) {
		return ErrForeign
	}
	p.at += digits
	b.WriteRune(rune(n))
	return nil
}
