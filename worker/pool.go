package worker

import (
	"sync"
	"sync/atomic"
)

// A pool runs tasks in goroutines, size at a time. Goroutines are made when there is work for one more and end when there
// is none, except a few that stay for the next burst.
//
// The invariant that keeps tasks from waiting beside a free slot: goroutines ≥ min(waiting + running, size). submit makes
// one before it queues a task that would break it; a goroutine ends only where it still holds.
type pool struct {
	size int
	run  func(*run)

	ready chan *run // submit sends, slots receive; room for what the prefetch may hold

	load atomic.Int64 // waiting + running

	mu    sync.Mutex // guards what follows
	slots int        // goroutines
	lost  int        // slots written off: their handler ignored a hard time limit and may still run
	wg    sync.WaitGroup

	closed chan struct{} // no more tasks are started
}

// keepSlots goroutines stay when there is nothing to do.
const keepSlots = 16

// readyRoom is how many admitted tasks may wait for a slot before the queue they came from is held back.
const readyRoom = 1024

func newPool(size int, f func(*run)) *pool {
	return &pool{size: size, run: f, ready: make(chan *run, readyRoom), closed: make(chan struct{})}
}

// submit queues a task for a slot. It waits while readyRoom tasks are waiting, or gives the task up when the pool closes.
func (p *pool) submit(r *run) {
	if n := p.load.Add(1); n <= int64(p.size) {
		p.grow(n)
	}
	select {
	case p.ready <- r:
	case <-p.closed:
		p.load.Add(-1)
		r.consumer.worker.giveBack(r.delivery)
	}
}

func (p *pool) grow(load int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slots < p.size && int64(p.slots) < load {
		p.slots++
		p.wg.Add(1)
		go p.slot()
	}
}

func (p *pool) slot() {
	defer p.wg.Done()
	for {
		select {
		case <-p.closed:
			return
		default:
		}
		select {
		case <-p.closed:
			return
		case r := <-p.ready:
			p.run(r)
			p.load.Add(-1)
			if p.idle() {
				return
			}
		}
	}
}

// idle reports whether this goroutine is one too many, and takes it off the count.
func (p *pool) idle() bool {
	if p.load.Load() >= keepSlots {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slots <= keepSlots || int64(p.slots) <= p.load.Load() {
		return false
	}
	p.slots--
	return true
}

// writeOff replaces a slot whose handler cannot be stopped: the task is over as far as everybody else is concerned, and
// another one may run in its place.
func (p *pool) writeOff() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost++
	p.wg.Add(1)
	go p.slot()
}

// returned says that a written-off handler has come back after all; its goroutine ends.
func (p *pool) returned() {
	p.mu.Lock()
	p.lost--
	p.mu.Unlock()
}

// close starts no more tasks and returns those that waited.
func (p *pool) close() []*run {
	close(p.closed)
	var waiting []*run
	for {
		select {
		case r := <-p.ready:
			p.load.Add(-1)
			waiting = append(waiting, r)
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
