package python

import (
	"cmp"
	"strings"
)

// A Module is what a source says, from top to bottom.
type Module struct {
	Statements []Statement
	Imports    []Import
	Skipped    []Skip // lines that could not be read
}

// A Skip is a line that could not be read, and why.
type Skip struct {
	Line int
	Why  string
}

// An Import is one name that another module gives.
type Import struct {
	Line   int
	Level  int    // dots before Module
	Module string // dotted
	Name   string // what of it; "*" for all, "" for the module itself
	As     string // its name here
}

// A Statement is an assignment (Target and Value), an expression (Value), or the definition of a function or class (Name).
type Statement struct {
	Line int

	// In names the functions and classes around it, the outermost first; Under are the conditions, "if DEBUG" or "else" or
	// "for x in y".
	In, Under []string

	Target *Node  // what is assigned to: a Name, an Index, a Tuple
	Sign   string // "=" or "+=" or the like
	Value  *Node

	Name       string // of a function or class
	Class      bool
	Decorators []*Node // without the @
	Params     []Param // of a function
	Returns    *Node   // its annotation, nil: none
	Bases      []*Node // of a class
	Opaque     bool    // Params, Returns or Bases could not be read
}

// A block is what an indented part of the source belongs to.
type block struct {
	indent int
	name   string // of a function or class
	under  string // or a condition
}

// Read reads source. It never fails: what it can't read is Skipped.
func Read(source string) Module {
	source = strings.TrimPrefix(source, "\ufeff")
	r := moduleReader{parser: parser{source: source, tokens: scan(source)}}
	for r.peek().kind != endToken {
		r.line()
	}
	return r.module
}

type moduleReader struct {
	parser
	module     Module
	blocks     []block
	decorators []*Node
}

// line reads a logical line.
func (r *moduleReader) line() {
	first := r.peek()
	for len(r.blocks) > 0 && r.blocks[len(r.blocks)-1].indent >= first.indent {
		r.blocks = r.blocks[:len(r.blocks)-1]
	}
	defer func() {
		if f := recover(); f != nil {
			fault, ok := f.(fault)
			if !ok {
				panic(f)
			}
			r.module.Skipped = append(r.module.Skipped, Skip{fault.line, fault.why})
			r.depth = 0
		}
		r.skip(first)
	}()
	r.statements(first)
}

// skip goes to the next logical line.
func (r *moduleReader) skip(from token) {
	for t := r.peek(); t.kind != endToken; t = r.peek() {
		r.take()
		if t.kind == newlineToken {
			return
		}
	}
}

// statements reads those of a line, which semicolons divide.
func (r *moduleReader) statements(first token) {
	for {
		if t := r.peek(); t.kind == newlineToken || t.kind == endToken {
			return
		}
		r.statement(first)
		if !r.accept(";") {
			break
		}
	}
	if t := r.peek(); t.kind != newlineToken && t.kind != endToken {
		r.fail("%q was not expected", r.source[t.from:t.to])
	}
}

func (r *moduleReader) statement(first token) {
	t := r.peek()
	if t.kind == signToken && t.text == "@" {
		r.take()
		r.decorators = append(r.decorators, r.expression())
		return
	}
	if t.kind == nameToken {
		switch t.text {
		case "async":
			r.take()
			r.statement(first)
			return
		case "def", "class":
			r.define(first)
			return
		case "if", "elif", "else", "while", "for", "with", "try", "except", "finally":
			r.condition(first)
			return
		case "match", "case":
			if r.heads() {
				r.condition(first)
				return
			}
		case "import", "from":
			r.imports()
			return
		case "pass", "break", "continue", "global", "nonlocal", "assert", "raise", "del", "return":
			for t := r.peek(); t.kind != newlineToken && t.kind != endToken && !r.sees(";"); t = r.peek() {
				r.take()
			}
			return
		}
	}
	r.decorators = nil
	r.simple(t)
}

// heads tells whether "match" or "case" begins a statement here, and is no name: its line ends with a colon, or it stands among the
// cases of a match.
func (r *moduleReader) heads() bool {
	if r.peek().text == "case" && len(r.blocks) > 0 && strings.HasPrefix(r.blocks[len(r.blocks)-1].under, "match ") {
		return true
	}
	at := r.at
	for t := r.tokens[at]; t.kind != newlineToken && t.kind != endToken; t = r.tokens[at] {
		at++
	}
	last := r.tokens[at-1]
	return at-1 > r.at+1 && last.kind == signToken && last.text == ":"
}

// simple is an assignment or an expression.
func (r *moduleReader) simple(from token) {
	values := []*Node{r.list()}
	sign := ""
	if r.accept(":") { // an annotation
		r.expression()
	}
	for r.peek().kind == signToken && r.peek().text != ";" && strings.HasSuffix(r.peek().text, "=") {
		sign = cmp.Or(sign, r.peek().text)
		r.take()
		values = append(values, r.list())
	}
	last := values[len(values)-1]
	if len(values) == 1 {
		r.add(Statement{Line: from.line, Value: last})
	}
	for _, target := range values[:len(values)-1] {
		r.add(Statement{Line: from.line, Target: target, Sign: sign, Value: last})
	}
}

func (r *moduleReader) add(s Statement) {
	for _, b := range r.blocks {
		if b.name != "" {
			s.In = append(s.In, b.name)
		} else {
			s.Under = append(s.Under, b.under)
		}
	}
	r.module.Statements = append(r.module.Statements, s)
}

// condition reads the head of a compound statement.
func (r *moduleReader) condition(first token) {
	from := r.peek()
	r.head()
	text := strings.TrimSpace(r.source[from.from:r.tokens[r.at-1].from])
	r.body(first, block{indent: first.indent, under: strings.Join(strings.Fields(text), " ")})
}

// head passes over all up to the colon that begins a body.
func (r *moduleReader) head() {
	depth := 0
	for {
		t := r.peek()
		switch {
		case t.kind == newlineToken || t.kind == endToken || t.kind == errorToken:
			r.fail("a colon is missing")
		case r.sees("(", "[", "{"):
			depth++
		case r.sees(")", "]", "}"):
			depth--
		case r.sees("lambda"):
			depth += 1
			for !r.sees(":") && r.peek().kind != newlineToken && r.peek().kind != endToken {
				r.take()
			}
			depth -= 1
			if r.sees(":") {
				r.take()
			}
			continue
		case depth == 0 && r.sees(":"):
			r.take()
			return
		}
		r.take()
	}
}

// body reads what stands on the same line, and remembers whose lines the deeper ones are.
func (r *moduleReader) body(first token, b block) {
	r.blocks = append(r.blocks, b)
	r.statements(first)
}
