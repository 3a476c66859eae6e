package python

import (
	"strconv"
	"strings"
)

// words that are no names.
var keywords = map[string]bool{
	"and": true, "as": true, "assert": true, "async": true, "break": true, "class": true, "continue": true, "def": true, "del": true,
	"elif": true, "else": true, "except": true, "finally": true, "for": true, "from": true, "global": true, "if": true, "import": true,
	"in": true, "is": true, "nonlocal": true, "not": true, "or": true, "pass": true, "raise": true, "return": true, "try": true,
	"while": true, "with": true,
}

// atom is what no operator holds together.
func (p *parser) atom() *Node {
	t := p.peek()
	switch t.kind {
	case nameToken:
		return p.name()
	case numberToken:
		p.take()
		return p.number(t)
	case stringToken, bytesToken, formatToken:
		return p.text()
	case signToken:
		switch t.text {
		case "(":
			return p.round()
		case "[":
			return p.square()
		case "{":
			return p.curly()
		case "...":
			p.take()
			return p.unknown(t)
		}
	}
	p.fail("an expression is missing")
	return nil
}

func (p *parser) name() *Node {
	t := p.peek()
	if keywords[t.text] {
		p.fail("%q stands where an expression should", t.text)
	}
	p.take()
	n := p.node(Name, t)
	switch t.text {
	case "None":
		n.Kind = None
	case "True", "False":
		n.Kind, n.Bool = Bool, t.text == "True"
	default:
		n.Text = t.text
	}
	return n
}

func (p *parser) number(t token) *Node {
	n := p.node(Int, t)
	digits := strings.ReplaceAll(t.text, "_", "")
	var err error
	if n.Int, err = strconv.ParseInt(digits, 0, 64); err == nil {
		return n
	}
	n.Kind = Float
	if n.Float, err = strconv.ParseFloat(digits, 64); err == nil && !strings.ContainsAny(digits, "xXpP") {
		return n
	}
	return p.unknown(t) // too great, complex, or none
}

// text is a string, or several that stand side by side.
func (p *parser) text() *Node {
	from := p.peek()
	n := p.node(String, from)
	var parts []*Node // with those of f-strings
	format, known := false, true
	for {
		t := p.peek()
		switch t.kind {
		case bytesToken:
			n.Kind = Bytes
			n.Text += t.text
		case stringToken:
			n.Text += t.text
		case formatToken:
			format = true
			inside, ok := p.format(t)
			parts = append(parts, inside...)
			known = known && ok
		default:
			switch {
			case !known:
				return p.unknown(from)
			case format:
				out := p.unknown(from)
				out.Kind, out.Items = Format, parts
				return Fold(out)
			}
			return n
		}
		if t.kind == stringToken {
			parts = append(parts, &Node{Kind: String, Line: t.line, Column: t.column, Text: t.text})
		}
		p.take()
	}
}

// round is a tuple, or an expression in brackets.
func (p *parser) round() *Node {
	from := p.take()
	if p.accept(")") {
		return p.node(Tuple, from)
	}
	n := p.list()
	if p.comprehension() {
		p.want(")")
		return p.unknown(from)
	}
	p.want(")")
	return n
}

func (p *parser) square() *Node {
	from := p.take()
	n := p.node(List, from)
	for !p.accept("]") {
		n.Items = append(n.Items, p.element())
		if p.comprehension() {
			p.want("]")
			return p.unknown(from)
		}
		if !p.accept(",") && !p.sees("]") {
			p.fail("a list that does not end")
		}
	}
	return n
}

// curly is a dict or a set.
func (p *parser) curly() *Node {
	from := p.take()
	n := p.node(Dict, from)
	for !p.accept("}") {
		if p.accept("**") {
			n.Pairs = append(n.Pairs, Pair{nil, p.binary(0)})
		} else {
			key := p.element()
			if p.accept(":") {
				n.Pairs = append(n.Pairs, Pair{key, p.expression()})
			} else {
				n.Kind = Set
				n.Items = append(n.Items, key)
			}
			if p.comprehension() {
				p.want("}")
				return p.unknown(from)
			}
		}
		if !p.accept(",") && !p.sees("}") {
			p.fail("a dict that does not end")
		}
	}
	return n
}
