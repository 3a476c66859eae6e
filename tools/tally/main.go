// Command tally reads the output of go test -json and prints what a person wants of it: the output of tests that failed, a
// line per package, and at the end why tests were skipped, the failures once more, and how many tests passed, failed and
// were skipped. It exits with 1 when anything failed.
//
//	go test -json ./... | tally
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// event is one line of go test -json.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Output     string
	Elapsed    float64
}

func main() {
	passed, failed, skipped, err := tally(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(2)
	}
	line := fmt.Sprintf("%d passed, %d failed", passed, failed)
	if skipped > 0 {
		line += fmt.Sprintf(", %d skipped", skipped)
	}
	fmt.Println(line)
	if failed > 0 || passed == 0 {
		os.Exit(1)
	}
}

// tally counts tests and subtests. A package that fails without a failing test (it does not build, panics, runs out of
// time) counts as one failure.
func tally(r io.Reader, w io.Writer) (passed, failed, skipped int, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	output := make(map[string][]string) // of what is still running, by package and test
	broken := make(map[string]bool)     // packages with a test that failed
	skips := make(map[string]int)       // by package and reason
	var failures []failure
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Action == "" {
			fmt.Fprintln(w, lines.Text())
			continue
		}
		key := e.Package + "\x00" + e.Test
		switch e.Action {
		case "output":
			if len(output[key]) < 2000 {
				output[key] = append(output[key], e.Output)
			}
			continue
		case "build-output":
			fmt.Fprint(w, e.Output)
			continue
		}
		switch {
		case e.Test != "" && e.Action == "pass":
			passed++
		case e.Test != "" && e.Action == "skip":
			skipped++
			skips[e.Package+": "+reason(output[key])]++
		case e.Test != "" && e.Action == "fail":
			failed++
			broken[e.Package] = true
			fmt.Fprint(w, strings.Join(output[key], ""))
			failures = append(failures, failure{e.Package + " " + e.Test, output[key]})
		case e.Test == "" && (e.Action == "pass" || e.Action == "fail"):
			if e.Action == "fail" {
				if !broken[e.Package] {
					failed++
					failures = append(failures, failure{e.Package, output[key]})
				}
				fmt.Fprint(w, strings.Join(output[key], ""))
			}
			fmt.Fprintf(w, "%-5s %6.1fs  %s\n", e.Action, e.Elapsed, e.Package)
			delete(broken, e.Package)
		default:
			continue
		}
		delete(output, key)
	}
	for _, s := range slices.Sorted(maps.Keys(skips)) {
		fmt.Fprintf(w, "skip %5d  %s\n", skips[s], s)
	}
	for _, f := range failures {
		f.recall(w)
	}
	return passed, failed, skipped, lines.Err()
}

// A failure is a test, or a package, that failed, and what it printed.
type failure struct {
	name   string
	output []string
}

// maxRecall bounds the lines of a failure that are printed again at the end, where they are looked for.
const maxRecall = 40

func (f failure) recall(w io.Writer) {
	fmt.Fprintf(w, "\nFAILED %s\n", f.name)
	from := max(0, len(f.output)-maxRecall)
	if from > 0 {
		fmt.Fprintf(w, "    (%d lines above)\n", from)
	}
	fmt.Fprint(w, strings.Join(f.output[from:], ""))
}

// unique is what makes two skips for one reason look like two reasons.
var unique = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// reason is what a skipped test said.
func reason(output []string) string {
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			return unique.ReplaceAllString(line, "…")
		}
	}
	return "no reason given"
}
