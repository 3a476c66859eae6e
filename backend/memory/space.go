package memory

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/watch"
	"github.com/umbel-go/umbel/protocol"
)

// A space is the documents that backends of one name share.
type space struct {
	name string

	mu         sync.Mutex // never held while notify runs: boards only queue
	backends   []*Backend
	docs       map[string]*document
	expiring   expiry
	version    int64 // of the latest write
	chords     map[string]*chord
	books      map[string]map[string]backend.Record
	timetables map[string]*timetable
	ticks      map[string]tick
	turns      map[string]time.Time // the next of each series that runs
	tickSweep  int                  // how many ticks there may be before expired ones are looked for
	sweep      int                  // how many chords there may be before expired ones are looked for
}

// A document as it is stored: encoded, so that no caller's later change reaches it.
type document struct {
	codec.Encoded
	id      string
	state   protocol.State
	expires time.Time // zero: never
	version int64
	index   int // in expiry; -1 when not there
}

func (d *document) expired(now time.Time) bool { return !d.expires.IsZero() && !now.Before(d.expires) }

// spaces are the named ones that are open.
var spaces struct {
	sync.Mutex
	m map[string]*space
}

// enter opens or joins the space of that name.
func enter(name string, b *Backend) *space {
	spaces.Lock()
	defer spaces.Unlock()
	s := spaces.m[name]
	if s == nil || name == "" {
		s = &space{name: name, docs: make(map[string]*document)}
		if name != "" {
			if spaces.m == nil {
				spaces.m = make(map[string]*space)
			}
			spaces.m[name] = s
		}
	}
	s.mu.Lock()
	s.backends = append(s.backends, b)
	s.mu.Unlock()
	return s
}

func (s *space) leave(b *Backend) {
	spaces.Lock()
	defer spaces.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.backends, b); i >= 0 {
		s.backends = slices.Delete(s.backends, i, i+1)
	}
	if len(s.backends) == 0 {
		s.docs, s.expiring, s.chords, s.books, s.timetables, s.ticks = nil, nil, nil, nil, nil, nil
		if spaces.m[s.name] == s {
			delete(spaces.m, s.name)
		}
	}
}

// open locks the space for a call of b. The caller unlocks it when there is no error.
func (s *space) open(ctx context.Context, b *Backend) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if !slices.Contains(s.backends, b) {
		s.mu.Unlock()
		return watch.ErrClosed
	}
	return nil
}

func (s *space) put(b *Backend, d document) error {
	if err := s.open(context.Background(), b); err != nil {
		return err
	}
	defer s.mu.Unlock()
	now := time.Now()
	s.evict(now, 2) // as many as one write may add and one more, so that expired documents never pile up
	old := s.docs[d.id]
	if old != nil && old.state == protocol.Success && !old.expired(now) {
		return nil
	}
	if old != nil {
		s.remove(old)
	}
	s.version++
	d.version, d.index = s.version, -1
	s.docs[d.id] = &d
	if b.expires > 0 {
		d.expires = now.Add(b.expires)
		heap.Push(&s.expiring, &d)
	}
	for _, other := range s.backends {
		if other.board.Watched(d.id) {
			if r, err := other.decode(d); err == nil { // one who does not accept the serializer learns so from Get
				other.board.Tell(r, d.version)
			}
		}
	}
	return nil
}

func (s *space) get(ctx context.Context, b *Backend, id string) (document, bool, error) {
	if err := s.open(ctx, b); err != nil {
		return document{}, false, err
	}
	defer s.mu.Unlock()
	d := s.docs[id]
	if d == nil || d.expired(time.Now()) {
		return document{}, false, nil
	}
	return *d, true, nil
}

// watch adds to the board and tells what is there in one step, so that no document falls between.
func (s *space) watch(ctx context.Context, b *Backend, ids []string, notify func(*protocol.Result)) (*watch.Watch, error) {
	if err := s.open(ctx, b); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	w, err := b.board.Add(ids, notify)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	for _, id := range ids {
		d := s.docs[id]
		if d == nil || d.expired(now) {
			continue
		}
		r, err := b.decode(*d)
		if err != nil {
			w.Stop()
			return nil, err
		}
		b.board.Tell(r, d.version) // those who watch already know it
	}
	return w, nil
}

func (s *space) forget(ctx context.Context, b *Backend, ids []string) error {
	if err := s.open(ctx, b); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, id := range ids {
		if d := s.docs[id]; d != nil {
			s.remove(d)
		}
	}
	return nil
}

func (s *space) cleanup(ctx context.Context, b *Backend) (int, error) {
	if err := s.open(ctx, b); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return s.evict(time.Now(), len(s.expiring)), nil
}

// evict removes at most n expired documents. s.mu is held.
func (s *space) evict(now time.Time, n int) int {
	removed := 0
	for removed < n && len(s.expiring) > 0 && s.expiring[0].expired(now) {
		s.remove(s.expiring[0])
		removed++
	}
	return removed
}

func (s *space) remove(d *document) {
	delete(s.docs, d.id)
	if d.index >= 0 {
		heap.Remove(&s.expiring, d.index)
	}
}

// expiry is a heap of the documents that expire, the next one first.
type expiry []*document

func (e expiry) Len() int           { return len(e) }
func (e expiry) Less(i, j int) bool { return e[i].expires.Before(e[j].expires) }
func (e expiry) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].index, e[j].index = i, j
}

// Push and Pop serve container/heap.
func (e *expiry) Push(x any) {
	d := x.(*document)
	d.index = len(*e)
	*e = append(*e, d)
}

func (e *expiry) Pop() any {
	last := len(*e) - 1
	d := (*e)[last]
	(*e)[last] = nil
	*e = (*e)[:last]
	d.index = -1
	return d
}
