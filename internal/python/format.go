package python

import "strings"

// format takes an f-string apart: its text and the expressions in braces. It is false where more than putting them in is asked
// for (a conversion, a format, an escape).
func (p *parser) format(t token) (parts []*Node, ok bool) {
	defer func() {
		if f := recover(); f != nil {
			if _, isFault := f.(fault); !isFault {
				panic(f)
			}
			parts, ok = nil, false
		}
	}()
	quote := strings.IndexAny(t.text, `"'`)
	prefix, body := strings.ToLower(t.text[:quote]), t.text[quote:]
	width := 1
	if len(body) >= 6 && body[1] == body[0] && body[2] == body[0] {
		width = 3
	}
	body = body[width : len(body)-width]
	if strings.Contains(prefix, "t") || strings.Contains(body, `\`) {
		return nil, false
	}
	var text strings.Builder
	add := func() {
		if text.Len() > 0 {
			parts = append(parts, &Node{Kind: String, Line: t.line, Column: t.column, Text: text.String()})
			text.Reset()
		}
	}
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(body) && body[i+1] == c:
			text.WriteByte(c)
			i++
		case c == '{':
			add()
			inside, length := p.inside(body[i+1:], t)
			parts = append(parts, inside)
			i += length + 1 // at the closing brace
		case c == '}':
			return nil, false
		default:
			text.WriteByte(c)
		}
	}
	add()
	return parts, true
}

// inside reads the expression with which text begins, up to the brace that closes it, and tells how many bytes it has.
func (p *parser) inside(text string, t token) (*Node, int) {
	sub := parser{source: text, tokens: scan(text), depth: p.depth + 1}
	n := sub.expression()
	if !sub.sees("}") {
		sub.fail("more than an expression")
	}
	return n.At(t.line, t.column), sub.peek().from
}
