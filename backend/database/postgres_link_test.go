package database

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// TestWhatStoreSaysIsSoWhereverTheLinkBreaks cuts the connection after each of many amounts of bytes, in both
// directions.
func TestWhatStoreSaysIsSoWhereverTheLinkBreaks(t *testing.T) {
	pg := testenv.Postgres(t)
	link := faultnet.To(t, pg.Addr())
	sound := opened(t, backend.Config{URL: pg.URL()})
	b := opened(t, backend.Config{URL: pg.URLAt(link.Addr())})
	stored, failed := 0, 0
	for i, cut := range []func(faultnet.Limit){link.CutAfterReplies, link.CutAfterRequests} {
		for n := int64(0); n < 600; n += 29 {
			id := fmt.Sprintf("%d-%d", i, n)
			cut(faultnet.Bytes(n))
			errs := b.Store(t.Context(), []*protocol.Result{doc(id, protocol.Success)})
			link.Heal()
			_, err := sound.Get(t.Context(), id)
			if errs != nil {
				failed++
				continue // it may be there or not: the error says that something went wrong
			}
			stored++
			if err != nil {
				t.Fatalf("Store said that all was well, and then: %v", err)
			}
		}
	}
	put(t, b, doc("after all", protocol.Success))
	t.Logf("%d stored, by a second connection where need be, and %d failed", stored, failed)
	if stored == 0 {
		t.Error("no cut was mended by a new connection")
	}
}

// TestASilentServerHoldsNobody: the link is there and nothing comes back.
func TestASilentServerHoldsNobody(t *testing.T) {
	pg := testenv.Postgres(t)
	link := faultnet.To(t, pg.Addr())
	b := open(t, backend.Config{URL: pg.URLAt(link.Addr()), ConnectTimeout: 500 * time.Millisecond})
	w := watchIDs(t, b, "a")
	put(t, b, doc("a", protocol.Started))
	w.await("a", protocol.Started)
	link.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	errs := b.Store(ctx, []*protocol.Result{doc("a", protocol.Success)})
	if len(errs) != 1 || !errors.Is(errs[0], context.DeadlineExceeded) {
		t.Fatalf("Store: %v", errs)
	}
	if _, err := b.Get(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Get: %v", err)
	}
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-timeout.C:
		t.Fatal("Close hangs")
	}
}
