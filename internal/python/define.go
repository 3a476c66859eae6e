package python

// A Param is one of a function's parameters.
type Param struct {
	Name        string
	Star        string // "" for most, "*" for *args, "**" for **kwargs
	KeywordOnly bool   // stands behind a * and cannot be given by position
	Annotation  *Node  // nil: none
	Default     *Node  // nil: none; it must be given
}

// define reads the head of a function or class; what it takes is passed over.
func (r *moduleReader) define(first token) {
	class := r.take().text == "class"
	name := r.take()
	if name.kind != nameToken {
		r.at--
		r.fail("a definition without a name")
	}
	s := Statement{Line: name.line, Name: name.text, Class: class, Decorators: r.decorators}
	r.decorators = nil
	r.signature(&s)
	r.add(s)
	r.head()
	r.body(first, block{indent: first.indent, name: name.text})
}

// signature reads parameters and what is returned, or a class's bases, as far as it can: head passes over the rest.
func (r *moduleReader) signature(s *Statement) {
	at, depth := r.at, r.depth
	defer func() {
		if f := recover(); f != nil {
			if _, ok := f.(fault); !ok {
				panic(f)
			}
			s.Params, s.Returns, s.Bases, s.Opaque = nil, nil, nil, true
			r.at, r.depth = at, depth
		}
	}()
	if s.Class {
		if r.accept("(") {
			c := &Node{Kind: Call}
			r.arguments(c)
			s.Bases = c.Items
		}
		return
	}
	r.want("(")
	s.Params = r.params()
	if r.accept("->") {
		s.Returns = r.expression()
	}
}

// params reads up to the closing bracket.
func (r *moduleReader) params() []Param {
	var out []Param
	only := false
	for !r.accept(")") {
		switch {
		case r.accept("/"):
		case r.sees("*") && (r.tokens[r.at+1].text == "," || r.tokens[r.at+1].text == ")") && r.tokens[r.at+1].kind == signToken:
			r.take()
			only = true
		default:
			p := Param{KeywordOnly: only}
			if r.sees("*", "**") {
				p.Star = r.take().text
				only = true
			}
			name := r.take()
			if name.kind != nameToken {
				r.at--
				r.fail("a parameter without a name")
			}
			p.Name = name.text
			if r.accept(":") {
				p.Annotation = r.expression()
			}
			if r.accept("=") {
				p.Default = r.expression()
			}
			out = append(out, p)
		}
		if !r.accept(",") && !r.sees(")") {
			r.fail("parameters that do not end")
		}
	}
	return out
}
