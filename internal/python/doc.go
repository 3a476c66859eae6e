// Package python reads Python source as data: what a settings module assigns, calls and decorates. Nothing is ever run or
// imported, so a file from a stranger is safe to read, and what only running it would tell is Unknown.
//
//	m := python.Read(source)
//	for _, s := range m.Statements {
//		fmt.Println(s.Line, s.Target, s.Value)
//	}
//
// It knows the expressions of Python 3; statements it knows as far as settings need them. A line that it can't read is
// skipped, and named in Module.Skipped: the next one is read all the same.
package python
