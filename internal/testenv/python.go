package testenv

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// python is Debian's interpreter: its packages, python3-celery among them, are seen by no other.
const python = "/usr/bin/python3"

var findPython = sync.OnceValue(func() error {
	if _, err := exec.LookPath(python); err != nil {
		return errors.New(python + " is not installed")
	}
	out, err := exec.Command(python, "-c", "import celery, redis").CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%s cannot import celery and redis (%s)", python, lines[len(lines)-1])
	}
	return nil
})

// Python returns the path of an interpreter that can import celery, kombu and redis.
func Python(t testing.TB) string {
	t.Helper()
	if err := findPython(); err != nil {
		missing(t, "python3-celery python3-redis", err)
	}
	return python
}

// RunPython runs a script with arguments (sys.argv[1:]) and returns what it printed; a failure fails the test.
func RunPython(t testing.TB, script string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), Python(t), append([]string{"-c", script}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python: %v\n%s%s", err, out, stderr.String())
	}
	return string(out)
}
