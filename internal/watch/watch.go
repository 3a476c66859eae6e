package watch

import (
	"slices"
	"sync"

	"github.com/umbel-go/umbel/protocol"
)

// A Watch is one caller's wait for some ids.
type Watch struct {
	board  *Board
	ids    []string
	notify func(*protocol.Result)
	since  uint64 // Board.seq when the watch began

	mu      sync.Mutex // held while notify runs, so that Stop can wait for it
	stopped bool
}

// Stop ends the watch: once it returns notify is not called again. It may be called again, but not from within notify,
// for which it waits.
func (w *Watch) Stop() {
	b := w.board
	b.mu.Lock()
	for _, id := range w.ids {
		places := slices.DeleteFunc(b.topics[id], func(p *place) bool { return p.watch == w })
		if len(places) == 0 {
			delete(b.topics, id)
		} else {
			b.topics[id] = places
		}
	}
	w.ids = nil
	b.mu.Unlock()

	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
}

func (w *Watch) tell(doc *protocol.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	select {
	case <-w.board.quit: // the rest of the batch is not told to a board that is closing
	default:
		w.notify(doc)
	}
}
