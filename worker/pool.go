package worker

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"
)

// A pool runs tasks in goroutines, size at a time. Goroutines are made when there is work for one more and end when there
// is none, except a few that stay for the next burst.
//
// The invariant that keeps tasks from waiting beside a free slot: goroutines ≥ min(waiting + running, size). submit makes
// one before it queues a task that would break it; a goroutine ends only where it still holds.
type pool struct {
	size      atomic.Int64
	shrinking atomic.Bool                   // there may be goroutines beyond size
	sized     atomic.Pointer[chan struct{}] // closed and replaced when size becomes smaller
	run       func(*run)
	scaler    *autoscaler // nil: the size stays

	ready chan *run // submit sends, slots receive; room for what the prefetch may hold
	line  *line     // nil: slots run what they receive; else what they receive is a token for the run whose turn it is

	load atomic.Int64 // waiting + running

	mu    sync.Mutex         // guards slots and lost
	slots map[*slot]struct{} // goroutines
	lost  int                // of them written off
	wg    sync.WaitGroup

	closed chan struct{} // no more tasks are started
}

// A slot is one goroutine that runs tasks.
type slot struct {
	now  atomic.Pointer[run] // what it runs
	name []byte              // of its goroutine, as stacks begin; set once by it
	lost atomic.Bool         // written off: its handler ignored a hard time limit and may still run
}

// stack is what the slot's goroutine is doing now, for the log. It stops the world for a moment.
func (s *slot) stack() string {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	for block := range bytes.SplitSeq(all, []byte("\n\n")) {
		if bytes.HasPrefix(block, s.name) {
			return string(block)
		}
	}
	return "(not found among the first megabyte of stacks)"
}

// goroutineName is how runtime.Stack begins the calling goroutine's stack: "goroutine 123 [".
func goroutineName() []byte {
	buf := make([]byte, 64)
	buf = buf[:runtime.Stack(buf, false)]
	return buf[:bytes.IndexByte(buf, '[')+1]
}

// keepSlots goroutines stay when there is nothing to do.
const keepSlots = 16

// readyRoom is how many admitted tasks may wait for a slot before the queue they came from is held back; readyMost how many
// more of many queues with a large prefetch.
const (
	readyRoom = 1024
	readyMost = 1 << 20
)

// spareLanes are queues beyond those of the start, for which a line's tokens have room.
const spareLanes = 8

// roomOfQueue is how many tasks of one queue may wait for a slot. Where waiting deliveries become too old for the broker it is
// all that the prefetch lets come: the lease must see each, and the age of what waits in the driver is not known.
func (w *Worker) roomOfQueue() int {
	if !w.broker.Traits().AckTimeout {
		return readyRoom
	}
	if w.prefetch == 0 {
		return maxPrefetch
	}
	return max(readyRoom, w.prefetch)
}

// newPool makes a pool with room for so many waiting tasks; in is nil where tasks begin as they come.
func newPool(size, room int, in *line, f func(*run)) *pool {
	p := &pool{run: f, line: in, slots: make(map[*slot]struct{}), closed: make(chan struct{})}
	if in != nil {
		room = in.room * (len(in.lanes) + spareLanes) // a token never waits for room while its queue has some
	}
	p.ready = make(chan *run, room)
	p.size.Store(int64(size))
	sized := make(chan struct{})
	p.sized.Store(&sized)
	return p
}

// submit queues a task for a slot. It waits while there is no room for one more that waits, or gives the task up when the pool closes.
func (p *pool) submit(r *run) {
	n, size := p.load.Add(1), p.size.Load()
	if n <= size {
		p.grow(n)
	}
	p.scaler.noticed(n, size)
	if p.line != nil && !p.line.push(r, p.closed) {
		p.giveUp(r)
		return
	}
	select {
	case p.ready <- r:
	case <-p.closed:
		p.giveUp(p.turn(r))
	}
}

// giveUp hands a run back that waited when the pool closed.
func (p *pool) giveUp(r *run) {
	p.load.Add(-1)
	if r.withdraw() {
		r.consumer.worker.giveBack(r.delivery)
	}
}

// turn is the run that a token from ready stands for.
func (p *pool) turn(r *run) *run {
	if p.line != nil {
		return p.line.pop()
	}
	return r
}

// sift takes those out of the line for a slot that were handed back, once they are so many that they might fill it: the
// slots pass over them otherwise.
func (p *pool) sift() {
	if len(p.ready) < readyRoom/2 {
		return
	}
	var kept []*run
	for range len(p.ready) {
		select {
		case r := <-p.ready:
			if r = p.turn(r); r.state.Load() == runOver {
				r.consumer.worker.waiting.remove(r)
				p.load.Add(-1)
			} else {
				kept = append(kept, r)
			}
		default:
		}
	}
	for _, r := range kept {
		if p.line != nil && !p.line.push(r, p.closed) {
			p.giveUp(r)
			continue
		}
		select {
		case p.ready <- r:
		case <-p.closed:
			p.giveUp(p.turn(r))
		}
	}
}

func (p *pool) grow(load int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := int64(p.live()); n < p.size.Load() && n < load {
		p.add()
	}
}

// live is the number of slots that take tasks. mu is held.
func (p *pool) live() int { return len(p.slots) - p.lost }

func (p *pool) add() {
	s := &slot{}
	p.slots[s] = struct{}{}
	p.wg.Add(1)
	go p.work(s)
}

func (p *pool) work(s *slot) {
	left := false
	defer func() {
		if !s.lost.Load() {
			p.wg.Done()
		}
		if !left {
			p.replace(s) // a handler called runtime.Goexit
		}
	}()
	s.name = goroutineName()
	for {
		select {
		case <-p.closed:
			left = true
			p.leave(s)
			return
		default:
		}
		sized, over := p.over(s)
		if over {
			left = true
			return
		}
		select {
		case <-p.closed:
			left = true
			p.leave(s)
			return
		case <-sized:
		case r := <-p.ready:
			r = p.turn(r)
			s.now.Store(r)
			r.slot = s
			p.run(r)
			s.now.Store(nil)
			if !s.lost.Load() {
				p.load.Add(-1)
			}
			if p.spare(s) {
				left = true
				return
			}
		}
	}
}

func (p *pool) leave(s *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(s)
}

func (p *pool) remove(s *slot) {
	delete(p.slots, s)
	if s.lost.Load() {
		p.lost--
	}
}

// spare reports whether this goroutine is one too many, and takes it off the count.
func (p *pool) spare(s *slot) bool {
	if !s.lost.Load() && p.load.Load() >= keepSlots {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !s.lost.Load() && (p.live() <= keepSlots || int64(p.live()) <= p.load.Load()) {
		return false
	}
	p.remove(s)
	return true
}

// writeOff replaces a slot whose handler cannot be stopped: its task is over as far as everybody else is concerned, and
// another one may run in its place. The goroutine ends when the handler comes back after all.
func (p *pool) writeOff(s *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.lost.Store(true)
	p.lost++
	p.load.Add(-1)
	p.add()
	p.wg.Done() // nobody waits for it any more
}

// replace puts another goroutine in the place of one that has ended in mid-task.
func (p *pool) replace(s *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !s.lost.Load() {
		p.load.Add(-1)
	}
	p.remove(s)
	select {
	case <-p.closed:
	default:
		if n := int64(p.live()); n < p.size.Load() && n < p.load.Load() {
			p.add()
		}
	}
}

// running are the tasks that slots run now, written-off ones included.
func (p *pool) running() []*run {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*run
	for s := range p.slots {
		if r := s.now.Load(); r != nil {
			out = append(out, r)
		}
	}
	return out
}

// close starts no more tasks and returns those that waited.
func (p *pool) close() []*run {
	close(p.closed)
	var waiting []*run
	for {
		select {
		case r := <-p.ready:
			p.load.Add(-1)
			waiting = append(waiting, p.turn(r))
		default:
			return waiting
		}
	}
}

// done is closed when every slot has ended, written-off ones excepted.
func (p *pool) done() <-chan struct{} {
	c := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(c)
	}()
	return c
}
