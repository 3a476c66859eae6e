package backendtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/protocol"
)

// storeTests: order, batches, and the SUCCESS that nothing overwrites.
var storeTests = []namedTest{
	{"nothing to store is no error", func(h *harness) {
		if errs := h.Store(h.ctx, nil); errs != nil {
			h.Fatalf("Store of no documents: %v", errs)
		}
	}},
	{"all well is nil", func(h *harness) {
		if errs := h.Store(h.ctx, []*protocol.Result{h.doc("a", protocol.Success, 1), h.doc("b", protocol.Started, nil)}); errs != nil {
			h.Fatalf("Store: %v, want a nil slice", errs)
		}
	}},
	{"a batch is written in order", func(h *harness) {
		want := h.doc("a", protocol.Failure, "last")
		h.store(
			h.doc("a", protocol.Started, nil), h.doc("b", protocol.Started, nil), h.doc("a", protocol.Progress, 1),
			h.doc("a", protocol.Retry, "again"), h.doc("b", protocol.Success, "b"), want)
		h.wantSame(h.get("a"), want)
		h.wantSame(h.get("b"), h.doc("b", protocol.Success, "b"))
	}},
	{"a batch of a thousand", func(h *harness) {
		docs := make([]*protocol.Result, 1000)
		ids := make([]string, len(docs))
		for i := range docs {
			ids[i] = fmt.Sprintf("many-%d", i)
			docs[i] = h.doc(ids[i], protocol.Success, i)
		}
		h.store(docs...)
		got, err := h.GetMany(h.ctx, ids)
		if err != nil {
			h.Fatal(err)
		}
		for i, id := range ids {
			h.wantSame(got[id], docs[i])
		}
	}},
	{"every state but SUCCESS is overwritten", func(h *harness) {
		states := []protocol.State{protocol.Started, protocol.Progress, "CUSTOM", protocol.Retry, protocol.Failure, protocol.Revoked}
		for _, before := range states {
			for _, after := range append(states, protocol.Success) {
				id := fmt.Sprintf("%s-%s", before, after)
				h.store(h.doc(id, before, "before"))
				want := h.doc(id, after, "after")
				h.store(want)
				h.wantSame(h.get(id), want)
			}
		}
	}},
	{"SUCCESS is never overwritten", func(h *harness) {
		for _, after := range []protocol.State{
			protocol.Started, protocol.Progress, "CUSTOM", protocol.Retry, protocol.Failure, protocol.Revoked, protocol.Success,
		} {
			id := "success-" + string(after)
			want := h.doc(id, protocol.Success, "first")
			h.store(want)
			h.store(h.doc(id, after, "second"))
			h.wantSame(h.get(id), want)
		}
	}},
	{"SUCCESS is never overwritten within its batch", func(h *harness) {
		want := h.doc("a", protocol.Success, "first")
		h.store(h.doc("a", protocol.Started, nil), want, h.doc("a", protocol.Failure, "late"), h.doc("a", protocol.Success, "second"),
			h.doc("b", protocol.Started, nil))
		h.wantSame(h.get("a"), want)
		h.wantSame(h.get("b"), h.doc("b", protocol.Started, nil))
	}},
	{"one that succeeded already harms no other of its batch", func(h *harness) {
		want := h.doc("done", protocol.Success, "first")
		h.store(want)
		h.store(h.doc("x", protocol.Failure, "x"), h.doc("done", protocol.Failure, "late"), h.doc("y", protocol.Success, "y"))
		h.wantSame(h.get("done"), want)
		h.wantSame(h.get("x"), h.doc("x", protocol.Failure, "x"))
		h.wantSame(h.get("y"), h.doc("y", protocol.Success, "y"))
	}},
	{"a document that can never be stored says so and harms no other", func(h *harness) {
		x, y := h.doc("x", protocol.Success, "x"), h.doc("y", protocol.Failure, "y")
		bad := h.doc("bad", protocol.Success, make(chan int))
		errs := h.Store(h.ctx, []*protocol.Result{x, bad, y})
		if len(errs) != 3 || errs[0] != nil || errs[2] != nil || !errors.Is(errs[1], backend.ErrUnstorable) {
			h.Fatalf("Store: %v, want ErrUnstorable for the second of three and nothing else", errs)
		}
		h.wantSame(h.get("x"), x)
		h.wantSame(h.get("y"), y)
		h.wantAbsent("bad")
		h.store(h.doc("bad", protocol.Failure, "what stands for it"))
		h.wantSame(h.get("bad"), h.doc("bad", protocol.Failure, "what stands for it"))
	}},
	{"an error that may pass is not ErrUnstorable", func(h *harness) {
		ctx, cancel := context.WithCancel(h.ctx)
		cancel()
		for _, err := range h.Store(ctx, []*protocol.Result{h.doc("a", protocol.Success, 1), h.doc("b", protocol.Success, 2)}) {
			if errors.Is(err, backend.ErrUnstorable) {
				h.Errorf("Store with a cancelled context: %v is ErrUnstorable", err)
			}
		}
		h.close()
		errs := h.Store(h.ctx, []*protocol.Result{h.doc("c", protocol.Success, 1)})
		if len(errs) != 1 || errs[0] == nil || errors.Is(errs[0], backend.ErrUnstorable) {
			h.Errorf("Store after Close: %v, want one error that is not ErrUnstorable", errs)
		}
	}},
	{"SUCCESS is never overwritten by those who write at the same time", func(h *harness) { concurrentSuccess(h, h.Backend) }},
	{"64 goroutines store and read their own", func(h *harness) {
		var all sync.WaitGroup
		for g := range 64 {
			all.Go(func() {
				for i := range 10 {
					id := fmt.Sprintf("g%d-%d", g, i)
					want := h.doc(id, protocol.Success, id)
					for _, err := range h.Store(h.ctx, []*protocol.Result{h.doc(id, protocol.Started, nil), want}) {
						if err != nil {
							h.Errorf("store %q: %v", id, err)
							return
						}
					}
					got, err := h.Get(h.ctx, id)
					if err != nil || got.Status != protocol.Success || got.TaskID != id {
						h.Errorf("get %q: %+v, %v", id, got, err)
						return
					}
				}
			})
		}
		all.Wait()
	}},
}

// concurrentSuccess has many goroutines, on two handles of the store, write the same ids, one of them a SUCCESS.
func concurrentSuccess(h *harness, other backend.Backend) {
	h.Helper()
	const writers = 16
	for round := range 10 {
		id := fmt.Sprintf("contested-%d", round)
		var all sync.WaitGroup
		for w := range writers {
			b := h.Backend
			if w%2 == 1 {
				b = other
			}
			d := h.doc(id, []protocol.State{protocol.Failure, protocol.Progress, protocol.Retry, protocol.Started}[w%4], w)
			if w == round {
				d = h.doc(id, protocol.Success, "kept")
			}
			all.Go(func() { storeQuietly(h.T, h, b, d) })
		}
		all.Wait()
		h.wantSame(h.get(id), h.doc(id, protocol.Success, "kept"))
	}
}

// storeQuietly stores from a goroutine that must not end the test by itself.
func storeQuietly(t *testing.T, h *harness, b backend.Backend, d *protocol.Result) bool {
	t.Helper()
	for _, err := range b.Store(h.ctx, []*protocol.Result{d}) {
		if err != nil {
			t.Errorf("store %s of %q: %v", d.Status, d.TaskID, err)
			return false
		}
	}
	return true
}
