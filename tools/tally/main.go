// Command tally reads the output of go test -json and prints what a person wants of it: the output of tests that failed, a
// line per package, and at the end why tests were skipped, the failures once more, and how many tests passed, failed and
// were skipped. It exits with 1 when anything failed. With -failed it writes what failed to a file, a line each: the
// package, and after a tab the test, if it is one that may be tried once more.
//
//	go test -json ./... | tally -failed failed.txt
package main

import (
	"bufio"
	"encoding/json"
	"flag"
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
	file := flag.String("failed", "", "write the tests that failed to this `file`")
	flag.Parse()
	c, err := tally(os.Stdin, os.Stdout)
	if err == nil && *file != "" {
		err = os.WriteFile(*file, []byte(c.retries()), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(2)
	}
	line := fmt.Sprintf("%d passed, %d failed", c.passed, c.failed)
	if c.skipped > 0 {
		line += fmt.Sprintf(", %d skipped", c.skipped)
	}
	fmt.Println(line)
	if c.failed > 0 || c.passed == 0 {
		os.Exit(1)
	}
}

// A count is what came of all tests.
type count struct {
	passed, failed, skipped int
	failures                []failure
}

// tally counts tests and subtests. A package that fails without a failing test (it does not build, panics, runs out of
// time) counts as one failure.
func tally(r io.Reader, w io.Writer) (c count, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	output := make(map[string][]string) // of what is still running, by package and test
	broken := make(map[string]bool)     // packages with a test that failed
	skips := make(map[string]int)       // by package and reason
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
			c.passed++
		case e.Test != "" && e.Action == "skip":
			c.skipped++
			skips[e.Package+": "+reason(output[key])]++
		case e.Test != "" && e.Action == "fail":
			c.failed++
			broken[e.Package] = true
			fmt.Fprint(w, strings.Join(output[key], ""))
			c.failures = append(c.failures, failure{e.Package, e.Test, output[key]})
		case e.Test == "" && (e.Action == "pass" || e.Action == "fail"):
			if e.Action == "fail" {
				if !broken[e.Package] {
					c.failed++
					c.failures = append(c.failures, failure{e.Package, "", output[key]})
				}
				fmt.Fprint(w, strings.Join(output[key], ""))
				for _, test := range slices.Sorted(maps.Keys(output)) { // what was still running tells why it had to end
					if strings.HasPrefix(test, e.Package+"\x00") && test != key {
						fmt.Fprint(w, strings.Join(output[test], ""))
						delete(output, test)
					}
				}
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
	for _, f := range c.failures {
		f.recall(w)
	}
	return c, lines.Err()
}

// retries is a line for each failure: its package and, after a tab, the name of the test to run once more, which stays
// empty where chance is no excuse.
func (c count) retries() string {
	seen := make(map[string]bool)
	for _, f := range c.failures {
		test, _, _ := strings.Cut(f.test, "/")
		if inexcusable.MatchString(strings.Join(f.output, "")) {
			test = ""
		}
		seen[f.pkg+"\t"+test+"\n"] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), "")
}

// inexcusable is what a test prints that found a fault of the code although it may not find it the next time.
var inexcusable = regexp.MustCompile(`DATA RACE|race detected during|panic: |unexpected goroutines|concurrent map|all goroutines are asleep`)

// A failure is a test, or a package, that failed, and what it printed.
type failure struct {
	pkg, test string // no test: the package itself
	output    []string
}

// maxRecall bounds the lines of a failure that are printed again at the end, where they are looked for.
const maxRecall = 40

func (f failure) recall(w io.Writer) {
	fmt.Fprintf(w, "\nFAILED %s\n", strings.TrimSpace(f.pkg+" "+f.test))
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
