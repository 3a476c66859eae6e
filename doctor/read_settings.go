package doctor

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/umbel-go/umbel/internal/python"
	"github.com/umbel-go/umbel/internal/setting"
)

// readSettings reads a settings file of Umbel's. What the program itself says of it when it loads it is told, too.
func readSettings(s *system, file string, after int, text string) bool {
	root := &python.Node{}
	if strings.EqualFold(filepath.Ext(file), ".toml") {
		if !strings.HasPrefix(filepath.Base(file), "umbel") {
			return false // pyproject.toml and its like
		}
		root.Kind = python.Dict // its values are looked at by setting.Parse only
	} else {
		var ok bool
		if root, ok = document(s, file, after, text); !ok || root.Kind != python.Dict {
			return false
		}
		known := 0
		for _, p := range root.Pairs {
			if _, ok := setting.Lookup(p.Key.Text); ok {
				known++
			}
		}
		if known == 0 || 2*known < len(root.Pairs) {
			return false // some other YAML
		}
	}
	s.excuse(file, after, text)
	s.umbel = true
	for _, p := range root.Pairs {
		v := *p.Value
		v.Line, v.Column = p.Key.Line, p.Key.Column
		s.assign(p.Key.Text, value{&v, Place{file, after + v.Line, v.Column}}, false)
	}
	loaded, err := setting.Parse(file, []byte(text))
	var all *setting.Error
	if errors.As(err, &all) {
		for _, p := range all.Problems {
			s.problems = append(s.problems, Finding{Severity: Critical, Verdict: Wrong, Place: Place{file, after + max(p.Place.Line, 1), p.Place.Col},
				What: strings.TrimPrefix(p.Setting+": "+p.Text, ": "), Why: "a program with these settings does not start", Instead: "what it says"})
		}
	}
	if loaded != nil {
		for _, w := range loaded.Warnings {
			line, text := cutPlace(file, w)
			s.problems = append(s.problems, Finding{Severity: Low, Verdict: Ignored, Place: Place{File: file, Line: after + line},
				What: text, Why: "it is read, and does not do what it seems to", Instead: "what it says, or nothing"})
		}
	}
	return true
}

// cutPlace takes "FILE:LINE: " from the front of a warning.
func cutPlace(file, warning string) (line int, text string) {
	rest, ok := strings.CutPrefix(warning, file+":")
	if !ok {
		return 1, warning
	}
	number, rest, ok := strings.Cut(rest, ": ")
	line, err := strconv.Atoi(number)
	if !ok || err != nil {
		return 1, warning
	}
	return line, rest
}
