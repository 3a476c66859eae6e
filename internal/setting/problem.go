package setting

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Place is where a setting was written.
type Place struct {
	File      string // settings file
	Line, Col int    // from 1; 0 when the place is no file
	Variable  string // environment variable
	Flag      string // setting=value on the command line
}

// String is file:line, the variable's name, or the flag; "default" for the zero Place.
func (p Place) String() string {
	switch {
	case p.Variable != "" && p.File != "":
		return p.Variable + " (" + p.File + ")"
	case p.Variable != "":
		return p.Variable
	case p.Flag != "":
		return "flag " + p.Flag
	case p.File != "" && p.Line > 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	case p.File != "":
		return p.File
	}
	return "default"
}

// A Problem is one thing that is wrong with the settings.
type Problem struct {
	Place   Place
	Setting string // its name as it is spelt there; "" when the file itself is the problem
	Text    string // what is wrong, and what to write instead
}

func (p Problem) String() string {
	if p.Setting == "" {
		return p.Place.String() + ": " + p.Text
	}
	return p.Place.String() + ": " + p.Setting + ": " + p.Text
}

// byPlace orders problems as a reader meets them: down the file, then variables, then flags.
func byPlace(problems []Problem) []Problem {
	rank := func(p Place) int {
		switch {
		case p.Flag != "":
			return 2
		case p.Variable != "":
			return 1
		}
		return 0
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(rank(a.Place)-rank(b.Place), a.Place.Line-b.Place.Line, a.Place.Col-b.Place.Col,
			strings.Compare(a.Place.Variable, b.Place.Variable), strings.Compare(a.Place.Flag, b.Place.Flag))
	})
	return problems
}

// Error is every problem that was found.
type Error struct {
	Problems []Problem
}

func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return "settings: " + e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "settings: %d problems", len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}
