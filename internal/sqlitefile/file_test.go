package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestHoldersOfOnePathShareIt(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(dir, dir+"/link"); err != nil {
		t.Fatal(err)
	}
	a, err := Open(dir+"/umbel.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(dir+"/link/./umbel.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if a.store != b.store {
		t.Error("two names of one file were opened apart")
	}
	table(t, a)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	if err := insert(a, t.Context(), "x"); !errors.Is(err, ErrClosed) || !errors.Is(err, ErrNotWritten) {
		t.Errorf("write of a holder that has closed: %v", err)
	}
	if err := a.Read(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("read of a holder that has closed: %v", err)
	}
	if err := insert(b, t.Context(), "x"); err != nil {
		t.Errorf("the other holder: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := Open(dir+"/umbel.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.store == a.store {
		t.Error("a closed store was opened again")
	}
	if n := count(t, c); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestOpenAndCloseFromManyGoroutines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "umbel.db")
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 20 {
				f, err := Open(path, Options{})
				if err != nil {
					t.Error(err)
					return
				}
				stop := f.Listen("x", func() {})
				table(t, f)
				if err := insert(f, t.Context(), fmt.Sprint(g, "-", i)); err != nil {
					t.Error(err)
				}
				stop()
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	f, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n := count(t, f); n != 160 {
		t.Errorf("%d rows, want 160", n)
	}
}

func TestManyProcessesMayMigrateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "umbel.db")
	steps := []string{"CREATE TABLE a (x)", "CREATE TABLE b (x); INSERT INTO b VALUES (1)", "ALTER TABLE a ADD COLUMN y"}
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			f, err := Open(path, Options{Alone: true})
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for _, component := range []string{"one", "two"} {
				mine := steps
				if component == "two" {
					mine = []string{"CREATE TABLE two (x)"}
				}
				if err := f.Migrate(t.Context(), component, mine); err != nil {
					t.Errorf("process %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
	f, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var n int
	err = f.Read(t.Context(), func(tx *Tx) error {
		_, err := tx.Get("SELECT count(*) FROM b", nil, &n)
		return err
	})
	if err != nil || n != 1 {
		t.Errorf("a step ran %d times, %v", n, err)
	}
	err = f.Migrate(t.Context(), "one", steps[:2])
	if CauseOf(err) != CauseNewer || !strings.Contains(err.Error(), "version 3, and this program knows up to 2") {
		t.Errorf("a newer file: %v", err)
	}
	if err := f.Migrate(t.Context(), "one", append(steps, "CREATE TABLE c (x); CREATE TABLE a (x)")); err == nil {
		t.Error("a failing step was accepted")
	}
	err = f.Read(t.Context(), func(tx *Tx) error {
		_, err := tx.Get("SELECT count(*) FROM sqlite_schema WHERE name = 'c'", nil, &n)
		return err
	})
	if err != nil || n != 0 {
		t.Errorf("half a step is left behind: %d, %v", n, err)
	}
}

func TestReadersSeeASnapshotAndCannotWrite(t *testing.T) {
	f := open(t, Options{})
	table(t, f)
	err := f.Read(t.Context(), func(tx *Tx) error {
		var before, after int
		if _, err := tx.Get("SELECT count(*) FROM n", nil, &before); err != nil {
			return err
		}
		if err := insert(f, t.Context(), "meanwhile"); err != nil {
			return err
		}
		if _, err := tx.Get("SELECT count(*) FROM n", nil, &after); err != nil {
			return err
		}
		if before != after {
			t.Errorf("a reader saw %d rows and then %d", before, after)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	err = f.Read(t.Context(), func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO n (v) VALUES ('x')")
		return err
	})
	if err == nil {
		t.Error("a reader could write")
	}
	if n := count(t, f); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestReadsAreBoundedAndWaitTheirTurn(t *testing.T) {
	f := open(t, Options{})
	inside, leave := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	for range maxReaders {
		all.Go(func() {
			f.Read(t.Context(), func(*Tx) error {
				inside <- struct{}{}
				<-leave
				return nil
			})
		})
	}
	for range maxReaders {
		<-inside
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := f.Read(ctx, func(*Tx) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one reader too many: %v", err)
	}
	close(leave)
	all.Wait()
}

func TestWriteWhoseContextEndsWhileItWaitsIsNotWritten(t *testing.T) {
	f := open(t, Options{})
	table(t, f)
	entered, leave := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(leave) })
	t.Cleanup(release) // a file is not closed while somebody writes
	var all sync.WaitGroup
	all.Go(func() {
		f.Write(t.Context(), func(*Tx) error {
			close(entered)
			<-leave
			return nil
		})
	})
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	all.Go(func() { failed <- insert(f, ctx, "x") })
	waiters(t, f, 1)
	cancel()
	if err := <-failed; !errors.Is(err, ErrNotWritten) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want ErrNotWritten", err)
	}
	release()
	all.Wait()
	if n := count(t, f); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestRemovedOrReplacedFileRefusesWrites(t *testing.T) {
	for what, remove := range map[string]func(path string) error{
		"removed": os.Remove,
		"replaced": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.WriteFile(path, nil, 0o600)
		},
	} {
		t.Run(what, func(t *testing.T) {
			f := open(t, Options{})
			table(t, f)
			if err := remove(f.Path()); err != nil {
				t.Fatal(err)
			}
			err := insert(f, t.Context(), "lost")
			if CauseOf(err) != CauseGone || !errors.Is(err, ErrNotWritten) || !strings.Contains(err.Error(), what) {
				t.Errorf("error %v, want one that says it was %s", err, what)
			}
		})
	}
}

func TestOptionsAreThoseOfTheFirstHolder(t *testing.T) {
	f := open(t, Options{MaxPages: 20})
	table(t, f)
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = insert(f, t.Context(), fmt.Sprint(i, strings.Repeat("x", 8000)))
	}
	if CauseOf(err) != CauseFull {
		t.Fatalf("error %v, want CauseFull", err)
	}
	if err := f.Write(t.Context(), func(tx *Tx) error {
		_, err := tx.Exec("DELETE FROM n")
		return err
	}); err != nil {
		t.Errorf("a full file cannot be emptied: %v", err)
	}
	if err := insert(f, t.Context(), "room"); err != nil {
		t.Error(err)
	}
}

func TestValuesSurviveTheFile(t *testing.T) {
	f := open(t, Options{})
	err := f.Write(t.Context(), func(tx *Tx) error {
		var i int64
		var s, empty string
		var b, none, zero []byte
		var yes, no bool
		var x float64
		found, err := tx.Get("SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?", []any{int64(1) << 60, "grüße\x00", "", []byte{0, 255}, nil, []byte{}, true, false, 0.1},
			&i, &s, &empty, &b, &none, &zero, &yes, &no, &x)
		if !found || err != nil {
			return fmt.Errorf("found %v: %w", found, err)
		}
		if i != 1<<60 || s != "grüße\x00" || empty != "" || string(b) != "\x00\xff" || none != nil || len(zero) != 0 || !yes || no || x != 0.1 {
			t.Errorf("%v %q %q %v %v %v %v %v %v", i, s, empty, b, none, zero, yes, no, x)
		}
		if _, err := tx.Get("SELECT ?", []any{time.Now()}, &i); err == nil {
			t.Error("a time was taken without a unit")
		}
		if _, err := tx.Get("SELECT 1, 2", nil, &i); err == nil {
			t.Error("two columns went into one variable")
		}
		if _, err := tx.Get("SELECT 'x'", nil, &i); err == nil {
			t.Error("text went into a number")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
