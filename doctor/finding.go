package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Severity is how bad a finding is.
type Severity int

const (
	// Low: it has no effect, or not the one it seems to have, and nobody is hurt.
	Low Severity = iota + 1

	// Medium: it does not do what was meant.
	Medium

	// High: an outage, work done twice, or a door left open.
	High

	// Critical: tasks are lost or never run, or nothing starts.
	Critical
)

var severityNames = []string{"", "low", "medium", "high", "critical"}

func (s Severity) String() string { return severityNames[s] }

// MarshalText is the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a severity's name.
func (s *Severity) UnmarshalText(text []byte) error {
	i := slices.Index(severityNames, strings.ToLower(string(text)))
	if i < 1 {
		return fmt.Errorf("%q is no severity: low, medium, high or critical", text)
	}
	*s = Severity(i)
	return nil
}

// A Verdict is what is the matter.
type Verdict string

// The verdicts.
const (
	Ignored   Verdict = "ignored"
	Wrong     Verdict = "wrong"
	Dangerous Verdict = "dangerous"
)

// A Place is where something stands.
type Place struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`   // from 1; 0 for the file as a whole
	Column int    `json:"column,omitempty"` // from 1
}

func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// A Finding is one thing that is the matter.
type Finding struct {
	Rule     string   `json:"rule"` // its name in Rules
	Severity Severity `json:"severity"`
	Verdict  Verdict  `json:"verdict"`
	Place    Place    `json:"place"`
	What     string   `json:"what"`    // what is the matter, in a line
	Why      string   `json:"why"`     // what happens because of it
	Instead  string   `json:"instead"` // what to write
}

// byWeight orders findings: the worst first, then as they stand in the files.
func byWeight(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), strings.Compare(a.Place.File, b.Place.File),
			cmp.Compare(a.Place.Line, b.Place.Line), cmp.Compare(a.Place.Column, b.Place.Column), strings.Compare(a.Rule, b.Rule))
	})
}
