package cli

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestAPidFileOfOurOwnNumberIsOurPredecessors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	mine := strconv.Itoa(os.Getpid())
	if err := os.WriteFile(path, []byte(mine), 0o644); err != nil {
		t.Fatal(err)
	}
	release, err := claimPidFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != mine+"\n" {
		t.Errorf("the file holds %q, %v", text, err)
	}
	release()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
}

func TestAPidFileThatAnotherHasTakenIsLeftToIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	release, err := claimPidFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := strconv.Itoa(os.Getppid())
	if err := os.WriteFile(path, []byte(other), 0o644); err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the other's file is gone: %v", err)
	}
	if _, err := claimPidFile(path); err == nil || !strings.Contains(err.Error(), other) {
		t.Errorf("a live process's file was taken: %v", err)
	}
}
