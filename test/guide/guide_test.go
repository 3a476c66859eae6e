// Package guide holds the guide to Amazon MQ to what it says: each row of the original's list is answered once, each proof is a
// test that exists, and each row without one says why.
package guide

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/doctor"
)

const page = "../../docs/guide.md"

func TestEveryRowOfTheGuideIsAnsweredAndProven(t *testing.T) {
	want, text := read(t, "testdata/rows.txt"), read(t, page)
	for _, fault := range check(text, want) {
		t.Error(fault)
	}
}

// What is wrong with a page, and said.
func TestTheCheckSeesWhatIsWrong(t *testing.T) {
	const proven = "| A1 | it works | [`TestTheCheckSeesWhatIsWrong`](../test/guide/guide_test.go) |\n"
	for _, c := range []struct{ about, want, text, says string }{
		{"all is well", "A1", proven, ""},
		{"a script", "A1", "| A1 | it works | [`TestCommandLine/purge`](../cli/testdata/purge.txt) |\n", ""},
		{"several proofs, and a reason", "A1 ⚠", "| A1 ⚠ | it works | [`TestTheCheckSeesWhatIsWrong`](../test/guide/guide_test.go); *simulated*: by a relay |\n", ""},
		{"a reason", "A1", "| A1 | it works | *needs AWS* |\n", ""},
		{"a row is missing", "A1\nA2", proven, "A2 has no row"},
		{"a row is there twice", "A1", proven + proven, "A1 has two rows"},
		{"a row of nobody's", "A1", proven + "| A9 | it works | *needs AWS* |\n", "A9 is no row"},
		{"a warning is gone", "A1 ⚠", proven, "A1 lacks its ⚠"},
		{"no answer", "A1", "| A1 | | *needs AWS* |\n", "A1 says nothing"},
		{"neither proof nor reason", "A1", "| A1 | it works | |\n", "A1 has neither a test nor a reason"},
		{"a reason that is none", "A1", "| A1 | it works | *trust me* |\n", "A1 has neither a test nor a reason"},
		{"missing, and not what", "A1", "| A1 | it works | *missing* |\n", "A1 does not say what is missing"},
		{"no such file", "A1", "| A1 | it works | [`TestX`](../test/guide/none_test.go) |\n", "no such file"},
		{"no such test", "A1", "| A1 | it works | [`TestX`](../test/guide/guide_test.go) |\n", "has no TestX"},
		{"no test file", "A1", "| A1 | it works | [`TestX`](../go.mod) |\n", "go.mod is no test"},
		{"a script of another name", "A1", "| A1 | it works | [`TestCommandLine/dead`](../cli/testdata/purge.txt) |\n", "is not TestCommandLine/dead"},
		{"a link into nothing", "A1", proven + "[x](none.md)\n", "none.md"},
		{"an anchor into nothing", "A1", proven + "[x](#none)\n", "#none"},
	} {
		got := strings.Join(check(c.text, c.want), "\n")
		if c.says == "" && got != "" || !strings.Contains(got, c.says) {
			t.Errorf("%s: says %q, want %q", c.about, got, c.says)
		}
	}
}

// The guide's own blocks are such that the doctor has nothing against them.
func TestTheDoctorFindsNothingInTheGuide(t *testing.T) {
	r, err := doctor.Examine(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		t.Errorf("%s: %s: %s: %s", f.Place, f.Rule, f.What, f.Instead)
	}
	for _, u := range r.Unread {
		t.Errorf("not read: %+v", u)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	rowStart = regexp.MustCompile(`^\| ([A-Z]\d+)\b([^|]*)\|`)
	link     = regexp.MustCompile(`\[([^\]]*)\]\(([^) ]+)\)`)
	reason   = regexp.MustCompile(`\*(needs AWS|simulated|advice|missing)\*(: ?[^|]+)?`)
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// check says what is wrong with the page, whose links are relative to docs; want are the ids it must have, one a line.
func check(text, want string) (faults []string) {
	say := func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) }
	marked := make(map[string]bool)
	for line := range strings.Lines(want) {
		id, mark, _ := strings.Cut(strings.TrimSpace(line), " ")
		marked[id] = mark != ""
	}
	seen := make(map[string]bool)
	for line := range strings.Lines(text) {
		m := rowStart.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		id := m[1]
		warned, asked := marked[id]
		switch {
		case seen[id]:
			say("%s has two rows", id)
		case !asked:
			say("%s is no row of the list", id)
		case warned && !strings.Contains(m[2], "⚠"):
			say("%s lacks its ⚠", id)
		}
		seen[id] = true
		cells := strings.Split(strings.Trim(strings.ReplaceAll(strings.TrimSpace(line), `\|`, ""), "|"), "|")
		answer, proof := strings.TrimSpace(cells[1]), strings.TrimSpace(cells[len(cells)-1])
		if answer == "" || len(cells) < 3 {
			say("%s says nothing", id)
		}
		for _, problem := range prove(proof) {
			say("%s %s", id, problem)
		}
	}
	for id := range marked {
		if !seen[id] {
			say("%s has no row", id)
		}
	}
	slices.Sort(faults)
	return append(faults, checkLinks(text)...)
}

// prove looks at the last cell of a row.
func prove(cell string) (problems []string) {
	proofs := 0
	for _, m := range link.FindAllStringSubmatch(cell, -1) {
		name, quoted := strings.CutPrefix(m[1], "`")
		if !quoted {
			continue // it leads to some page
		}
		proofs++
		if problem := proves(strings.TrimSuffix(name, "`"), m[2]); problem != "" {
			problems = append(problems, problem)
		}
	}
	why := reason.FindStringSubmatch(cell)
	switch {
	case why == nil && proofs == 0:
		problems = append(problems, "has neither a test nor a reason")
	case why != nil && why[1] == "missing" && len(strings.Fields(why[2])) < 3:
		problems = append(problems, "does not say what is missing")
	}
	return problems
}

// proves says what is wrong with one proof: a test or benchmark of Go in its file, or a script of the command line.
func proves(name, target string) string {
	file := filepath.Join("../../docs", target)
	if _, err := os.Stat(file); err != nil {
		return fmt.Sprintf("is proven by %s: no such file", target)
	}
	if filepath.Ext(file) == ".txt" {
		script := strings.TrimSuffix(filepath.Base(file), ".txt")
		if name != "TestCommandLine/"+script || filepath.Dir(file) != filepath.FromSlash("../../cli/testdata") {
			return fmt.Sprintf("is proven by %s, which is not %s", target, name)
		}
		file, name = "../../cli/main_test.go", "TestCommandLine"
	}
	if !strings.HasSuffix(file, "_test.go") {
		return target + " is no test"
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return err.Error()
	}
	for _, d := range parsed.Decls {
		f, is := d.(*ast.FuncDecl)
		if is && f.Recv == nil && f.Name.Name == name && (strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Benchmark")) {
			return ""
		}
	}
	return fmt.Sprintf("is proven by %s, which has no %s", target, name)
}

// checkLinks finds links of the page that lead nowhere.
func checkLinks(text string) (faults []string) {
	anchors := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		anchors[anchor(m[1])] = true
	}
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		target, part, _ := strings.Cut(m[2], "#")
		switch {
		case strings.Contains(target, "://"):
		case target == "":
			if !anchors[part] {
				faults = append(faults, "a link leads to #"+part+", which is no heading")
			}
		default:
			if _, err := os.Stat(filepath.Join("../../docs", target)); err != nil && !strings.HasPrefix(m[1], "`") {
				faults = append(faults, "a link leads to "+target+", which is not there")
			}
		}
	}
	return faults
}

// anchor is how GitHub names a heading.
func anchor(heading string) string {
	return strings.ReplaceAll(strings.Map(func(r rune) rune {
		if strings.ContainsRune(",:;.()/`'", r) {
			return -1
		}
		return r
	}, strings.ToLower(heading)), " ", "-")
}
