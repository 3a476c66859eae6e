// Package backendtest is the one suite that every result backend passes: each sentence of the contract in package
// backend, as a test. Traits and ReplyTo decide what does not apply; nothing asks a driver its name.
//
//	func TestContract(t *testing.T) {
//		backendtest.Run(t, func(t *testing.T) backend.Backend { return open(t) })
//	}
package backendtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/protocol"
)

// limit bounds every test of the suite: a wait that reaches it is a failure, never a pass. Only the tests of the suite
// itself make it shorter.
var limit = 60 * time.Second

// Options give the suite more than one way to the same store.
type Options struct {
	// Peer opens once more, as another process would, the store that open opened for the same t. c holds what the test
	// wants other than the driver's defaults: Expires, or nothing. Without Peer, expiry and what two processes see of
	// each other is not tested, and the suite says so by skipping.
	Peer func(t *testing.T, c backend.Config) backend.Backend
}

// Run tests the driver whose backends open opens. open is called once in each test and gives an empty store, or a
// corner of one that no other test sees; it leaves closing to the suite.
func Run(t *testing.T, open func(t *testing.T) backend.Backend, options ...Options) {
	s := suite{open: open}
	for _, o := range options {
		if o.Peer != nil {
			s.peer = o.Peer
		}
	}
	groups := []struct {
		name   string
		stored bool // wants a backend that keeps documents: not rpc://
		tests  []namedTest
	}{
		{"store", true, storeTests},
		{"read", true, readTests},
		{"document", true, documentTests},
		{"forget", true, forgetTests},
		{"chord", true, chordTests},
		{"ledger", false, ledgerTests},
		{"schedule", true, scheduleTests},
		{"turns", false, turnTests},
		{"watch", false, watchTests},
		{"peer", false, peerTests},
	}
	t.Run("contract", func(t *testing.T) {
		for _, g := range groups {
			for _, tt := range g.tests {
				t.Run(g.name+"/"+tt.name, func(t *testing.T) {
					t.Parallel()
					h := s.setup(t)
					if g.stored && h.ReplyTo() != "" {
						t.Skip("this backend stores nothing: results are sent to " + h.ReplyTo())
					}
					tt.run(h)
				})
			}
		}
	})
	// After the others, one at a time: it counts goroutines.
	for _, tt := range closeTests {
		t.Run("close/"+tt.name, func(t *testing.T) {
			s.setup(t).close() // what the first opening leaves for all, such as a test server's connections, is no leak
			before := goleak.IgnoreCurrent()
			h := s.setup(t)
			tt.run(h)
			h.close()
			goleak.VerifyNone(t, before)
		})
	}
}

type namedTest struct {
	name string
	run  func(h *harness)
}

type suite struct {
	open func(t *testing.T) backend.Backend
	peer func(t *testing.T, c backend.Config) backend.Backend
}

// A harness is one test with its own backend.
type harness struct {
	*testing.T
	backend.Backend
	ctx    context.Context
	suite  suite
	closed bool
}

func (s suite) setup(t *testing.T) *harness {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	h := &harness{T: t, Backend: s.open(t), ctx: ctx, suite: s}
	if h.Backend == nil {
		t.Fatal("open returned no backend")
	}
	t.Cleanup(h.close)
	return h
}

// close closes the backend once, within the limit.
func (h *harness) close() {
	h.Helper()
	if h.closed {
		return
	}
	h.closed = true
	within(h.T, "Close", func() {
		if err := h.Close(); err != nil {
			h.Errorf("Close: %v", err)
		}
	})
}

// openPeer opens the same store again, or skips the test.
func (h *harness) openPeer(c backend.Config) backend.Backend {
	h.Helper()
	if h.suite.peer == nil {
		h.Skip("no Options.Peer: the store cannot be opened twice here")
	}
	p := h.suite.peer(h.T, c)
	h.T.Cleanup(func() {
		within(h.T, "Close of the peer", func() {
			if err := p.Close(); err != nil {
				h.Errorf("Close of the peer: %v", err)
			}
		})
	})
	return p
}

// within fails the test when f does not return in time; f then goes on in a goroutine of its own.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatalf("%s has not returned after %v", what, limit)
	}
}

// store stores and fails the test on any error.
func (h *harness) store(docs ...*protocol.Result) {
	h.Helper()
	storeTo(h, h.Backend, docs...)
}

func storeTo(h *harness, b backend.Backend, docs ...*protocol.Result) {
	h.Helper()
	for i, err := range b.Store(h.ctx, docs) {
		if err != nil {
			h.Fatalf("store %s of %q: %v", docs[i].Status, docs[i].TaskID, err)
		}
	}
}

// get reads a document that must be there.
func (h *harness) get(id string) *protocol.Result {
	h.Helper()
	r, err := h.Get(h.ctx, id)
	if err != nil {
		h.Fatalf("get %q: %v", id, err)
	}
	return r
}

// wantAbsent reads a document that must not be there.
func (h *harness) wantAbsent(id string) {
	h.Helper()
	if r, err := h.Get(h.ctx, id); !errors.Is(err, backend.ErrNotFound) {
		h.Fatalf("get %q: %s, %v; want ErrNotFound", id, text(h, r), err)
	}
}

// wantSame compares two documents byte for byte as they are written.
func (h *harness) wantSame(got, want *protocol.Result) {
	h.Helper()
	if g, w := text(h, got), text(h, want); g != w {
		h.Fatalf("document of %q\n got %s\nwant %s", want.TaskID, clip(g), clip(w))
	}
}

func text(h *harness, r *protocol.Result) string {
	h.Helper()
	if r == nil {
		return "no document"
	}
	b, err := protocol.AppendResult(nil, r)
	if err != nil {
		h.Fatalf("write document of %q: %v", r.TaskID, err)
	}
	return string(b)
}

func clip(s string) string {
	if len(s) > 2000 {
		return s[:1000] + " … " + s[len(s)-1000:]
	}
	return s
}
