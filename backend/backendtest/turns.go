package backendtest

import (
	"sync"
	"time"

	"github.com/umbel-go/umbel/backend"
)

// pacer is the backend's, or the test is skipped.
func (h *harness) pacer(b backend.Backend) backend.Pacer {
	p, ok := b.(backend.Pacer)
	if !ok {
		h.Skip("this backend spaces nothing")
	}
	return p
}

// clockStep is how finely a store may tell the time.
const clockStep = 3 * time.Millisecond

// turn takes turns and returns the earliest and the latest time at which the first of them may be: the clock was read in between.
func (h *harness) turn(p backend.Pacer, series string, interval time.Duration, n int) (earliest, latest time.Time) {
	h.Helper()
	before := time.Now()
	wait, err := p.Turns(h.ctx, series, interval, n)
	if err != nil {
		h.Fatal(err)
	}
	if wait < 0 {
		h.Fatalf("the turn was %v ago", -wait)
	}
	return before.Add(wait), time.Now().Add(wait)
}

var turnTests = []namedTest{
	{"turns are an interval apart", func(h *harness) {
		p := h.pacer(h.Backend)
		const interval = 20 * time.Second
		from, until := h.turn(p, "s", interval, 1)
		for _, n := range []int{3, 1, 1} { // three are taken at once, so that the next but one is three intervals later
			earliest, latest := h.turn(p, "s", interval, n)
			if latest.Before(from.Add(interval-clockStep)) || earliest.After(until.Add(interval+clockStep)) {
				h.Errorf("a turn is %v to %v after the one before it, want %v", earliest.Sub(until), latest.Sub(from), interval)
			}
			from, until = earliest.Add(time.Duration(n-1)*interval), latest.Add(time.Duration(n-1)*interval)
		}
		if wait, err := p.Turns(h.ctx, "other", interval, 1); err != nil || wait != 0 {
			h.Errorf("another series waits for %v, %v", wait, err)
		}
	}},
	{"a series that stood still begins at once, and makes up for nothing", func(h *harness) {
		p := h.pacer(h.Backend)
		const interval = 30 * time.Millisecond
		h.turn(p, "s", interval, 1)
		time.Sleep(4 * interval)
		if wait, err := p.Turns(h.ctx, "s", interval, 1); err != nil || wait > 0 {
			h.Errorf("after a pause: %v, %v", wait, err)
		}
		if wait, err := p.Turns(h.ctx, "s", time.Hour, 1); err != nil || wait > interval {
			h.Errorf("the next: %v, %v", wait, err)
		}
		if wait, err := p.Turns(h.ctx, "s", time.Hour, 1); err != nil || wait < time.Hour-time.Minute {
			h.Errorf("the one behind that: %v, %v", wait, err)
		}
	}},
	{"no turn is given twice, whoever asks", func(h *harness) {
		const each, askers, interval = 10, 4, 10 * time.Second
		pacers := []backend.Pacer{h.pacer(h.Backend)}
		if h.suite.peer != nil {
			pacers = append(pacers, h.pacer(h.openPeer(backend.Config{})))
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		begun := time.Now()
		seen := make(map[int64]int) // by the number of the turn
		for a := range askers {
			all.Go(func() {
				for range each {
					wait, err := pacers[a%len(pacers)].Turns(h.ctx, "s", interval, 1)
					if err != nil {
						h.Error(err)
						return
					}
					at := time.Since(begun) + wait + interval/2 // off by what the call took, less than half an interval
					mu.Lock()
					seen[int64(at/interval)]++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if len(seen) < askers*each && time.Since(begun) < interval/2 {
			h.Errorf("%d different turns of %d: %v", len(seen), askers*each, seen)
		}
	}},
}
