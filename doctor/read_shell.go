package doctor

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// A command is a command line: the program, what it is told to do, and its options.
type command struct {
	program string // the last part of its path: celery, aws, umbel …
	aside   bool   // it stands among Python settings: a remark, not how something is started
	words   []word
	Place
}

// A word of a command line. What the shell would put in stands there as $NAME.
type word struct {
	text string
	Place
}

// readShell reads the command lines of a script, and NAME=value before or without one.
func readShell(s *system, file string, after int, text string) bool {
	s.excuse(file, after, text)
	parsed, err := syntax.NewParser(syntax.KeepComments(false)).Parse(strings.NewReader(text), file)
	if err != nil {
		var at syntax.ParseError
		if errors.As(err, &at) {
			s.unread = append(s.unread, Unread{Place{file, after + int(at.Pos.Line()), int(at.Pos.Col())}, at.Text})
		}
		if parsed == nil {
			return false
		}
	}
	found := false
	place := func(n syntax.Node) Place { return Place{file, after + int(n.Pos().Line()), int(n.Pos().Col())} }
	syntax.Walk(parsed, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			for _, a := range n.Assigns {
				found = s.shellVariable(a, place(a)) || found
			}
			if len(n.Args) > 0 {
				c := command{program: filepath.Base(literal(n.Args[0])), Place: place(n)}
				for _, w := range n.Args[1:] {
					c.words = append(c.words, word{literal(w), place(w)})
				}
				c.unwrap()
				found = s.command(c) || found
			}
		case *syntax.DeclClause: // export NAME=value
			for _, a := range n.Args {
				found = s.shellVariable(a, place(a)) || found
			}
		}
		return true
	})
	return found
}

func (s *system) shellVariable(a *syntax.Assign, at Place) bool {
	if a.Name == nil || a.Value == nil || a.Index != nil {
		return false
	}
	text := literal(a.Value)
	if strings.Contains(text, "$") {
		return false
	}
	s.variables[a.Name.Value] = variable{a.Name.Value, text, at}
	return true
}

// literal is a word without its quotes.
func literal(w *syntax.Word) string {
	var b strings.Builder
	var parts func([]syntax.WordPart)
	parts = func(list []syntax.WordPart) {
		for _, p := range list {
			switch p := p.(type) {
			case *syntax.Lit:
				b.WriteString(strings.ReplaceAll(p.Value, "\\\n", ""))
			case *syntax.SglQuoted:
				b.WriteString(p.Value)
			case *syntax.DblQuoted:
				parts(p.Parts)
			case *syntax.ParamExp:
				b.WriteString("$" + p.Param.Value)
			default:
				b.WriteString("$(…)")
			}
		}
	}
	parts(w.Parts)
	return b.String()
}

// unwrap takes away what only starts the program: python -m celery, exec, sudo, nohup, poetry run.
func (c *command) unwrap() {
	for len(c.words) > 0 {
		switch {
		case slices.Contains([]string{"exec", "sudo", "nohup", "env", "time"}, c.program):
		case slices.Contains([]string{"poetry", "pipenv", "uv", "pdm"}, c.program) && c.words[0].text == "run" && len(c.words) > 1:
			c.words = c.words[1:]
		case strings.HasPrefix(c.program, "python") && c.words[0].text == "-m" && len(c.words) > 1:
			c.words = c.words[1:]
		default:
			return
		}
		c.program, c.words = filepath.Base(c.words[0].text), c.words[1:]
	}
}

// command notes one that matters.
func (s *system) command(c command) bool {
	switch c.program {
	case "celery", "umbel":
	case "aws":
		if c.sub() != "mq create-broker" {
			return false
		}
		s.creations = append(s.creations, createdByCommand(c))
	default: // a program of one's own, with Umbel's commands in it
		if !c.flag("-Q", "--queues") || c.sub() != "worker" {
			return false
		}
	}
	s.commands = append(s.commands, c)
	return true
}

// celeryGlobals are options of celery itself that take a value, which come before its subcommand.
var celeryGlobals = []string{"-A", "--app", "-b", "--broker", "--result-backend", "--loader", "--config", "--workdir"}

// sub is the subcommand: "worker", "mq create-broker".
func (c command) sub() string {
	i, want := 0, 1
	if c.program == "aws" {
		want = 2
	}
	var out []string
	for i < len(c.words) && len(out) < want {
		w := c.words[i].text
		if strings.HasPrefix(w, "-") {
			if slices.Contains(celeryGlobals, w) || c.program == "aws" && !strings.Contains(w, "=") && !slices.Contains([]string{"--debug", "--no-cli-pager", "--no-verify-ssl"}, w) {
				i++
			}
			i++
			continue
		}
		out = append(out, w)
		i++
	}
	return strings.Join(out, " ")
}

// index is where the subcommand stands among the words, -1 without one.
func (c command) index() int {
	sub := c.sub()
	return slices.IndexFunc(c.words, func(w word) bool { return w.text == sub })
}

// option is the value of one of the options named, by its words --name value, --name=value, -n value or -nvalue.
func (c command) option(names ...string) (word, bool) {
	for i, w := range c.words {
		for _, name := range names {
			switch rest, ok := strings.CutPrefix(w.text, name); {
			case !ok:
			case rest == "" && i+1 < len(c.words):
				return word{c.words[i+1].text, w.Place}, true
			case rest == "":
				return word{"", w.Place}, true
			case strings.HasPrefix(name, "--") && rest[0] == '=':
				return word{rest[1:], w.Place}, true
			case !strings.HasPrefix(name, "--") && !strings.HasPrefix(w.text, "--"):
				return word{strings.TrimPrefix(rest, "="), w.Place}, true
			}
		}
	}
	return word{}, false
}

// flag tells whether an option stands there, whatever follows it.
func (c command) flag(names ...string) bool {
	return slices.ContainsFunc(c.words, func(w word) bool {
		name, _, _ := strings.Cut(w.text, "=")
		return slices.Contains(names, name)
	})
}
