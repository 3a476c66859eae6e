package backendtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/protocol"
)

// watchTests: those who wait are told. They run for every backend, also one that stores nothing.
var watchTests = []namedTest{
	{"a document stored later is told", func(h *harness) {
		w := h.watch("a")
		want := h.doc("a", protocol.Success, 5)
		h.store(want)
		h.wantSame(w.await("a", protocol.Success), want)
	}},
	{"a document stored before is told", func(h *harness) {
		want := h.doc("a", protocol.Success, 5)
		h.store(want)
		h.wantSame(h.watch("a").await("a", protocol.Success), want)
	}},
	{"a watcher outlives the context of its call", func(h *harness) {
		ctx, cancel := context.WithCancel(h.ctx)
		w := newSeen(h)
		stop, err := h.Watch(ctx, []string{"a"}, w.notify)
		if err != nil {
			h.Fatal(err)
		}
		defer stop()
		cancel()
		h.store(h.doc("a", protocol.Success, 5))
		w.await("a", protocol.Success)
	}},
	{"each state is told as it comes, in order", func(h *harness) {
		w := h.watch("a")
		states := []protocol.State{protocol.Started, protocol.Progress, "CUSTOM", protocol.Retry, protocol.Failure, protocol.Success}
		for i, s := range states {
			h.store(h.doc("a", s, i))
			w.await("a", s)
		}
		if got := w.states("a"); !slices.Equal(got, states) {
			h.Fatalf("told %v, want %v", got, states)
		}
	}},
	{"a burst is told in order and ends with the final state", func(h *harness) {
		w := h.watch("a")
		var batch []*protocol.Result
		for i := range 50 {
			batch = append(batch, h.doc("a", protocol.State(fmt.Sprintf("STEP%02d", i)), i))
		}
		h.store(append(batch, h.doc("a", protocol.Success, "done"))...)
		w.await("a", protocol.Success)
		told := w.states("a")
		if !slices.IsSorted(told[:len(told)-1]) || told[len(told)-1] != protocol.Success {
			h.Fatalf("told out of order: %v", told)
		}
	}},
	{"a write that a SUCCESS made void is not told", func(h *harness) {
		if h.ReplyTo() != "" {
			h.Skip("nothing is stored: every reply is told")
		}
		w := h.watch("a", "b")
		h.store(h.doc("a", protocol.Success, "first"))
		h.store(h.doc("a", protocol.Failure, "late"))
		h.store(h.doc("b", protocol.Success, "after it"))
		w.await("b", protocol.Success)
		if got := w.states("a"); slices.Contains(got, protocol.Failure) {
			h.Fatalf("told %v", got)
		}
	}},
	{"fifty watchers of one id", func(h *harness) {
		all := make([]*seen, 50)
		for i := range all {
			all[i] = h.watch("a")
		}
		want := h.doc("a", protocol.Success, 5)
		h.store(want)
		for _, w := range all {
			h.wantSame(w.await("a", protocol.Success), want)
		}
	}},
	{"one watcher of a thousand ids, stored before and after", func(h *harness) {
		ids := make([]string, 1000)
		docs := make([]*protocol.Result, len(ids))
		for i := range ids {
			ids[i] = fmt.Sprintf("id-%d", i)
			docs[i] = h.doc(ids[i], protocol.Success, i)
		}
		h.store(docs[:500]...)
		w := h.watch(ids...)
		h.store(docs[500:]...)
		for i, id := range ids {
			h.wantSame(w.await(id, protocol.Success), docs[i])
		}
	}},
	{"only what is watched is told", func(h *harness) {
		w := h.watch("mine")
		h.store(h.doc("other", protocol.Success, 1), h.doc("mine", protocol.Success, 2))
		w.await("mine", protocol.Success)
		if got := w.states("other"); got != nil {
			h.Fatalf("told %v of an id that is not watched", got)
		}
	}},
	{"after stop nothing is told", func(h *harness) {
		keep := h.watch("a", "after")
		for range 50 {
			var stopped atomic.Bool
			stop, err := h.Watch(h.ctx, []string{"a"}, func(*protocol.Result) {
				if stopped.Load() {
					h.Error("notify was called after stop had returned")
				}
			})
			if err != nil {
				h.Fatal(err)
			}
			var storing sync.WaitGroup
			storing.Go(func() {
				for i := range 4 {
					storeQuietly(h.T, h, h.Backend, h.doc("a", protocol.Progress, i))
				}
			})
			stop()
			stopped.Store(true)
			storing.Wait()
			stop() // a second time is no error
		}
		// Every document before this one has been told by now, to those who still listen.
		h.store(h.doc("after", protocol.Success, nil))
		keep.await("after", protocol.Success)
	}},
	{"stopping one watcher leaves the others", func(h *harness) {
		first, second := h.watch("a"), h.watch("a")
		first.stop()
		h.store(h.doc("a", protocol.Success, 5))
		second.await("a", protocol.Success)
		if got := first.states("a"); got != nil {
			h.Fatalf("told %v after stop", got)
		}
	}},
	{"watchers come and go from 64 goroutines and each is told", func(h *harness) {
		var all sync.WaitGroup
		for g := range 64 {
			all.Go(func() {
				for i := range 3 {
					id := fmt.Sprintf("g%d-%d", g, i)
					w := newSeen(h)
					stop, err := h.Watch(h.ctx, []string{id, "shared"}, w.notify)
					if err != nil {
						h.Errorf("watch %q: %v", id, err)
						return
					}
					ok := storeQuietly(h.T, h, h.Backend, h.doc(id, protocol.Success, id)) && w.arrived(id, protocol.Success) != nil
					stop()
					if !ok {
						h.Errorf("%q was not told", id)
						return
					}
				}
			})
		}
		all.Wait()
	}},
}

// A seen is a watcher that keeps what it was told.
type seen struct {
	h    *harness
	stop func()

	mu   sync.Mutex
	docs map[string][]*protocol.Result
	more chan struct{} // closed and replaced at each document
}

func newSeen(h *harness) *seen {
	return &seen{h: h, docs: make(map[string][]*protocol.Result), more: make(chan struct{})}
}

// watch starts a watcher that ends with the test.
func (h *harness) watch(ids ...string) *seen {
	h.Helper()
	return watchOn(h, h.Backend, ids...)
}

func watchOn(h *harness, b backend.Backend, ids ...string) *seen {
	h.Helper()
	w := newSeen(h)
	stop, err := b.Watch(h.ctx, ids, w.notify)
	if err != nil {
		h.Fatalf("watch: %v", err)
	}
	w.stop = stop
	h.T.Cleanup(stop) // runs before the backend's Close
	return w
}

func (w *seen) notify(r *protocol.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.docs[r.TaskID] = append(w.docs[r.TaskID], r)
	close(w.more)
	w.more = make(chan struct{})
}

// arrived waits until id has been told in this state and returns that document, or nil when time is up.
func (w *seen) arrived(id string, s protocol.State) *protocol.Result {
	for {
		w.mu.Lock()
		more := w.more
		i := slices.IndexFunc(w.docs[id], func(r *protocol.Result) bool { return r.Status == s })
		if i >= 0 {
			defer w.mu.Unlock()
			return w.docs[id][i]
		}
		w.mu.Unlock()
		select {
		case <-more:
		case <-w.h.ctx.Done():
			return nil
		}
	}
}

// await is arrived for the test's own goroutine.
func (w *seen) await(id string, s protocol.State) *protocol.Result {
	w.h.Helper()
	r := w.arrived(id, s)
	if r == nil {
		w.h.Fatalf("%q was never told as %s; told were %v", id, s, w.states(id))
	}
	return r
}

// states are the states that id was told in, repeats of the same left out.
func (w *seen) states(id string) []protocol.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	var s []protocol.State
	for _, r := range w.docs[id] {
		if len(s) == 0 || s[len(s)-1] != r.Status {
			s = append(s, r.Status)
		}
	}
	return s
}
