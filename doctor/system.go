package doctor

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/internal/python"
	"github.com/umbel-go/umbel/internal/setting"
)

// A system is all that was read, put together: what rules look at.
type system struct {
	celery   bool             // some settings are Celery's
	umbel    bool             // some are Umbel's own file
	assigned []assigned       // every setting, in the order read
	set      map[string]value // the last word on each, by its lower-case name

	tasks      []task
	leftovers  []Leftover
	commands   []command
	variables  map[string]variable
	containers []container
	creations  []creation // of brokers
	excuses    map[string]map[int]string
	unread     []Unread
	problems   []Finding       // that reading found by itself
	named      map[string]bool // files that were named one by one
	counts     map[string]int  // the place in assigned of the value that counts, by the setting's name
}

func newSystem() *system {
	return &system{set: make(map[string]value), variables: make(map[string]variable), excuses: make(map[string]map[int]string), named: make(map[string]bool)}
}

// A value is an expression and where it stands.
type value struct {
	*python.Node
	Place Place
}

// An assigned is a setting that was given a value.
type assigned struct {
	name  string // lower-case, as Celery 4 and later have it
	spelt string // as it is written there
	value
	celery bool         // in Python
	source *python.Node // as written, before variables were looked up
	under  string       // the condition it stands under, "" for none
	rank   int          // of the file, as rank has it
}

// Ranks of settings modules and classes: what is made for tests or one's own machine does not decide what runs in production.
const (
	rankAside = iota
	rankCommon
	rankProduction
)

// capitals are where a word ends and the next one begins with a capital.
var capitals = regexp.MustCompile(`([a-z])([A-Z])`)

// rank tells by the last of these names that says something: of a file, of a class.
func rank(names []string) int {
	for i := len(names) - 1; i >= 0; i-- {
		name := capitals.ReplaceAllString(strings.TrimSuffix(filepath.Base(names[i]), ".py"), "$1 $2") // DevelopmentConfig
		for _, word := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r < 'a' || r > 'z' }) {
			switch {
			case strings.HasPrefix(word, "prod") || word == "live":
				return rankProduction
			case slices.Contains([]string{"test", "tests", "testing", "ci", "local", "dev", "develop", "development", "debug", "staging", "stage"}, word):
				return rankAside
			}
		}
	}
	return rankCommon
}

// before tells whether another value of the same setting, read after this one, counts instead of it.
func (a assigned) before(b assigned) bool {
	if (a.under == "") != (b.under == "") {
		return b.under == ""
	}
	return a.rank <= b.rank
}

// A variable is one of the environment.
type variable struct {
	name, text string
	Place
}

// assign notes a setting.
func (s *system) assign(spelt string, v value, celery bool) {
	known, ok := setting.Lookup(spelt)
	name := strings.ToLower(strings.TrimPrefix(spelt, "CELERY_"))
	if ok {
		name = known.Name
	}
	s.assigned = append(s.assigned, assigned{name: name, spelt: spelt, value: v, celery: celery, source: v.Node, rank: rankCommon})
	s.celery = s.celery || celery
	s.umbel = s.umbel || !celery
}

// settle finds the value of each setting that counts when all is read: what an environment variable gives a setting, that setting
// has, unless a file says otherwise; of files the last one, but what stands under a condition, or is made for tests, yields to
// what is not.
func (s *system) settle() {
	s.counts = make(map[string]int)
	for _, name := range keysOf(s.variables) {
		v := s.variables[name]
		known, ok := setting.Lookup(name)
		if ok && strings.HasPrefix(name, "CELERY_") {
			s.set[known.Name] = value{&python.Node{Kind: python.String, Text: v.text, Line: v.Line}, v.Place}
		}
	}
	for i := range s.assigned {
		a := &s.assigned[i]
		a.Node = s.resolve(a.source)
		if at, ok := s.counts[a.name]; !ok || s.assigned[at].before(*a) {
			s.counts[a.name] = i
			s.set[a.name] = a.value
		}
	}
}

// environment tells which variable an expression asks for, and what it has without it: os.environ["A"], os.environ.get("A", d),
// os.getenv("A"), and env("A") or config("A") of the libraries that Django projects use.
func environment(n *python.Node) (name string, fallback *python.Node, ok bool) {
	if n == nil {
		return "", nil, false
	}
	if n.Kind == python.Call && len(n.Items) == 1 && len(n.Pairs) == 0 && slices.Contains([]string{"int", "float", "bool", "str"}, n.Of.Text) {
		name, fallback, ok = environment(n.Items[0]) // int(os.getenv("A", "1"))
		if ok && fallback != nil {
			fallback = python.Fold(&python.Node{Kind: python.Call, Line: n.Line, Column: n.Column, Of: n.Of, Items: []*python.Node{fallback}})
		}
		return name, fallback, ok
	}
	if n.Kind == python.Operator && n.Text == "or" && len(n.Items) == 2 {
		name, _, ok = environment(n.Items[0])
		return name, n.Items[1], ok
	}
	var key *python.Node
	switch {
	case n.Kind == python.Index && n.Of.Is("os.environ"):
		key = n.Items[0]
	case n.Kind == python.Call && len(n.Items) > 0 && n.Of.Kind == python.Name:
		switch n.Of.Text {
		case "os.environ.get", "environ.get", "os.getenv", "getenv", "env", "config", "env.str", "env.int", "env.bool", "env.url", "env.list":
			key = n.Items[0]
			if len(n.Items) > 1 {
				fallback = n.Items[1]
			} else {
				fallback = n.Get("default")
			}
		}
	}
	if key == nil || key.Kind != python.String {
		return "", nil, false
	}
	return key.Text, fallback, true
}

// resolve is what an expression comes to, as far as files and variables tell.
func (s *system) resolve(n *python.Node) *python.Node {
	name, fallback, ok := environment(n)
	if !ok {
		return n
	}
	if v, ok := s.variables[name]; ok {
		return &python.Node{Kind: python.String, Text: v.text, Line: n.Line, Column: n.Column}
	}
	if fallback != nil {
		return fallback
	}
	return n
}

// get is the last word on a setting.
func (s *system) get(name string) (value, bool) {
	v, ok := s.set[name]
	return v, ok && v.Node != nil && v.Kind != python.None
}

// text is a setting that is a string, "" if it is none or not known.
func (s *system) text(name string) string {
	if v, ok := s.get(name); ok && v.Kind == python.String {
		return v.Text
	}
	return ""
}

// truth is a setting that is a boolean.
func (s *system) truth(name string) bool {
	v, ok := s.get(name)
	return ok && v.Kind == python.Bool && v.Bool
}

// each calls f for every value a setting is given anywhere, in the order read.
func (s *system) each(name string, f func(assigned)) {
	for _, a := range s.assigned {
		if a.name == name && a.Node != nil {
			f(a)
		}
	}
}

// at is the place of a node in the file of v.
func (v value) at(n *python.Node) Place { return Place{v.Place.File, v.after() + n.Line, n.Column} }

// after is how many lines of the file come before the block in which v stands.
func (v value) after() int { return v.Place.Line - v.Node.Line }

// excused tells whether the line of a finding, or the one above it, says "doctor: ignore" and its rule, or no rule.
func (s *system) excused(f Finding) bool {
	for _, line := range []int{f.Place.Line, f.Place.Line - 1} {
		if names, ok := s.excuses[f.Place.File][line]; ok && (names == "" || strings.Contains(" "+names+" ", " "+f.Rule+" ")) {
			return true
		}
	}
	return false
}

// excuse notes the comments that say "doctor: ignore RULE".
func (s *system) excuse(file string, after int, text string) {
	for i, line := range strings.Split(text, "\n") {
		_, names, ok := strings.Cut(line, "doctor: ignore")
		if !ok || !strings.ContainsAny(line, "#/") {
			continue
		}
		if s.excuses[file] == nil {
			s.excuses[file] = make(map[int]string)
		}
		s.excuses[file][after+i+1] = strings.Join(strings.FieldsFunc(names, func(r rune) bool { return r == ' ' || r == ',' || r == '\r' }), " ")
	}
}
