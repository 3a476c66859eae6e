package testenv

import (
	"os/exec"
	"testing"
)

// Chromium is the browser's program; package chromium drives it.
func Chromium(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium", err)
	}
	return path
}
