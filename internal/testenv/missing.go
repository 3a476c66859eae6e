package testenv

import (
	"os"
	"strings"
	"testing"
)

// require skips the test when a server is not installed; in CI it fails the test.
func require(t testing.TB, k *kind) {
	t.Helper()
	if err := k.find(); err != nil {
		missing(t, k.debian, err)
	}
}

func missing(t testing.TB, debian string, err error) {
	t.Helper()
	if strings.EqualFold(os.Getenv("CI"), "true") {
		t.Fatalf("CI must run every test, but %v: apt-get install %s", err, debian)
	}
	t.Skipf("NOT TESTED: %v: apt-get install %s", err, debian)
}
