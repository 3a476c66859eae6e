package backendtest

import (
	"github.com/umbel-go/umbel/protocol"
)

// forgetTests: documents that are removed by hand. Those that expire are in peer.go: they need a second handle.
var forgetTests = []namedTest{
	{"forgotten documents are gone, others stay", func(h *harness) {
		h.store(h.doc("a", protocol.Success, 1), h.doc("b", protocol.Failure, 2), h.doc("c", protocol.Success, 3))
		if err := h.Forget(h.ctx, []string{"a", "b"}); err != nil {
			h.Fatal(err)
		}
		h.wantAbsent("a")
		h.wantAbsent("b")
		h.wantSame(h.get("c"), h.doc("c", protocol.Success, 3))
	}},
	{"forgetting the unknown is no error", func(h *harness) {
		if err := h.Forget(h.ctx, []string{"never sent"}); err != nil {
			h.Fatal(err)
		}
		if err := h.Forget(h.ctx, nil); err != nil {
			h.Fatal(err)
		}
	}},
	{"a forgotten SUCCESS may be written anew", func(h *harness) {
		h.store(h.doc("a", protocol.Success, "first"))
		if err := h.Forget(h.ctx, []string{"a"}); err != nil {
			h.Fatal(err)
		}
		want := h.doc("a", protocol.Failure, "second")
		h.store(want)
		h.wantSame(h.get("a"), want)
	}},
	{"cleaning up leaves what has not expired", func(h *harness) {
		want := h.doc("fresh", protocol.Success, 1)
		h.store(want)
		n, err := h.Backend.Cleanup(h.ctx)
		if err != nil || n != 0 {
			h.Fatalf("Cleanup: %d, %v; want 0", n, err)
		}
		h.wantSame(h.get("fresh"), want)
	}},
}
