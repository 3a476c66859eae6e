package backendtest

import (
	"fmt"

	"github.com/umbel-go/umbel/protocol"
)

// readTests: one, many, and those that are not there.
var readTests = []namedTest{
	{"an unknown id is ErrNotFound", func(h *harness) {
		h.wantAbsent("never sent")
		h.store(h.doc("sent", protocol.Success, 1))
		h.wantAbsent("never sent")
	}},
	{"unknown ids are absent from many", func(h *harness) {
		got, err := h.GetMany(h.ctx, []string{"x", "y"})
		if err != nil || len(got) != 0 {
			h.Fatalf("GetMany of unknown ids: %v, %v; want none and no error", got, err)
		}
		h.store(h.doc("x", protocol.Success, 1))
		got, err = h.GetMany(h.ctx, []string{"x", "y", "x"})
		if err != nil || len(got) != 1 || got["x"] == nil {
			h.Fatalf("GetMany of a known and an unknown id: %v, %v; want the known one", got, err)
		}
	}},
	{"many of none is none", func(h *harness) {
		got, err := h.GetMany(h.ctx, nil)
		if err != nil || len(got) != 0 {
			h.Fatalf("GetMany of no ids: %v, %v", got, err)
		}
	}},
	{"many of 10,000 ids", func(h *harness) {
		const n = 10_000
		ids := make([]string, n)
		var batch []*protocol.Result
		for i := range n {
			ids[i] = fmt.Sprintf("10k-%05d", i)
			if i%2 == 0 {
				batch = append(batch, h.doc(ids[i], protocol.Success, i))
			}
			if len(batch) == 1000 || i == n-1 {
				h.store(batch...)
				batch = nil
			}
		}
		got, err := h.GetMany(h.ctx, ids)
		if err != nil {
			h.Fatal(err)
		}
		if len(got) != n/2 {
			h.Fatalf("GetMany found %d documents, want %d", len(got), n/2)
		}
		for i := 0; i < n; i += 2 {
			d := got[ids[i]]
			if d == nil || d.TaskID != ids[i] || d.Status != protocol.Success {
				h.Fatalf("document of %q: %+v", ids[i], d)
			}
		}
	}},
}
