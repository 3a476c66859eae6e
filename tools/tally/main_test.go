package main

import (
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	var out strings.Builder
	c, err := tally(strings.NewReader(`{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"quiet\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: it broke\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"=== RUN TestC\n"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:1: NOT TESTED: no server\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"output","Package":"p","Test":"TestD","Output":"    d.go:1: nothing is kept for 0b7ca6f7-c296-4b3b-a5b3-be05e3f623ca\n"}
{"Action":"skip","Package":"p","Test":"TestD"}
{"Action":"output","Package":"p","Test":"TestE","Output":"    d.go:1: nothing is kept for ec17fe42-646e-4e77-bff2-beb0f0a51794\n"}
{"Action":"skip","Package":"p","Test":"TestE"}
{"Action":"output","Package":"p","Test":"TestF","Output":"still running: goroutine 7\n"}
{"Action":"fail","Package":"p","Elapsed":1.5}
{"ImportPath":"q","Action":"build-output","Output":"q.go:1: undefined: x\n"}
{"ImportPath":"q","Action":"build-fail"}
{"Action":"fail","Package":"q","FailedBuild":"q"}
{"Action":"skip","Package":"empty"}
not json
`), &out)
	if err != nil || c.passed != 1 || c.failed != 2 || c.skipped != 3 {
		t.Errorf("%d passed, %d failed, %d skipped: %v", c.passed, c.failed, c.skipped, err)
	}
	for _, want := range []string{"it broke", "still running: goroutine 7", "undefined: x", "fail     1.5s  p\n", "skip     1  p: c_test.go:1: NOT TESTED: no server\n",
		"skip     2  p: d.go:1: nothing is kept for …\n", "FAILED p TestB\n    b_test.go:1: it broke\n", "FAILED q\n", "not json"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "quiet") {
		t.Errorf("the output of a passed test is shown:\n%s", out.String())
	}
}

func TestOnlyWhatMayBeChanceIsTriedOnceMore(t *testing.T) {
	c, err := tally(strings.NewReader(`{"Action":"output","Package":"p","Test":"TestB/sub","Output":"    b_test.go:1: it broke\n"}
{"Action":"fail","Package":"p","Test":"TestB/sub"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestR","Output":"WARNING: DATA RACE\n"}
{"Action":"fail","Package":"p","Test":"TestR"}
{"Action":"fail","Package":"p"}
{"Action":"output","Package":"leaks","Output":"goleak: Errors on successful test run: found unexpected goroutines:\n"}
{"Action":"fail","Package":"leaks"}
`), &strings.Builder{})
	if got, want := c.retries(), "leaks\t\np\t\np\tTestB\n"; err != nil || got != want {
		t.Errorf("%q, want %q: %v", got, want, err)
	}
}
