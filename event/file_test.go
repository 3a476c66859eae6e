package event_test

import (
	"os"
	"path/filepath"
	"testing"
)

// file writes text to a file of the test's own and returns its name.
func file(t *testing.T, text []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "events.json")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
