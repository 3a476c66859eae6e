package setting

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Sources say where settings come from. Later wins: file, variables, flags.
type Sources struct {
	// Dir is where relative files are looked for. "" is the working directory.
	Dir string

	// File is a settings file, or its name without extension: .yaml, .yml, .toml and .json are then tried. "" is what
	// UMBEL_APP names, else "umbel", which need not exist.
	File string

	// Environ are variables as os.Environ gives them.
	Environ []string

	// Flags are setting=value pairs of the command line.
	Flags map[string]string
}

// A Value is one setting that was set.
type Value struct {
	Setting *Setting
	Value   any // as its Type says; nil for null
	Place   Place
}

// Settings are what the sources say.
type Settings struct {
	Values   map[string]Value // by name; settings that nobody set are not in it
	Warnings []string         // to be logged once
	File     string           // the settings file that was read; "" for none
}

// Load reads all sources. The error is an *Error with every problem in them.
func Load(s Sources) (*Settings, error) {
	l := loader{values: make(map[string]written)}
	name := s.File
	if name == "" {
		for _, e := range s.Environ {
			if value, ok := strings.CutPrefix(e, appVariable+"="); ok {
				name = value
			}
		}
	}
	path, err := findFile(s.Dir, name)
	if err != nil {
		l.problem(Place{File: name}, "", "%v", err)
	}
	if path != "" {
		l.file(path)
	}
	l.environ(s.Environ)
	l.flags(s.Flags)
	return l.settings(path)
}

// Parse reads the text of one settings file, whose name says how, and nothing else. The error is an *Error.
func Parse(name string, text []byte) (*Settings, error) {
	l := loader{values: make(map[string]written)}
	l.text(name, text)
	return l.settings(name)
}

// settings is what the last word on each setting means.
func (l *loader) settings(path string) (*Settings, error) {
	out := &Settings{Values: make(map[string]Value), File: path}
	for i := range table {
		if w, ok := l.values[table[i].Name]; ok {
			l.read(out, &table[i], w)
		}
	}
	if len(l.problems) > 0 {
		return nil, &Error{Problems: byPlace(l.problems)}
	}
	out.Warnings = l.warnings
	return out, nil
}

// A loader gathers the last word on each setting, and reads it when all have spoken.
type loader struct {
	values   map[string]written
	problems []Problem
	warnings []string
}

type written struct {
	spelt string
	node  *Node
	under []written // what it overrides: overridden values are checked, too, since they will speak when it goes
}

func (l *loader) problem(at Place, name, format string, a ...any) {
	l.problems = append(l.problems, Problem{Place: at, Setting: name, Text: fmt.Sprintf(format, a...)})
}

func (l *loader) set(s *Setting, spelt string, n *Node) {
	w := written{spelt: spelt, node: n}
	if before, ok := l.values[s.Name]; ok {
		w.under = append(before.under, written{spelt: before.spelt, node: before.node})
	}
	l.values[s.Name] = w
}

// flags reads setting=value pairs. Celery writes worker.concurrency for worker_concurrency, too.
func (l *loader) flags(flags map[string]string) {
	from := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		place := Place{Flag: name}
		s, ok := Lookup(name)
		if !ok {
			s, ok = Lookup(strings.NewReplacer(".", "_", "-", "_").Replace(name))
		}
		if !ok {
			l.problem(place, "", "%s", unknown(name))
			continue
		}
		if before := from[s.Name]; before != "" {
			l.problem(place, "", "it is set already, as %s: keep one", before)
			continue
		}
		from[s.Name] = name
		l.set(s, s.Name, &Node{Kind: Loose, Text: flags[name], Place: place})
	}
}

// read turns what was written about one setting into its value.
func (l *loader) read(out *Settings, s *Setting, w written) {
	for _, u := range w.under {
		r := reader{setting: s, spelt: u.spelt}
		if s.Class != Refused {
			r.value(u.node)
		}
		l.problems = append(l.problems, r.problems...)
	}
	place := w.node.Place
	if s.Class == Refused && !w.node.null() {
		l.problem(place, w.spelt, "%s", s.Why)
		return
	}
	r := reader{setting: s, spelt: w.spelt}
	v := r.value(w.node)
	l.problems = append(l.problems, r.problems...)
	l.warnings = append(l.warnings, r.warnings...)
	out.Values[s.Name] = Value{Setting: s, Value: v, Place: place}
	switch {
	case v == nil:
	case s.Class == Accepted:
		l.warnings = append(l.warnings, fmt.Sprintf("%s: %s has no effect: %s", place, w.spelt, s.Why))
	case s.Class == Later && !s.idle(v):
		l.warnings = append(l.warnings, fmt.Sprintf("%s: %s has no effect yet", place, w.spelt))
	}
}

// idle reports whether a value says what happens anyway: what is off by default and not built yet is off.
func (s *Setting) idle(v any) bool {
	return v == s.Idle || v == false && s.Celery == "False"
}

// value reads a node by its setting: those that need more than their type, first.
func (r *reader) value(n *Node) any {
	if r.setting.Class == Accepted {
		return plain(n) // nobody will read it: its type is nobody's concern
	}
	if r.setting.Name == "worker_pool" && !n.null() {
		return r.pool(n)
	}
	if r.setting.Name == "worker_prefetch_multiplier" && n.scalar() && strings.EqualFold(n.Text, "auto") {
		return int64(AutoPrefetch)
	}
	return r.read(n)
}

// AutoPrefetch is what "auto" is in the field of worker_prefetch_multiplier.
const AutoPrefetch = -2

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
