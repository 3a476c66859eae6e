package backendtest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/umbel-go/umbel/protocol"
)

// closeTests: Close ends everything, and the suite looks for goroutines that stayed.
var closeTests = []namedTest{
	{"unused", func(h *harness) {}},
	{"used", func(h *harness) {
		h.store(h.doc("a", protocol.Success, 1))
		w := h.watch("a")
		w.await("a", protocol.Success)
		w.stop()
	}},
	{"with watchers, which hear no more", func(h *harness) {
		var closed atomic.Bool
		var stops []func()
		for i := range 20 {
			stop, err := h.Watch(h.ctx, []string{fmt.Sprint("w", i), "all"}, func(*protocol.Result) {
				if closed.Load() {
					h.Error("notify was called after Close had returned")
				}
			})
			if err != nil {
				h.Fatal(err)
			}
			stops = append(stops, stop)
		}
		h.store(h.doc("all", protocol.Success, 1))
		h.close()
		closed.Store(true)
		for _, stop := range stops {
			within(h.T, "stop after Close", stop)
		}
	}},
	{"twice is no error", func(h *harness) {
		h.close()
		within(h.T, "second Close", func() {
			if err := h.Close(); err != nil {
				h.Errorf("second Close: %v", err)
			}
		})
	}},
	{"what is called afterwards fails at once", func(h *harness) {
		d := h.doc("a", protocol.Success, 1)
		h.close()
		within(h.T, "a call after Close", func() {
			if errs := h.Store(h.ctx, []*protocol.Result{d}); len(errs) != 1 || errs[0] == nil {
				h.Errorf("Store after Close: %v, want an error for each document", errs)
			}
			if _, err := h.Watch(h.ctx, []string{"a"}, func(*protocol.Result) {}); err == nil {
				h.Error("Watch after Close: no error")
			}
			if _, err := h.Get(h.ctx, "a"); err == nil {
				h.Error("Get after Close: no error")
			}
		})
	}},
	{"in the midst of everything", func(h *harness) {
		var all sync.WaitGroup
		started := make(chan struct{}, 32)
		for g := range 32 {
			all.Go(func() {
				for i := 0; ; i++ {
					id := fmt.Sprintf("g%d-%d", g, i%10)
					stop, err := h.Watch(h.ctx, []string{id}, func(*protocol.Result) {})
					if err == nil {
						errs := h.Store(h.ctx, []*protocol.Result{h.doc(id, protocol.Success, i)})
						if len(errs) > 0 {
							err = errs[0]
						}
						stop()
					}
					if i == 0 {
						started <- struct{}{}
					}
					if err != nil || h.ctx.Err() != nil {
						return // the backend is closed: every call must have come to an end
					}
				}
			})
		}
		for range cap(started) {
			<-started
		}
		h.close()
		within(h.T, "calls under way at Close", all.Wait)
	}},
}
