package watch

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func doc(id string, s protocol.State) *protocol.Result {
	return &protocol.Result{TaskID: id, Status: s}
}

// drain waits until everything told before has been dispatched.
func drain(t *testing.T, b *Board) {
	t.Helper()
	told := make(chan struct{})
	w, err := b.Add([]string{"drain"}, func(*protocol.Result) { close(told) })
	if err != nil {
		t.Fatal(err)
	}
	b.Tell(doc("drain", protocol.Success), 0)
	<-told
	w.Stop()
}

func TestRepeatsAreLeftOutForEachWatch(t *testing.T) {
	b := New()
	defer b.Close()
	var first, second []protocol.State
	w1, _ := b.Add([]string{"a", "a"}, func(r *protocol.Result) { first = append(first, r.Status) })
	defer w1.Stop()
	b.Tell(doc("a", "V1"), 1)
	b.Tell(doc("a", "V1"), 1)
	drain(t, b)
	w2, _ := b.Add([]string{"a"}, func(r *protocol.Result) { second = append(second, r.Status) })
	defer w2.Stop()
	b.Tell(doc("a", "V1"), 1) // what the second missed, and the first knows
	b.Tell(doc("a", "V2"), 2)
	b.Tell(doc("a", "V1"), 1) // read late
	drain(t, b)
	want := []protocol.State{"V1", "V2"}
	if !slices.Equal(first, want) || !slices.Equal(second, want) {
		t.Fatalf("told %v and %v, want %v", first, second, want)
	}
}

func TestAWatchHearsNothingFromBeforeItBegan(t *testing.T) {
	b := New()
	defer b.Close()
	hold, held := make(chan struct{}), make(chan struct{})
	w1, _ := b.Add([]string{"a"}, func(r *protocol.Result) {
		if r.Status == "BLOCK" {
			close(held)
			<-hold
		}
	})
	defer w1.Stop()
	b.Tell(doc("a", "BLOCK"), 0)
	<-held
	b.Tell(doc("a", "OLD"), 0)
	var heard []protocol.State
	w2, _ := b.Add([]string{"a"}, func(r *protocol.Result) { heard = append(heard, r.Status) })
	defer w2.Stop()
	b.Tell(doc("a", "NEW"), 0)
	close(hold)
	drain(t, b)
	if !slices.Equal(heard, []protocol.State{"NEW"}) {
		t.Fatalf("heard %v", heard)
	}
}

func TestASlowNotifyBoundsTheQueueAndLosesNoFinalState(t *testing.T) {
	b := New()
	defer b.Close()
	hold, held := make(chan struct{}), make(chan struct{})
	last := make(map[string]protocol.State)
	var once sync.Once
	w, _ := b.Add([]string{"a", "b"}, func(r *protocol.Result) {
		once.Do(func() { close(held); <-hold })
		last[r.TaskID] = r.Status
	})
	defer w.Stop()
	b.Tell(doc("a", protocol.Started), 0)
	<-held
	b.Tell(doc("b", protocol.Failure), 0)
	for i := range 20 * full {
		b.Tell(doc("a", protocol.State(fmt.Sprint(i))), 0)
	}
	b.Tell(doc("a", protocol.Success), 0)
	b.mu.Lock()
	n := len(b.queue)
	b.mu.Unlock()
	if n > full {
		t.Errorf("queue grew to %d, want at most %d", n, full)
	}
	close(hold)
	drain(t, b)
	if last["a"] != protocol.Success || last["b"] != protocol.Failure {
		t.Fatalf("last told: %v", last)
	}
}

func TestStopWaitsForNotifyAndEndsIt(t *testing.T) {
	b := New()
	defer b.Close()
	for range 500 {
		var stopped atomic.Bool
		w, _ := b.Add([]string{"a"}, func(*protocol.Result) {
			if stopped.Load() {
				t.Error("notify after Stop")
			}
		})
		var telling sync.WaitGroup
		telling.Go(func() {
			for range 5 {
				b.Tell(doc("a", protocol.Started), 0)
			}
		})
		w.Stop()
		stopped.Store(true)
		telling.Wait()
	}
	if !b.Idle() || len(b.IDs()) != 0 || b.Watched("a") {
		t.Error("watches stayed")
	}
}

func TestACloseWhileTellingEndsEverything(t *testing.T) {
	for range 100 {
		b := New()
		var closed atomic.Bool
		w, _ := b.Add([]string{"a"}, func(*protocol.Result) {
			if closed.Load() {
				t.Error("notify after Close")
			}
		})
		var telling sync.WaitGroup
		for range 4 {
			telling.Go(func() {
				for range 50 {
					b.Tell(doc("a", protocol.Started), 0)
				}
			})
		}
		b.Close()
		closed.Store(true)
		telling.Wait()
		w.Stop()
		b.Close()
		if _, err := b.Add([]string{"a"}, func(*protocol.Result) {}); err != ErrClosed {
			t.Fatalf("Add after Close: %v", err)
		}
	}
}

func BenchmarkTell(b *testing.B) {
	board := New()
	defer board.Close()
	w, _ := board.Add([]string{"a"}, func(*protocol.Result) {})
	defer w.Stop()
	d := doc("a", protocol.Success)
	b.ReportAllocs()
	for b.Loop() {
		board.Tell(d, 0)
	}
}
