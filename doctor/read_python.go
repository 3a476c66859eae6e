package doctor

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/internal/python"
	"github.com/umbel-go/umbel/internal/setting"
)

// pythonReader finds settings and tasks in one Python source.
type pythonReader struct {
	*system
	file  string
	after int
	names map[string]*python.Node // what the module assigned so far
	found bool
}

// readPython reads a settings module, a module with an app, or one with tasks.
func readPython(s *system, file string, after int, text string) bool {
	r := pythonReader{system: s, file: file, after: after, names: make(map[string]*python.Node)}
	m := python.Read(text)
	s.excuse(file, after, text)
	for _, st := range m.Statements {
		r.statement(st)
	}
	if r.found {
		for _, skip := range m.Skipped {
			if shell(text, skip.Line) {
				continue
			}
			s.unread = append(s.unread, Unread{Place{File: file, Line: after + skip.Line}, skip.Why})
		}
	}
	// Guides put a command line among settings.
	before := len(s.commands)
	if readShell(s, file, after, onlyCommands(text)) {
		r.found = true
	}
	for i := range s.commands[before:] {
		s.commands[before+i].aside = true
	}
	return r.found
}

// commandLine is one of Celery's; "celery = Celery(…)" is none.
var commandLine = regexp.MustCompile(`^\s*celery\s+[-\w]`)

// shell tells whether a line of a Python source is a command line of Celery's.
func shell(text string, line int) bool {
	lines := strings.Split(text, "\n")
	return line >= 1 && line <= len(lines) && commandLine.MatchString(lines[line-1])
}

// onlyCommands leaves of a Python source the lines that are command lines of Celery's.
func onlyCommands(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		if !shell(text, i+1) {
			lines[i] = ""
		}
	}
	return strings.Join(lines, "\n")
}

func (r *pythonReader) place(n *python.Node) Place { return Place{r.file, r.after + n.Line, n.Column} }

func (r *pythonReader) value(n *python.Node) value {
	n = r.expand(n, 0)
	return value{n, r.place(n)}
}

// expand puts in the values of names that the module has assigned.
func (r *pythonReader) expand(n *python.Node, depth int) *python.Node {
	if n == nil || depth > 20 {
		return n
	}
	if n.Kind == python.Name {
		if v, ok := r.names[n.Text]; ok {
			out := *v
			out.Line, out.Column = n.Line, n.Column
			return &out
		}
		return n
	}
	if n.Kind != python.List && n.Kind != python.Tuple && n.Kind != python.Dict {
		return n
	}
	out := *n
	out.Items = make([]*python.Node, len(n.Items))
	for i, item := range n.Items {
		out.Items[i] = r.expand(item, depth+1)
	}
	out.Pairs = make([]python.Pair, 0, len(n.Pairs))
	for _, p := range n.Pairs {
		v := r.expand(p.Value, depth+1)
		if p.Key == nil && v.Kind == python.Dict {
			out.Pairs = append(out.Pairs, v.Pairs...)
			continue
		}
		out.Pairs = append(out.Pairs, python.Pair{Key: p.Key, Value: v})
	}
	return &out
}

func (r *pythonReader) statement(s python.Statement) {
	r.leftover(s)
	switch {
	case s.Name != "":
		r.define(s)
	case s.Target == nil && s.Value != nil && s.Value.Kind == python.String:
		r.document(s)
	case s.Target != nil:
		r.assignment(s)
	default:
		r.call(s.Value)
	}
}

func (r *pythonReader) note(name string, n *python.Node) {
	r.assign(name, r.value(n), true)
	r.found = true
}

// assignment is NAME = value, app.conf.name = value, app.conf["name"] = value, or app = Celery(…).
func (r *pythonReader) assignment(s python.Statement) {
	r.call(s.Value)
	t := s.Target
	if t.Kind == python.Index && isConf(t.Of) && t.Items[0].Kind == python.String {
		r.note(t.Items[0].Text, s.Value)
		return
	}
	if t.Kind != python.Name || s.Sign != "=" {
		return
	}
	if before, name, ok := cutLast(t.Text, "."); ok {
		if isConf(&python.Node{Kind: python.Name, Text: before}) {
			r.note(name, s.Value)
		}
		return
	}
	if slices.ContainsFunc(s.In, func(name string) bool { return !strings.Contains(strings.ToLower(name), "config") }) {
		return // a function's own, or a class's that is no configuration
	}
	r.names[t.Text] = r.expand(s.Value, 0)
	if r.isSetting(t.Text) {
		r.note(t.Text, s.Value)
	}
}

// isConf tells whether an expression is the configuration of an app.
func isConf(n *python.Node) bool {
	return n.Kind == python.Name && (n.Text == "conf" || strings.HasSuffix(n.Text, ".conf"))
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// isSetting tells whether a name that a module assigns is one of Celery's settings. Words that everybody uses (timezone,
// include) count in a module that is named for Celery.
func (r *pythonReader) isSetting(name string) bool {
	if strings.HasPrefix(name, "CELERY_") && name == strings.ToUpper(name) {
		return true
	}
	s, ok := setting.Lookup(name)
	switch {
	case !ok || s.Own:
		return false
	case name == s.Old:
		return strings.HasPrefix(name, "CELERY") || strings.HasPrefix(name, "BROKER_")
	case name != s.Name:
		return false
	case strings.Contains(name, "_"):
		return true
	}
	return strings.Contains(strings.ToLower(filepath.Base(r.file)), "celery")
}

// call is app.conf.update(…), or Celery("name", broker=…).
func (r *pythonReader) call(n *python.Node) {
	if n.Kind != python.Call || n.Of.Kind != python.Name {
		return
	}
	pairs := n.Pairs
	switch before, name, _ := cutLast(n.Of.Text, "."); {
	case name == "update" && isConf(&python.Node{Kind: python.Name, Text: before}):
		for _, item := range n.Items {
			pairs = append(pairs, r.expand(item, 0).Pairs...)
		}
		for _, p := range pairs {
			if p.Key != nil && p.Key.Kind == python.String {
				r.note(p.Key.Text, p.Value)
			}
		}
	case name == "Celery":
		r.found = true
		r.celery = true
		for _, p := range pairs {
			switch {
			case p.Key == nil:
			case p.Key.Is("broker"):
				r.note("broker_url", p.Value)
			case p.Key.Is("backend"):
				r.note("result_backend", p.Value)
			default:
				if s, ok := setting.Lookup(p.Key.Text); ok {
					r.note(s.Name, p.Value)
				}
			}
		}
	}
}
