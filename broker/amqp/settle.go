package amqp

import (
	"context"
	"sync"

	"github.com/umbel-go/umbel/broker"
)

const (
	ringFirst = 1 << 8
	// ringMost bounds the ring: one delivery held for hours does not make it grow with everything settled after it.
	ringMost = 1 << 16
)

// A settler settles the deliveries of one channel. It implements broker.Settler.
//
// Acks and rejects gather while the settling goroutine writes, and leave in one round: rejects first, then one
// basic.ack with multiple set for the longest prefix of tags in which nothing is unsettled, then an ack each for the
// rest. The order matters: multiple covers whatever is still unsettled at the broker.
//
//	tags   1 2 3 4 5 6 7 8 9        a acked, r rejected, . in a task's hands
//	       a a r a . a . . a   →    reject 3, ack 4 multiple, ack 6, ack 9
//
// Tags run from 1 without gaps over all consumers of a channel, so a tag that was never seen counts as unsettled.
type settler struct {
	ch acker
	t  *transport

	wake chan struct{} // cap 1: something has gathered

	mu      sync.Mutex
	seen    uint64              // highest tag handed out
	base    uint64              // every tag below is settled, or in late
	ring    []bool              // settled, for tags from base; a power of two long
	late    map[uint64]struct{} // unsettled tags that fell out of the ring
	acks    []uint64            // settled by Ack, not written yet
	rejects []reject            // settled by Reject, not written yet
	writing bool                // a round is being written
	waiting []chan struct{}     // closed when nothing is gathered and nothing being written
	stale   bool                // the channel is gone
}

type reject struct {
	tag     uint64
	requeue bool
}

// An acker writes settlements: the library's channel.
type acker interface {
	Ack(tag uint64, multiple bool) error
	Reject(tag uint64, requeue bool) error
}

func newSettler(ch acker, t *transport) *settler {
	return &settler{ch: ch, t: t, wake: make(chan struct{}, 1), base: 1, ring: make([]bool, ringFirst)}
}

// Ack implements broker.Settler.
func (s *settler) Ack(tag uint64) error {
	s.mu.Lock()
	if err := s.markLocked(tag); err != nil {
		s.mu.Unlock()
		return err
	}
	s.acks = append(s.acks, tag)
	first := len(s.acks)+len(s.rejects) == 1
	s.mu.Unlock()
	if first {
		s.signal()
	}
	return nil
}

// Reject implements broker.Settler.
func (s *settler) Reject(tag uint64, requeue bool) error {
	s.mu.Lock()
	if err := s.markLocked(tag); err != nil {
		s.mu.Unlock()
		return err
	}
	s.rejects = append(s.rejects, reject{tag, requeue})
	first := len(s.acks)+len(s.rejects) == 1
	s.mu.Unlock()
	if first {
		s.signal()
	}
	return nil
}

func (s *settler) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// hand notes that tag is handed out; false when the channel is gone and tag with it.
func (s *settler) hand(tag uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = max(s.seen, tag)
	return !s.stale
}

// markLocked notes that tag is settled, once.
func (s *settler) markLocked(tag uint64) error {
	switch {
	case s.stale:
		return broker.ErrStale
	case tag == 0 || tag > s.seen:
		return broker.ErrSettled
	case tag < s.base:
		if _, ok := s.late[tag]; !ok {
			return broker.ErrSettled
		}
		delete(s.late, tag)
		return nil
	}
	for tag-s.base >= uint64(len(s.ring)) {
		s.stretchLocked()
	}
	slot := &s.ring[tag&uint64(len(s.ring)-1)]
	if *slot {
		return broker.ErrSettled
	}
	*slot = true
	return nil
}

// stretchLocked makes the ring longer, or at its full length moves its oldest tag out.
func (s *settler) stretchLocked() {
	if n := len(s.ring); n < ringMost {
		next := make([]bool, 2*n)
		for tag := s.base; tag < s.base+uint64(n); tag++ {
			next[tag&uint64(2*n-1)] = s.ring[tag&uint64(n-1)]
		}
		s.ring = next
		return
	}
	if !s.ring[s.base&uint64(len(s.ring)-1)] {
		if s.late == nil {
			s.late = make(map[uint64]struct{})
		}
		s.late[s.base] = struct{}{}
	}
	s.ring[s.base&uint64(len(s.ring)-1)] = false
	s.base++
}

// run is the settling goroutine. It ends when gone is closed.
func (s *settler) run(gone <-chan struct{}) {
	var acks []uint64
	var rejects []reject
	for {
		select {
		case <-s.wake:
		case <-gone:
			s.kill()
			return
		}
		for {
			s.mu.Lock()
			if s.stale || len(s.acks)+len(s.rejects) == 0 {
				s.writing = false
				s.wakeWaitingLocked()
				s.mu.Unlock()
				break
			}
			s.writing = true
			acks, s.acks = s.acks, acks[:0]
			rejects, s.rejects = s.rejects, rejects[:0]
			upTo := s.prefixLocked(acks)
			s.mu.Unlock()
			if !s.write(upTo, acks, rejects) {
				s.kill()
				break
			}
		}
	}
}

// prefixLocked moves base over what is settled, and returns the highest tag of acks below it: the one that may be
// acked with multiple. 0 when there is none. The tag must be one that the broker still holds, so no rejected one.
func (s *settler) prefixLocked(acks []uint64) uint64 {
	mask := uint64(len(s.ring) - 1)
	for n := 0; n < len(s.ring) && s.ring[s.base&mask]; n++ {
		s.ring[s.base&mask] = false
		s.base++
	}
	if len(s.late) > 0 {
		return 0
	}
	var upTo uint64
	for _, tag := range acks {
		if tag < s.base {
			upTo = max(upTo, tag)
		}
	}
	return upTo
}

// write sends one round; false when the channel is closed.
func (s *settler) write(upTo uint64, acks []uint64, rejects []reject) bool {
	for _, r := range rejects {
		if s.ch.Reject(r.tag, r.requeue) != nil {
			return false
		}
	}
	if upTo > 0 && s.ch.Ack(upTo, true) != nil {
		return false
	}
	for _, tag := range acks {
		if tag > upTo && s.ch.Ack(tag, false) != nil {
			return false
		}
	}
	return true
}

// kill ends the session: nothing can be settled through it any more.
func (s *settler) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stale = true
	s.writing = false
	s.acks, s.rejects, s.ring, s.late = nil, nil, nil, nil
	s.wakeWaitingLocked()
}

func (s *settler) isStale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stale
}

func (s *settler) wakeWaitingLocked() {
	for _, w := range s.waiting {
		close(w)
	}
	s.waiting = s.waiting[:0]
}

// flush waits until what was settled before it has been handed to the socket.
func (s *settler) flush(ctx context.Context) error {
	s.mu.Lock()
	if s.stale {
		s.mu.Unlock()
		return broker.ErrStale
	}
	if s.writing || len(s.acks)+len(s.rejects) > 0 {
		w := make(chan struct{})
		s.waiting = append(s.waiting, w)
		s.mu.Unlock()
		select {
		case <-w:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if s.isStale() {
			return broker.ErrStale
		}
	} else {
		s.mu.Unlock()
	}
	return s.t.sync(ctx)
}
