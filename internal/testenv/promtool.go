package testenv

import (
	"os/exec"
	"testing"
)

// Promtool is Prometheus's tool, which checks pages of metrics and tests rules.
func Promtool(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		missing(t, "prometheus", err)
	}
	return path
}
