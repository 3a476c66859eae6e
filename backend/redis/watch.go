package redis

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/umbel-go/umbel/protocol"
)

// watches knows who waits for what, and tells them. The subscriber (subscribe.go) keeps Redis's subscriptions in step.
//
//	Watch ──► pass (changed ids) ──► subscriber: SUBSCRIBE, UNSUBSCRIBE, then MGET of what is new
//	                                     │
//	     heard (a published document)  read (a stored one)
//	                 └────────► tell ◄───┘
//
// Order: every change of a document is published in the step that stores it. So once an id is subscribed, a document
// that was read is news only if nothing has been heard of the id since the reading began; else what was heard is as
// new or newer, and what was read is dropped. Both travel on one connection, so that whatever was published before the
// reading has been heard when its answer arrives.
type watches struct {
	b    *Backend
	seed maphash.Seed
	wake chan struct{} // holds one: the pass has changed
	done chan struct{} // closed when the subscriber has ended

	telling sync.Mutex // held while watchers are notified: one document at a time. Taken before mu, never after it
	muted   bool       // guarded by telling: Close was called

	mu      sync.Mutex // guards what follows; never held while calling anybody
	topics  map[string]*topic
	next    *pass
	started bool
	closed  bool
}

// A topic is one watched task id.
type topic struct {
	id       string
	listings []*listing // replaced, not changed, so that a copy of the slice stays as it was
	heard    uint64     // how many documents were published since the topic began
}

// A listing is a watcher's interest in one topic.
type listing struct {
	w    *watcher
	last uint64 // hash of the document it was told last, 0 for none; guarded by watches.telling
}

// A watcher is one call of Watch.
type watcher struct {
	notify  func(*protocol.Result)
	stopped bool // guarded by watches.telling
}

// A pass is a round of changes that the subscriber makes together.
type pass struct {
	ids     map[string]struct{} // whose watchers have changed
	settled chan struct{}       // closed when the subscriptions stand, or when they cannot be had for now
	refused error               // set before settled is closed: Redis does not let us subscribe
}

func newPass() *pass {
	return &pass{ids: make(map[string]struct{}), settled: make(chan struct{})}
}

func newWatches(b *Backend) *watches {
	return &watches{
		b: b, seed: maphash.MakeSeed(), wake: make(chan struct{}, 1), done: make(chan struct{}),
		topics: make(map[string]*topic), next: newPass(),
	}
}

// Watch calls notify with the present document of each id and with each later one. It returns when Redis has confirmed
// the subscription, so that no change after that is missed; while the connection is lost it returns without, and what
// was missed is read when there is one again. All watchers share one connection. notify must neither block nor call
// this backend's Watch or stop: those wait for it.
func (b *Backend) Watch(ctx context.Context, ids []string, notify func(*protocol.Result)) (stop func(), err error) {
	h, w := b.watches, &watcher{notify: notify}
	stop = sync.OnceFunc(func() { h.remove(w, ids) })
	p, err := h.add(w, ids)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.settled:
		err = p.refused
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-b.closing:
		err = errClosed
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("watch results in %s: %w", b.settings.endpoint.String(), err)
	}
	return stop, nil
}

func (h *watches) add(w *watcher, ids []string) (*pass, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, fmt.Errorf("watch results: %w", errClosed)
	}
	if !h.started {
		h.started = true
		go h.subscribe() // ends with close
	}
	for _, id := range ids {
		t := h.topics[id]
		if t == nil {
			t = &topic{id: id}
			h.topics[id] = t
		}
		if !slices.ContainsFunc(t.listings, func(l *listing) bool { return l.w == w }) {
			t.listings = append(slices.Clip(t.listings), &listing{w: w})
		}
		h.next.ids[id] = struct{}{}
	}
	h.poke()
	return h.next, nil
}

// remove waits until a notification under way has ended.
func (h *watches) remove(w *watcher, ids []string) {
	h.mu.Lock()
	for _, id := range ids {
		t := h.topics[id]
		if t == nil {
			continue
		}
		i := slices.IndexFunc(t.listings, func(l *listing) bool { return l.w == w })
		if i < 0 {
			continue // an id given twice
		}
		if len(t.listings) == 1 {
			delete(h.topics, id)
			h.next.ids[id] = struct{}{}
			continue
		}
		t.listings = slices.Concat(t.listings[:i], t.listings[i+1:])
	}
	h.poke()
	h.mu.Unlock()
	h.telling.Lock()
	w.stopped = true
	h.telling.Unlock()
}

// poke wakes the subscriber. The caller holds mu.
func (h *watches) poke() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// take returns the pass so far and begins another one.
func (h *watches) take() *pass {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.next
	h.next = newPass()
	return p
}

// idle reports whether nobody watches anything. Those who watch nothing need not wait for a subscription.
func (h *watches) idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.topics) > 0 {
		return false
	}
	close(h.next.settled)
	h.next = newPass()
	return true
}

func (h *watches) watched() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.topics)
}

// hear takes a published document.
func (h *watches) hear(id, text string) {
	h.telling.Lock()
	defer h.telling.Unlock()
	h.mu.Lock()
	t := h.topics[id]
	if t == nil {
		h.mu.Unlock()
		return // the last watcher has just gone
	}
	t.heard++
	listings := t.listings
	h.mu.Unlock()
	h.tell(t, listings, text)
}

// A reading notes what had been heard of a topic when reading its document began.
type reading struct {
	t     *topic
	heard uint64
}

func (h *watches) beginReading(ids []string) []reading {
	h.mu.Lock()
	defer h.mu.Unlock()
	readings := make([]reading, 0, len(ids))
	for _, id := range ids {
		if t := h.topics[id]; t != nil {
			readings = append(readings, reading{t, t.heard})
		}
	}
	return readings
}

// read takes a stored document.
func (h *watches) read(r reading, text string) {
	h.telling.Lock()
	defer h.telling.Unlock()
	h.mu.Lock()
	if h.topics[r.t.id] != r.t || r.t.heard != r.heard {
		h.mu.Unlock()
		return
	}
	listings := r.t.listings
	h.mu.Unlock()
	h.tell(r.t, listings, text)
}

// tell notifies those who were not told the same document just before. The caller holds telling.
func (h *watches) tell(t *topic, listings []*listing, text string) {
	hash := max(1, maphash.String(h.seed, text))
	news := func(l *listing) bool { return l.last != hash && !l.w.stopped }
	if h.muted || !slices.ContainsFunc(listings, news) {
		return
	}
	r, err := h.b.decode(t.id, text)
	for _, l := range listings {
		if !news(l) {
			continue
		}
		l.last = hash
		if err == nil {
			own := *r // watchers know nothing of each other
			l.w.notify(&own)
		}
	}
	if err != nil {
		h.b.log.Error("a result that is waited for cannot be read", "task_id", t.id, "error", err)
	}
}

// close ends the subscriber and all notifications.
func (h *watches) close() {
	h.mu.Lock()
	h.closed = true
	started := h.started
	h.mu.Unlock()
	h.telling.Lock()
	h.muted = true
	h.telling.Unlock()
	if started {
		<-h.done
	}
}
