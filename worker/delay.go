package worker

import (
	"container/heap"
	"slices"
	"sync"
	"time"
)

// delay holds deliveries whose time has not come: their ETA, or their turn under a rate limit. They stay unsettled, so that the broker hands them to another worker if
// this one ends.
type delay struct {
	due func(*run)

	mu      sync.Mutex // guards waiting
	waiting dueHeap

	changed chan struct{} // 1: the head of waiting may be another
	stop    chan struct{}
	stopped chan struct{}
}

func newDelay(due func(*run)) *delay {
	return &delay{due: due, changed: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{})}
}

func (d *delay) add(r *run) {
	d.mu.Lock()
	r.state.Store(runDelayed)
	heap.Push(&d.waiting, r)
	d.mu.Unlock()
	d.wake()
}

func (d *delay) wake() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// run hands over what is due until close.
func (d *delay) run() {
	defer close(d.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-d.stop:
			return
		default:
		}
		next, wait := d.pop()
		if next != nil {
			d.due(next)
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-d.changed:
		case <-d.stop:
			return
		}
	}
}

// pop takes the first run that is due, or says how long until there may be one.
func (d *delay) pop() (*run, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 {
		return nil, time.Hour
	}
	if wait := time.Until(d.waiting[0].due); wait > 0 {
		return nil, wait
	}
	r := heap.Pop(&d.waiting).(*run)
	r.state.Store(runWaiting)
	return r, 0
}

// drop forgets the stale deliveries of a consumer that lost its connection.
func (d *delay) drop(c *consumer) { d.takeOut(c, (*run).stale) }

// takeOut removes those of a consumer's runs that f chooses, and returns them: they are over.
func (d *delay) takeOut(c *consumer, f func(*run) bool) (out []*run) {
	d.mu.Lock()
	kept, etas, turns := d.waiting[:0], 0, 0
	limited := make(map[*known]bool)
	for _, r := range d.waiting {
		if r.consumer == c && f(r) {
			r.over()
			out = append(out, r)
			if r.limited {
				limited[r.known] = true
				turns++
			} else {
				etas++
			}
			continue
		}
		kept = append(kept, r)
	}
	clear(d.waiting[len(kept):])
	d.waiting = kept
	heap.Init(&d.waiting)
	d.mu.Unlock()
	c.holdBoth(-etas, -turns)
	for k := range limited {
		c.worker.respace(k)
	}
	return out
}

// reschedule lets f change the times of waiting runs, in the order they were due.
func (d *delay) reschedule(f func(*run)) {
	d.mu.Lock()
	slices.SortFunc(d.waiting, func(a, b *run) int { return a.due.Compare(b.due) })
	for _, r := range d.waiting {
		f(r)
	}
	heap.Init(&d.waiting)
	d.mu.Unlock()
	d.wake()
}

// unpaced are those that wait for a turn which the pacer must give, as they came.
func (d *delay) unpaced() (out []*run) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.waiting {
		if r.paces != nil && !r.paced {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b *run) int { return a.at.Compare(b.at) })
	return out
}

// pace gives runs their turns, as far as they still wait.
func (d *delay) pace(turns map[*run]time.Time) {
	if len(turns) == 0 {
		return
	}
	d.mu.Lock()
	for _, r := range d.waiting {
		if at, has := turns[r]; has && !r.paced {
			r.due, r.paced = at, true
		}
	}
	heap.Init(&d.waiting)
	d.mu.Unlock()
	d.wake()
}

// list is what waits now, in no order.
func (d *delay) list() []*run {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.waiting)
}

// close ends run and returns what was still waiting.
func (d *delay) close() []*run {
	close(d.stop)
	<-d.stopped
	return d.left()
}

// left returns what was added after the end.
func (d *delay) left() []*run {
	d.mu.Lock()
	defer d.mu.Unlock()
	waiting := d.waiting
	d.waiting = nil
	for _, r := range waiting {
		r.state.Store(runWaiting)
	}
	return waiting
}

// dueHeap orders runs by the time they are due, the first on top.
type dueHeap []*run

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(*run)) }
func (h *dueHeap) Pop() any {
	old := *h
	last := len(old) - 1
	r := old[last]
	old[last] = nil
	*h = old[:last]
	return r
}
