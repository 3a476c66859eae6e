package database

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for.
const patience = 30 * time.Second

func open(t testing.TB, c backend.Config) backend.Backend {
	t.Helper()
	b, err := backend.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func opened(t testing.TB, c backend.Config) backend.Backend {
	t.Helper()
	b := open(t, c)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func doc(id string, s protocol.State) *protocol.Result {
	return &protocol.Result{TaskID: id, Status: s, Result: codec.Of("value of " + id), HasChildren: true}
}

func put(t testing.TB, b backend.Backend, docs ...*protocol.Result) {
	t.Helper()
	for _, err := range b.Store(context.Background(), docs) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A waiter is told of documents and lets a test wait for them.
type waiter struct {
	t    testing.TB
	stop func()
	mu   sync.Mutex
	got  map[string]protocol.State
	more chan struct{}
}

func watchIDs(t testing.TB, b backend.Backend, ids ...string) *waiter {
	t.Helper()
	w := &waiter{t: t, got: make(map[string]protocol.State), more: make(chan struct{}, 1)}
	stop, err := b.Watch(context.Background(), ids, func(r *protocol.Result) {
		w.mu.Lock()
		w.got[r.TaskID] = r.Status
		w.mu.Unlock()
		select {
		case w.more <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	w.stop = stop
	t.Cleanup(stop)
	return w
}

func (w *waiter) await(id string, s protocol.State) {
	w.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		w.mu.Lock()
		got := w.got[id]
		w.mu.Unlock()
		if got == s {
			return
		}
		select {
		case <-w.more:
		case <-timeout.C:
			w.t.Fatalf("%q is told as %q, want %q", id, got, s)
		}
	}
}

// benchmarkStore measures writers that store one final document at a time, and batches of a hundred.
func benchmarkStore(b *testing.B, s backend.Backend) {
	var n atomicCounter
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			put(b, s, doc(n.id(), protocol.Success))
		}
	})
	b.Run("hundred", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			docs := make([]*protocol.Result, 100)
			for i := range docs {
				docs[i] = doc(n.id(), protocol.Success)
			}
			put(b, s, docs...)
		}
		b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds(), "docs/s")
	})
	b.Run("64goroutines", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(32) // of two processors
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				put(b, s, doc(n.id(), protocol.Success))
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
	})
}

type atomicCounter struct {
	mu sync.Mutex
	n  int
}

func (c *atomicCounter) id() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return fmt.Sprintf("60000000-0000-4000-8000-%012d", c.n)
}
