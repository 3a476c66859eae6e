package umbel

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/backend"
	_ "github.com/umbel-go/umbel/broker/memory"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// largeResults is a store with a large result of every task, every tenth a failure, which notes how much is alive each time
// that it is asked.
type largeResults struct {
	backend.Backend
	asked int
	alive uint64 // at most, bytes
}

const largeResult = 32 << 10

func (s *largeResults) GetMany(_ context.Context, ids []string) (map[string]*protocol.Result, error) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.alive = max(s.alive, m.HeapAlloc)
	docs := make(map[string]*protocol.Result, len(ids))
	for _, id := range ids {
		d := &protocol.Result{TaskID: id, Status: Success, Result: codec.Of(strings.Repeat("x", largeResult))}
		if s.asked%10 == 9 {
			d.Status = Failure
		}
		s.asked++
		docs[id] = d
	}
	return docs, nil
}

func (s *largeResults) Close() error { return nil }

func TestACountedGroupIsNotKeptInMemory(t *testing.T) {
	const members = 20_000 // with 640 MB of results
	store := &largeResults{}
	backend.Register(func(context.Context, backend.Config) (backend.Backend, error) { return store, nil }, "large-results")
	app := New("counted", WithConfig(Config{BrokerURL: []string{"memory://counted"}, ResultBackend: "large-results://"}))
	defer app.Close()
	tuple := protocol.ResultTuple{ID: "group", IsGroup: true}
	for i := range members {
		tuple.Members = append(tuple.Members, protocol.ResultTuple{ID: fmt.Sprint("member-", i)})
	}
	_, group := app.ResultOf(tuple)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)

	succeeded, failed, err := group.Count(context.Background())
	if err != nil || succeeded != members*9/10 || failed != members/10 {
		t.Errorf("counted %d and %d, want %d and %d: %v", succeeded, failed, members*9/10, members/10, err)
	}
	// One round of 500 may be alive while the next is asked for.
	if grown := int64(store.alive) - int64(before.HeapAlloc); grown > 2*500*largeResult {
		t.Errorf("%d MiB of results were alive at a time", grown>>20)
	}
}
