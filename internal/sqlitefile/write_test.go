package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/umbel-go/umbel/internal/testenv"
)

func open(t testing.TB, o Options) *File {
	t.Helper()
	f, err := Open(filepath.Join(t.TempDir(), "umbel.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func table(t testing.TB, f *File) {
	t.Helper()
	if err := f.Migrate(t.Context(), "test", []string{"CREATE TABLE n (id INTEGER PRIMARY KEY AUTOINCREMENT, v BLOB UNIQUE)"}); err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, f *File) (n int) {
	t.Helper()
	err := f.Read(t.Context(), func(tx *Tx) error {
		_, err := tx.Get("SELECT count(*) FROM n", nil, &n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func insert(f *File, ctx context.Context, v any) error {
	return f.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO n (v) VALUES (?)", v)
		return err
	})
}

func TestWritesOfManyCallersAllArrive(t *testing.T) {
	f := open(t, Options{})
	table(t, f)
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			for i := range 50 {
				if err := insert(f, t.Context(), fmt.Sprint(g, ".", i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := count(t, f); n != 32*50 {
		t.Errorf("%d rows", n)
	}
}

func TestFailingCallerHarmsNobodyElse(t *testing.T) {
	f := open(t, Options{})
	table(t, f)
	boom := errors.New("boom")
	hold, entered := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release) // a file is not closed while somebody writes
	var wg sync.WaitGroup
	var once sync.Once
	wg.Go(func() { // keeps the writer busy, so that the others share a transaction
		f.Write(t.Context(), func(*Tx) error {
			once.Do(func() { close(entered) })
			<-hold
			return nil
		})
	})
	<-entered
	for i := range 20 {
		wg.Go(func() {
			err := f.Write(t.Context(), func(tx *Tx) error {
				if _, err := tx.Exec("INSERT INTO n (v) VALUES (?)", i); err != nil {
					return err
				}
				tx.Ring(fmt.Sprint(i))
				if i%5 == 0 {
					return boom
				}
				return nil
			})
			if i%5 == 0 != errors.Is(err, boom) {
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	waiters(t, f, 20)
	release()
	wg.Wait()
	if n := count(t, f); n != 16 {
		t.Errorf("%d rows, want 16", n)
	}
}

// waiters waits until n callers wait for the writer.
func waiters(t *testing.T, f *File, n int) {
	t.Helper()
	testenv.Await(t, fmt.Sprintf("%d callers to wait", n), func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.waiting) == n
	}, nil)
}

func TestConstraintErrorIsTheCallersOwn(t *testing.T) {
	f := open(t, Options{})
	table(t, f)
	if err := insert(f, t.Context(), "same"); err != nil {
		t.Fatal(err)
	}
	if err := insert(f, t.Context(), "same"); err == nil {
		t.Fatal("a duplicate was accepted")
	}
	if n := count(t, f); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestTwoStoresOnOneFileBothProgress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "umbel.db")
	var files []*File
	for range 3 {
		f, err := Open(path, Options{Alone: true})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		table(t, f)
		files = append(files, f)
	}
	var wg sync.WaitGroup
	for i, f := range files {
		for g := range 4 {
			wg.Go(func() {
				for k := range 50 {
					if err := insert(f, t.Context(), fmt.Sprint(i, g, k, "x", i*1000000+g*1000+k)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	if n := count(t, files[0]); n != 600 {
		t.Errorf("%d rows", n)
	}
}

func TestRingIsHeardInThisProcessAndOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "umbel.db")
	a, err := Open(path, Options{Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := Open(path, Options{Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	near, far := make(chan struct{}, 1), make(chan struct{}, 1)
	for f, c := range map[*File]chan struct{}{a: near, b: far} {
		stop := f.Listen("orders", func() {
			select {
			case c <- struct{}{}:
			default:
			}
		})
		defer stop()
	}
	for range 20 {
		if err := a.Write(t.Context(), func(tx *Tx) error { tx.Ring("orders"); return nil }); err != nil {
			t.Fatal(err)
		}
		<-near
		<-far
	}
}

func TestSignOfLifeEndsWithItsHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "umbel.db")
	a, _ := Open(path, Options{Alone: true})
	b, err := Open(path, Options{Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	id := RandomID()
	release, err := a.Hold(id)
	if err != nil {
		t.Fatal(err)
	}
	alive := func(f *File) bool {
		alive, known := f.Alive(id)
		if !known {
			t.Skip("this system cannot tell who is alive")
		}
		return alive
	}
	if !alive(a) || !alive(b) {
		t.Error("the living are taken for dead")
	}
	release()
	if alive(a) || alive(b) {
		t.Error("the sign of life outlived its release")
	}
	if _, err := a.Hold(id); err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{}, 4)
	defer b.Listen(Departures, func() { left <- struct{}{} })()
	a.Close()
	<-left
	if alive(b) {
		t.Error("the sign of life outlived its process's file")
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprint("callers=", n), func(b *testing.B) {
			f := open(b, Options{})
			if err := f.Migrate(b.Context(), "bench", []string{"CREATE TABLE m (id INTEGER PRIMARY KEY AUTOINCREMENT, v BLOB)"}); err != nil {
				b.Fatal(err)
			}
			body := make([]byte, 1024)
			b.ReportAllocs()
			b.SetParallelism(max(1, n/2))
			write := func() {
				if err := f.Write(context.Background(), func(tx *Tx) error {
					_, err := tx.Exec("INSERT INTO m (v) VALUES (?)", body)
					return err
				}); err != nil {
					b.Error(err)
				}
			}
			if n == 1 {
				for b.Loop() {
					write()
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					write()
				}
			})
		})
	}
}

func TestLongSharesAreSpreadOverTransactions(t *testing.T) {
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
	seqs := make([]uint64, 6)
	for i := range seqs {
		all.Go(func() {
			err := f.Write(t.Context(), func(tx *Tx) error {
				seqs[i] = tx.Seq()
				for k := range maxExecs/2 + 1 {
					if _, err := tx.Exec("INSERT INTO n (v) VALUES (?)", fmt.Sprint(i, "-", k)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	waiters(t, f, len(seqs))
	release()
	all.Wait()
	shares := make(map[uint64]int)
	for _, s := range seqs {
		shares[s]++
	}
	if len(shares) != 3 {
		t.Errorf("six long shares ran in %d transactions, want 3", len(shares))
	}
	if n := count(t, f); n != 6*(maxExecs/2+1) {
		t.Errorf("%d rows", n)
	}
}
