// Package watch tells those who await results: a board of watches by task id, with one goroutine that calls them.
//
// The result stores use it for what they have in common. A store says what it has seen by Tell, in the order in which the
// documents of one id were stored; the board drops what nobody awaits, leaves repeats out, and keeps its queue bounded.
//
//	store ── Tell ──► queue ──► dispatcher goroutine ──► Watch.notify
package watch

import (
	"errors"
	"slices"
	"sync"

	"github.com/umbel-go/umbel/protocol"
)

// ErrClosed: the board, and the backend it belongs to, is closed.
var ErrClosed = errors.New("result backend is closed")

// full is how many told documents may wait for a slow notify before older states of the same id are left out. It allows
// for a burst of results while one notify runs, and is small against the documents themselves.
const full = 4096

// A Board keeps watches by task id. All methods may be called from many goroutines, but not from within notify.
type Board struct {
	mu     sync.Mutex
	topics map[string][]*place
	queue  []entry
	bound  int    // queue length at which it is thinned out
	seq    uint64 // of the latest entry; a watch hears only those after its own beginning
	closed bool

	wake chan struct{} // cap 1: the queue is not empty
	quit chan struct{}
	done chan struct{} // closed by the dispatcher as it ends
}

// A place is one watch's interest in one id.
type place struct {
	watch   *Watch
	version int64 // the latest told; guarded by Board.mu
}

type entry struct {
	doc     *protocol.Result
	version int64
	seq     uint64
}

// New starts a board. Close ends it.
func New() *Board {
	b := &Board{
		topics: make(map[string][]*place), bound: full,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	go b.dispatch()
	return b
}

// Add begins a watch: notify is called with every document told from now on of any of the ids, on the board's goroutine.
func (b *Board) Add(ids []string, notify func(*protocol.Result)) (*Watch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrClosed
	}
	w := &Watch{board: b, ids: slices.Clone(ids), notify: notify, since: b.seq}
	for _, id := range w.ids {
		places := b.topics[id]
		if n := len(places); n > 0 && places[n-1].watch == w {
			continue // the id was given twice
		}
		b.topics[id] = append(places, &place{watch: w})
	}
	return w, nil
}

// Tell queues a document for everyone who watches its id and has not been told of this version or a later one: versions
// of one id grow with each write. Version 0 is never a repeat.
func (b *Board) Tell(doc *protocol.Result, version int64) {
	b.mu.Lock()
	if b.closed || len(b.topics[doc.TaskID]) == 0 {
		b.mu.Unlock()
		return
	}
	b.seq++
	b.queue = append(b.queue, entry{doc: doc, version: version, seq: b.seq})
	if len(b.queue) >= b.bound {
		b.thin()
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// thin leaves out of the queue what a later entry of the same id makes old. What remains is bounded by the number of
// watched ids. b.mu is held.
func (b *Board) thin() {
	seen := make(map[string]bool, len(b.queue))
	kept := len(b.queue)
	for i := len(b.queue) - 1; i >= 0; i-- {
		e := b.queue[i]
		if id := e.doc.TaskID; seen[id] || len(b.topics[id]) == 0 {
			continue
		}
		seen[e.doc.TaskID] = true
		kept--
		b.queue[kept] = e
	}
	b.queue = slices.Delete(b.queue, 0, kept)
	b.bound = max(full, 2*len(b.queue))
}

// Watched reports whether anyone watches id.
func (b *Board) Watched(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.topics[id]) > 0
}

// IDs are all watched ids, in no order.
func (b *Board) IDs() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := make([]string, 0, len(b.topics))
	for id := range b.topics {
		ids = append(ids, id)
	}
	return ids
}

// Idle reports whether nobody watches anything.
func (b *Board) Idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.topics) == 0
}

// Close ends all watches and the dispatcher; once it returns no notify is called. It may be called again.
func (b *Board) Close() {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.quit)
	}
	b.queue, b.topics = nil, make(map[string][]*place)
	b.mu.Unlock()
	<-b.done
}

// dispatch is the board's goroutine: it alone calls notify. Close ends it.
func (b *Board) dispatch() {
	defer close(b.done)
	for {
		select {
		case <-b.quit:
			return
		case <-b.wake:
		}
		b.mu.Lock()
		batch := b.queue
		b.queue, b.bound = nil, full
		b.mu.Unlock()
		for _, e := range batch {
			for _, w := range b.interested(e) {
				w.tell(e.doc)
			}
		}
	}
}

// interested are the watches that have not been told e yet, and marks them as told.
func (b *Board) interested(e entry) []*Watch {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ws []*Watch
	for _, p := range b.topics[e.doc.TaskID] {
		if e.seq <= p.watch.since {
			continue
		}
		if e.version != 0 {
			if e.version <= p.version {
				continue
			}
			p.version = e.version
		}
		ws = append(ws, p.watch)
	}
	return ws
}
