package backendtest

import (
	"errors"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/protocol"
)

// peerTests: two handles on one store, as two processes have, and documents that expire.
var peerTests = []namedTest{
	{"what another process stored is read", func(h *harness) {
		if h.ReplyTo() != "" {
			h.Skip("this backend stores nothing")
		}
		p := h.openPeer(backend.Config{})
		want := h.doc("a", protocol.Success, "from afar")
		storeTo(h, p, want)
		h.wantSame(h.get("a"), want)
	}},
	{"what another process stores is told", func(h *harness) {
		p := h.openPeer(backend.Config{})
		w := h.watch("a", "b")
		storeTo(h, p, h.doc("a", protocol.Started, nil))
		w.await("a", protocol.Started)
		want := h.doc("a", protocol.Success, "from afar")
		storeTo(h, p, want)
		h.wantSame(w.await("a", protocol.Success), want)
	}},
	{"SUCCESS is never overwritten by another process", func(h *harness) {
		if h.ReplyTo() != "" {
			h.Skip("this backend stores nothing")
		}
		concurrentSuccess(h, h.openPeer(backend.Config{}))
	}},
	{"an expired document is gone", func(h *harness) {
		if h.ReplyTo() != "" {
			h.Skip("this backend stores nothing")
		}
		short := h.openPeer(backend.Config{Expires: time.Second})
		storeTo(h, short, h.doc("short", protocol.Success, 1))
		h.store(h.doc("long", protocol.Success, 2))
		h.awaitExpiry("short")
		many, err := h.GetMany(h.ctx, []string{"short", "long"})
		if err != nil || many["short"] != nil || many["long"] == nil {
			h.Fatalf("GetMany after expiry: %v, %v; want only the one that lives", many, err)
		}
		// A SUCCESS that has expired protects nothing, cleaned up or not.
		want := h.doc("short", protocol.Failure, "anew")
		h.store(want)
		h.wantSame(h.get("short"), want)
		if _, err := h.Backend.Cleanup(h.ctx); err != nil {
			h.Fatal(err)
		}
		h.wantSame(h.get("short"), want)
		h.wantSame(h.get("long"), h.doc("long", protocol.Success, 2))
	}},
	{"cleaning up twice finds nothing the second time", func(h *harness) {
		if h.ReplyTo() != "" {
			h.Skip("this backend stores nothing")
		}
		short := h.openPeer(backend.Config{Expires: time.Second})
		storeTo(h, short, h.doc("a", protocol.Success, 1), h.doc("b", protocol.Failure, 2))
		h.awaitExpiry("a")
		h.awaitExpiry("b")
		if _, err := h.Backend.Cleanup(h.ctx); err != nil {
			h.Fatal(err)
		}
		if n, err := h.Backend.Cleanup(h.ctx); err != nil || n != 0 {
			h.Fatalf("second Cleanup: %d, %v; want 0", n, err)
		}
	}},
	{"a document for ever stays", func(h *harness) {
		if h.ReplyTo() != "" {
			h.Skip("this backend stores nothing")
		}
		ever, short := h.openPeer(backend.Config{Expires: -1}), h.openPeer(backend.Config{Expires: time.Second})
		want := h.doc("ever", protocol.Success, 1)
		storeTo(h, ever, want)
		storeTo(h, short, h.doc("short", protocol.Success, 1))
		h.awaitExpiry("short")
		if _, err := h.Backend.Cleanup(h.ctx); err != nil {
			h.Fatal(err)
		}
		h.wantSame(h.get("ever"), want)
	}},
}

// awaitExpiry polls, since stores do not tell of an expiry, until the document is gone.
func (h *harness) awaitExpiry(id string) {
	h.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := h.Get(h.ctx, id)
		if errors.Is(err, backend.ErrNotFound) {
			return
		}
		if err != nil {
			h.Fatalf("get %q: %v", id, err)
		}
		select {
		case <-tick.C:
		case <-h.ctx.Done():
			h.Fatalf("%q has not expired", id)
		}
	}
}
