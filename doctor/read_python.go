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
	file    string
	after   int
	names   map[string]*python.Node  // what the module assigned so far, its classes' attributes as Class.name
	imports map[string]python.Import // by the names they have here
	configs map[string]bool          // classes that are configurations
	held    int                      // nodes and characters that names stand for
	under   string                   // the condition of the statement that is read; "" for none
	in      []string                 // the functions and classes around it
	found   bool
}

// readPython reads a settings module, a module with an app, or one with tasks.
func readPython(s *system, file string, after int, text string) bool {
	m := python.Read(text)
	r := pythonReader{system: s, file: file, after: after, names: make(map[string]*python.Node), imports: make(map[string]python.Import), configs: configs(m)}
	for _, i := range m.Imports {
		r.imports[i.As] = i
	}
	s.excuse(file, after, text)
	for _, st := range m.Statements {
		r.statement(st)
	}
	for _, skip := range m.Skipped {
		if (r.found || s.named[file]) && !shell(text, skip.Line) {
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

func (r *pythonReader) statement(s python.Statement) {
	r.in, r.under = s.In, condition(s.Under)
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

// condition is what decides whether a statement is run, "" if nothing does that could turn out otherwise in production.
func condition(under []string) string {
	for i := len(under) - 1; i >= 0; i-- {
		word, rest, _ := strings.Cut(under[i], " ")
		switch word {
		case "try", "with", "finally":
			continue
		}
		if strings.Contains(strings.ToLower(rest), "prod") && !strings.Contains(rest, "!=") && !strings.Contains(rest, "not ") {
			continue
		}
		return under[i]
	}
	return ""
}

func (r *pythonReader) note(name string, n *python.Node) {
	r.assign(name, r.value(n), true)
	last := &r.assigned[len(r.assigned)-1]
	last.under, last.rank = r.under, rank(append([]string{r.file}, r.in...))
	r.found = true
}

// assignment is NAME = value, app.conf.name = value, app.conf["name"] = value, or app = Celery(…); or a change of one of these.
func (r *pythonReader) assignment(s python.Statement) {
	r.call(s.Value)
	t := s.Target
	if s.Sign != "=" {
		r.amend(t, s.Sign, s.Value)
		return
	}
	if t.Kind == python.Index {
		if isConf(t.Of) && t.Items[0].Kind == python.String {
			r.note(t.Items[0].Text, s.Value)
			return
		}
		r.amend(t.Of, "|=", &python.Node{Kind: python.Dict, Line: t.Line, Column: t.Column, Pairs: []python.Pair{{Key: t.Items[0], Value: s.Value}}})
		return
	}
	if t.Kind != python.Name {
		return
	}
	if before, name, ok := cutLast(t.Text, "."); ok {
		if isConf(&python.Node{Kind: python.Name, Text: before}) {
			r.note(name, s.Value)
		}
		return
	}
	if len(s.In) > 0 {
		r.remember(strings.Join(s.In, ".")+"."+t.Text, s.Value)
	}
	if !r.module() {
		return // a function's own, or a class's that is no configuration
	}
	r.remember(t.Text, s.Value)
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

// configs are the classes of a module that hold settings: those named for it, those whose bases are, and those that an app is
// given.
func configs(m python.Module) map[string]bool {
	out := make(map[string]bool)
	for _, s := range m.Statements {
		if s.Class && (isConfig(s.Name) || slices.ContainsFunc(s.Bases, func(b *python.Node) bool { return out[b.Text] || isConfig(b.Text) })) {
			out[s.Name] = true
		}
		if v := s.Value; v != nil && v.Kind == python.Call && len(v.Items) > 0 && v.Items[0].Kind == python.Name && strings.HasSuffix(v.Of.Text, ".config_from_object") {
			out[v.Items[0].Text] = true
		}
	}
	return out
}

func isConfig(name string) bool { return strings.Contains(strings.ToLower(name), "config") }

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
	before, name, _ := cutLast(r.origin(n.Of.Text), ".")
	if sign, more := change(name, n); sign != "" && !isConf(&python.Node{Kind: python.Name, Text: before}) {
		r.amend(&python.Node{Kind: python.Name, Text: before, Line: n.Line, Column: n.Column}, sign, more)
		return
	}
	switch {
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
