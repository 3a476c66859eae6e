package sqlite

import (
	"sync"

	"github.com/umbel-go/umbel/broker"
)

const (
	// maxAhead bounds the messages claimed and not yet taken by Deliver, where no prefetch limit does.
	maxAhead = 512

	// maxClaim bounds the messages of one claim, and so the transaction that makes it.
	maxClaim = 256
)

// A session is one life of a consumer, from registration to loss or Close: the Settler of its deliveries. Its tags mean
// nothing to any other session.
type session struct {
	c       *consumer
	owner   int64 // the broker's owner id it was registered under
	queueID int64

	mu     sync.Mutex // guards the rest; held briefly, never across a call to the file
	over   bool
	next   uint64           // the last tag given
	open   map[uint64]*held // not settled; those waiting for Deliver included
	ahead  []*held          // waiting for Deliver, in order
	acks   []*held          // settled, and not yet taken by a round
	drops  []*held
	backs  []*held // to be given back, marked as redelivered
	unseen []*held // to be given back, never delivered

}

// A held is a message in our hands.
type held struct {
	*item
	tag    uint64
	claim  *claim
	leaves bool // settled in the file, or by the round that is being written
}

func newSession(c *consumer, owner, queueID int64) *session {
	return &session{c: c, owner: owner, queueID: queueID, open: make(map[uint64]*held)}
}

// Ack implements broker.Settler.
func (s *session) Ack(tag uint64) error {
	return s.settle(tag, func(h *held) { s.acks = append(s.acks, h) })
}

// Reject implements broker.Settler.
func (s *session) Reject(tag uint64, requeue bool) error {
	return s.settle(tag, func(h *held) {
		if requeue {
			s.backs = append(s.backs, h)
		} else {
			s.drops = append(s.drops, h)
		}
	})
}

func (s *session) settle(tag uint64, to func(*held)) error {
	s.mu.Lock()
	h := s.open[tag]
	if h == nil || s.over {
		over := s.over && !s.c.sub.NoAck
		s.mu.Unlock()
		if over {
			return broker.ErrStale
		}
		return broker.ErrSettled
	}
	delete(s.open, tag)
	to(h)
	s.mu.Unlock()
	s.c.nudge()
	return nil
}

// end makes every later settlement stale.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	clear(s.open)
	s.ahead, s.acks, s.drops, s.backs, s.unseen = nil, nil, nil, nil, nil
}

// pop takes the next message for Deliver. One that needs no acknowledgement is settled by that.
func (s *session) pop() *held {
	s.mu.Lock()
	if s.over || len(s.ahead) == 0 {
		s.mu.Unlock()
		return nil
	}
	h := s.ahead[0]
	s.ahead[0] = nil
	s.ahead = s.ahead[1:]
	ack := s.c.sub.NoAck
	if ack {
		delete(s.open, h.tag)
		s.acks = append(s.acks, h)
	}
	refill := len(s.ahead) == maxAhead/2
	s.mu.Unlock()
	if ack || refill {
		s.c.nudge()
	}
	return h
}

// push adds what a round has claimed.
func (s *session) push(items []*item, id int64) {
	if len(items) == 0 {
		return
	}
	c := &claim{id: id, items: make([]*held, len(items)), left: len(items)}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, d := range items {
		s.next++
		h := &held{item: d, tag: s.next, claim: c}
		c.items[i] = h
		s.open[h.tag] = h
		s.ahead = append(s.ahead, h)
	}
}

// room is how many more messages may be claimed.
func (s *session) room(prefetch int) int {
	n := maxAhead - len(s.ahead)
	if prefetch == broker.Paused && !s.c.sub.NoAck {
		return 0
	}
	if prefetch > 0 && !s.c.sub.NoAck {
		n = min(n, prefetch-len(s.open))
	}
	return max(0, min(n, maxClaim))
}
