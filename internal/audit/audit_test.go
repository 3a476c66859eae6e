package audit

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestEachEntryIsOneLineWhoeverWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	var all sync.WaitGroup
	const logs, entries = 4, 50
	for range logs {
		all.Go(func() {
			l, err := Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			for range entries {
				if err := l.Write(Entry{Action: "dead drop", ID: "id", Detail: strings.Repeat("x\n", 500)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != logs*entries {
		t.Fatalf("%d lines, want %d", len(lines), logs*entries)
	}
	for _, line := range lines {
		var e Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.At == "" || e.Who == "" || e.Action != "dead drop" {
			t.Fatalf("line %q: %v", line, err)
		}
	}
}

func TestAFileThatCannotBeWrittenIsAnError(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "missing", "audit.jsonl")); err == nil {
		t.Error("opened a file in a folder that does not exist")
	}
}
