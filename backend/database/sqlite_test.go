package database

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/backend/backendtest"
	"github.com/umbel-go/umbel/internal/sqlitefile"
	"github.com/umbel-go/umbel/protocol"
)

// places gives every test a file of its own that a second opening finds again.
type places struct {
	mu sync.Mutex
	m  map[string]string
}

func (p *places) url(t testing.TB) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		p.m = make(map[string]string)
	}
	if p.m[t.Name()] == "" {
		p.m[t.Name()] = "sqlite://" + filepath.Join(t.TempDir(), "results.db")
	}
	return p.m[t.Name()]
}

func TestContractOnSQLite(t *testing.T) {
	var p places
	backendtest.Run(t,
		func(t *testing.T) backend.Backend { return open(t, backend.Config{URL: p.url(t)}) },
		backendtest.Options{Peer: func(t *testing.T, c backend.Config) backend.Backend {
			c.URL = p.url(t)
			return open(t, c)
		}})
}

func sqliteURL(t testing.TB) string {
	return "sqlite://" + filepath.Join(t.TempDir(), "results.db")
}

// TestAnotherProcessIsToldAndTells re-runs this test binary as a second process on the same file: it answers each result
// with one of its own.
func TestAnotherProcessIsToldAndTells(t *testing.T) {
	if url := os.Getenv("UMBEL_TEST_ECHO"); url != "" {
		b := opened(t, backend.Config{URL: url})
		w := watchIDs(t, b, "question", "end")
		put(t, b, doc("ready", protocol.Success))
		w.await("question", protocol.Success)
		put(t, b, doc("answer", protocol.Success))
		w.await("end", protocol.Success)
		return
	}
	url := sqliteURL(t)
	b := opened(t, backend.Config{URL: url})
	w := watchIDs(t, b, "ready", "answer")
	other := exec.Command(os.Args[0], "-test.run=^TestAnotherProcessIsToldAndTells$")
	other.Env = append(os.Environ(), "UMBEL_TEST_ECHO="+url)
	var out strings.Builder
	other.Stdout, other.Stderr = &out, &out
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- other.Wait() }()
	defer other.Process.Kill()
	w.await("ready", protocol.Success)
	put(t, b, doc("question", protocol.Success))
	w.await("answer", protocol.Success)
	put(t, b, doc("end", protocol.Success))
	if err := <-ended; err != nil {
		t.Fatalf("the other process: %v\n%s", err, out.String())
	}
}

func TestResultsShareAFileWithItsOtherUsers(t *testing.T) {
	url := sqliteURL(t)
	b := opened(t, backend.Config{URL: url})
	other, err := sqlitefile.Open(strings.TrimPrefix(url, "sqlite://"), sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Migrate(t.Context(), "broker", []string{"CREATE TABLE umbel_messages (id INTEGER PRIMARY KEY)"}); err != nil {
		t.Fatal(err)
	}
	second := opened(t, backend.Config{URL: url, Options: map[string]any{"table_prefix": "other_"}})
	put(t, b, doc("a", protocol.Success))
	if _, err := second.Get(t.Context(), "a"); err == nil {
		t.Error("two table prefixes are one table")
	}
}

func TestCleanupCountsWhatItRemoves(t *testing.T) {
	url := sqliteURL(t)
	short := opened(t, backend.Config{URL: url, Expires: time.Millisecond})
	ever := opened(t, backend.Config{URL: url, Expires: -1})
	var docs []*protocol.Result
	for i := range 2500 {
		docs = append(docs, doc(fmt.Sprint("short", i), protocol.Success))
	}
	put(t, short, docs...)
	put(t, ever, doc("ever", protocol.Success))
	removed := 0
	for deadline := time.Now().Add(patience); removed < 2500 && time.Now().Before(deadline); {
		n, err := ever.Cleanup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		removed += n
	}
	if removed != 2500 {
		t.Fatalf("removed %d, want 2500", removed)
	}
	if _, err := ever.Get(t.Context(), "ever"); err != nil {
		t.Fatal(err)
	}
}

func TestAWatchThatBeginsLateSeesOnlyNewWork(t *testing.T) {
	b := opened(t, backend.Config{URL: sqliteURL(t)})
	for round := range 20 { // each round begins with nobody watching
		old, next := fmt.Sprint("old", round), fmt.Sprint("next", round)
		put(t, b, doc(old, protocol.Success))
		w := watchIDs(t, b, old, next)
		put(t, b, doc(next, protocol.Success))
		w.await(old, protocol.Success)
		w.await(next, protocol.Success)
		w.stop()
		put(t, b, doc(fmt.Sprint("unwatched", round), protocol.Success))
	}
}

func TestWhatSQLiteCannotOpen(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	f, err := sqlitefile.Open(newer, sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Migrate(t.Context(), "umbel_results", append(sqliteSteps("umbel_results"), "SELECT 1")); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for name, tt := range map[string]struct {
		url     string
		options map[string]any
		want    string
	}{
		"no folder":         {"sqlite://" + filepath.Join(dir, "none", "x.db"), nil, "folder"},
		"a folder":          {"sqlite://" + dir, nil, "is a folder"},
		"not a database":    {"sqlite://" + text, nil, "not a database"},
		"newer":             {"sqlite://" + newer, nil, "newer program"},
		"query":             {"sqlite://x.db?mode=ro", nil, `"?mode=ro" is not understood`},
		"in memory":         {"sqlite://:memory:", nil, "memory://"},
		"unknown option":    {"sqlite://" + dir + "/x.db", map[string]any{"global_keyprefix": "x"}, `"global_keyprefix" means nothing`},
		"schema":            {"sqlite://" + dir + "/x.db", map[string]any{"schema": "x"}, `"schema" means nothing to sqlite://`},
		"prefix is no name": {"sqlite://" + dir + "/x.db", map[string]any{"table_prefix": "a b;"}, "table_prefix"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := backend.Open(context.Background(), backend.Config{URL: tt.url, Options: tt.options})
			if err == nil {
				b.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant it to say %q", err, tt.want)
			}
		})
	}
}

func TestAFileThatCannotBeWrittenSaysSoAtOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "results.db")
	b := open(t, backend.Config{URL: "sqlite://" + path})
	put(t, b, doc("a", protocol.Success))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		// Root may write whatever the mode says: only a read-only mount stops it.
		if err := exec.Command("mount", "--bind", dir, dir).Run(); err != nil {
			t.Skipf("as root this needs a mount: %v", err)
		}
		t.Cleanup(func() { exec.Command("umount", dir).Run() })
		if err := exec.Command("mount", "-o", "remount,ro,bind", dir).Run(); err != nil {
			t.Skipf("as root this needs a read-only mount: %v", err)
		}
	} else {
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(dir, 0o700) })
		if err := os.Chmod(path, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	_, err := backend.Open(context.Background(), backend.Config{URL: "sqlite://" + path})
	if sqlitefile.CauseOf(err) != sqlitefile.CauseReadOnly || !strings.Contains(err.Error(), "writable") {
		t.Fatalf("cause %q: %v", sqlitefile.CauseOf(err), err)
	}
}

func TestFilePaths(t *testing.T) {
	for url, want := range map[string]string{
		"sqlite://": "umbel.db", "sqlite://umbel.db": "umbel.db", "sqlite://var/x.db": "var/x.db",
		"sqlite:///var/x.db": "/var/x.db", "sqlite:///a%20b.db": "/a b.db",
	} {
		if got, err := filePath(url); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", url, got, err, want)
		}
	}
}

func BenchmarkSQLite(b *testing.B) {
	s := opened(b, backend.Config{URL: sqliteURL(b)})
	benchmarkStore(b, s)
}
