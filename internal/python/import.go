package python

import "strings"

// imports reads "import a.b as c" and "from a import b as c", up to the end of the statement. What it does not understand is
// passed over: only running the program would tell whether it works.
func (r *moduleReader) imports() {
	line := r.peek().line
	if r.take().text == "import" {
		for {
			module, as := r.dotted(), ""
			if r.accept("as") {
				as = r.take().text
			} else {
				as, _, _ = strings.Cut(module, ".")
			}
			r.module.Imports = append(r.module.Imports, Import{Line: line, Module: module, As: as})
			if !r.accept(",") {
				break
			}
		}
	} else {
		from := Import{Line: line}
		for r.sees(".", "...") {
			from.Level += len(r.take().text)
		}
		if !r.sees("import") {
			from.Module = r.dotted()
		}
		for r.accept("import") || r.accept(",") || r.accept("(") {
			if t := r.peek(); t.kind != nameToken && !r.sees("*") {
				continue
			}
			one := from
			one.Name = r.take().text
			one.As = one.Name
			if r.accept("as") {
				one.As = r.take().text
			}
			r.module.Imports = append(r.module.Imports, one)
		}
	}
	for t := r.peek(); t.kind != newlineToken && t.kind != endToken && !r.sees(";"); t = r.peek() {
		r.take()
	}
}

// dotted is a name with dots.
func (r *moduleReader) dotted() string {
	var b strings.Builder
	for t := r.peek(); t.kind == nameToken && !r.sees("as", "import") || r.sees("."); t = r.peek() {
		b.WriteString(r.take().text)
	}
	return b.String()
}
