package python

import (
	"fmt"
	"slices"
)

// maxDepth bounds how deep expressions nest, as a stranger's file may try the stack.
const maxDepth = 200

// A parser reads the tokens of one source.
type parser struct {
	source string
	tokens []token
	at     int
	depth  int
}

// A fault ends the reading of one statement.
type fault struct {
	line int
	why  string
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) take() token {
	t := p.tokens[p.at]
	if t.kind != endToken {
		p.at++
	}
	return t
}

// sees tells whether the next token is one of these signs or words.
func (p *parser) sees(texts ...string) bool {
	t := p.peek()
	return (t.kind == signToken || t.kind == nameToken) && slices.Contains(texts, t.text)
}

func (p *parser) accept(text string) bool {
	if p.sees(text) {
		p.at++
		return true
	}
	return false
}

func (p *parser) want(text string) {
	if !p.accept(text) {
		p.fail("%q is missing", text)
	}
}

func (p *parser) fail(format string, args ...any) {
	t := p.peek()
	if t.kind == errorToken {
		panic(fault{t.line, t.text})
	}
	if (t.kind == newlineToken || t.kind == endToken) && p.at > 0 {
		t = p.tokens[p.at-1] // the end of a line may be far below its last word
	}
	panic(fault{t.line, fmt.Sprintf(format, args...)})
}

func (p *parser) node(kind Kind, at token) *Node {
	return &Node{Kind: kind, Line: at.line, Column: at.column}
}

// unknown is what lies between from and the token before the next one, as it stands there.
func (p *parser) unknown(from token) *Node {
	n := p.node(Unknown, from)
	n.Text = p.source[from.from:p.tokens[max(0, p.at-1)].to]
	return n
}

// list is what may stand on the right of an assignment: one expression, or several with commas, which are a tuple.
func (p *parser) list() *Node {
	from := p.peek()
	first := p.element()
	if !p.sees(",") {
		return first
	}
	n := p.node(Tuple, from)
	n.Items = []*Node{first}
	for p.accept(",") {
		if t := p.peek(); t.kind == newlineToken || t.kind == endToken || p.sees("=", ")", "]", "}", ":", ";", "in") {
			break
		}
		n.Items = append(n.Items, p.element())
	}
	return n
}

// element is an expression, or *expression.
func (p *parser) element() *Node {
	if from := p.peek(); p.accept("*") {
		p.expression()
		return p.unknown(from)
	}
	return p.expression()
}

func (p *parser) expression() *Node {
	if p.depth++; p.depth > maxDepth {
		p.fail("it nests deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	from := p.peek()
	if p.accept("lambda") {
		for !p.sees(":") {
			if t := p.peek(); t.kind == newlineToken || t.kind == endToken {
				p.fail("a lambda without a body")
			}
			p.take()
		}
		p.take()
		p.expression()
		return p.unknown(from)
	}
	if p.accept("yield") {
		p.accept("from")
		if t := p.peek(); t.kind != newlineToken && t.kind != endToken && !p.sees(")", "]", "}") {
			p.list()
		}
		return p.unknown(from)
	}
	n := p.binary(0)
	if p.sees("if") {
		p.take()
		p.binary(0)
		p.want("else")
		p.expression()
		return p.unknown(from)
	}
	if p.accept(":=") {
		p.expression()
		return p.unknown(from)
	}
	return n
}

// levels are the operators of two sides, the loosest first.
var levels = [][]string{
	{"or"}, {"and"}, nil, {"==", "!=", "<", ">", "<=", ">=", "in", "is", "not"}, {"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*", "/", "//", "%", "@"},
}

func (p *parser) binary(level int) *Node {
	if level == len(levels) {
		return p.unary()
	}
	from := p.peek()
	if levels[level] == nil { // not
		if !p.accept("not") {
			return p.binary(level + 1)
		}
		p.nest()
		defer func() { p.depth-- }()
		n := p.node(Operator, from)
		n.Text, n.Items = "not", []*Node{p.binary(level)}
		return n
	}
	left := p.binary(level + 1)
	for p.sees(levels[level]...) {
		sign := p.take().text
		if sign == "not" {
			p.want("in")
			sign = "not in"
		} else if sign == "is" && p.accept("not") {
			sign = "is not"
		}
		n := p.node(Operator, from)
		n.Text, n.Items = sign, []*Node{left, p.binary(level + 1)}
		left = Fold(n)
	}
	return left
}

func (p *parser) nest() {
	if p.depth++; p.depth > maxDepth {
		p.fail("it nests deeper than %d", maxDepth)
	}
}

func (p *parser) unary() *Node {
	from := p.peek()
	if p.sees("+", "-", "~", "await") {
		p.nest()
		defer func() { p.depth-- }()
		n := p.node(Operator, from)
		n.Text = p.take().text
		n.Items = []*Node{p.unary()}
		return Fold(n)
	}
	base := p.postfix()
	if !p.accept("**") {
		return base
	}
	p.nest()
	defer func() { p.depth-- }()
	n := p.node(Operator, from)
	n.Text, n.Items = "**", []*Node{base, p.unary()}
	return Fold(n)
}

// postfix is an atom with what follows it: attributes, calls, indexes.
func (p *parser) postfix() *Node {
	from := p.peek()
	n := p.atom()
	for {
		switch {
		case p.accept("."):
			t := p.take()
			if t.kind != nameToken {
				p.at--
				p.fail("a name is missing after the dot")
			}
			if n.Kind == Name {
				n.Text += "." + t.text
			} else {
				n = p.unknown(from)
			}
		case p.accept("("):
			c := p.node(Call, from)
			c.Of = n
			p.arguments(c)
			n = Fold(c)
		case p.accept("["):
			i := p.node(Index, from)
			i.Of, i.Items = n, []*Node{p.slice()}
			p.want("]")
			n = i
		default:
			return n
		}
	}
}

func (p *parser) slice() *Node {
	from := p.peek()
	var n *Node
	if !p.sees(":") {
		n = p.list()
	}
	if !p.sees(":") {
		return n
	}
	for p.accept(":") {
		if !p.sees(":", "]", ",") {
			p.expression()
		}
	}
	return p.unknown(from)
}

// arguments are those of a call, up to its closing bracket.
func (p *parser) arguments(c *Node) {
	for !p.accept(")") {
		from := p.peek()
		switch {
		case p.accept("**"):
			c.Pairs = append(c.Pairs, Pair{nil, p.expression()})
		case from.kind == nameToken && p.tokens[p.at+1].kind == signToken && p.tokens[p.at+1].text == "=":
			p.at += 2
			key := p.node(String, from)
			key.Text = from.text
			c.Pairs = append(c.Pairs, Pair{key, p.expression()})
		default:
			n := p.element()
			if p.comprehension() {
				n = p.unknown(from)
			}
			c.Items = append(c.Items, n)
		}
		if !p.accept(",") && !p.sees(")") {
			p.fail("a call whose arguments do not end")
		}
	}
}

// comprehension passes over "for x in y if z", if that is what follows.
func (p *parser) comprehension() bool {
	if !p.sees("for", "async") {
		return false
	}
	for {
		p.accept("async")
		if p.accept("for") {
			for !p.accept("in") {
				if t := p.peek(); t.kind == newlineToken || t.kind == endToken {
					p.fail(`"for" without "in"`)
				}
				p.take()
			}
			p.binary(0)
		} else if p.accept("if") {
			p.binary(0)
		} else {
			return true
		}
	}
}
