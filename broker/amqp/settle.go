package amqp

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/broker"
)

const (
	ringFirst = 1 << 8
	// ringMost bounds the ring: one delivery held for hours does not make it grow with everything settled after it.
	ringMost = 1 << 16

	// pace is how long a round waits at most after the one before it, so that under load many acks leave as one: each
	// frame costs the broker about as much as a delivery. The first after a quiet millisecond waits for nothing.
	pace = time.Millisecond

	// paceMost bounds how many settlements wait for that.
	paceMost = 64
)

// A settler settles the deliveries of one channel. It implements broker.Settler.
//
// Acks and rejects gather while the settling goroutine writes, and for a millisecond after that, and leave in one round: rejects first, then one
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

	wake  chan struct{} // cap 1: something has gathered
	hurry chan struct{} // cap 1: what has gathered shall wait no longer

	window   atomic.Int64  // the prefetch, which must not run dry while acks wait; 0 is no limit
	returned atomic.Uint64 // handed out tags that Deliver has returned from

	mu      sync.Mutex
	seen    uint64              // highest tag handed out
	handed  uint64              // tags handed out
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
	return &settler{ch: ch, t: t, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), base: 1, ring: make([]bool, ringFirst)}
}

// Ack implements broker.Settler.
func (s *settler) Ack(tag uint64) error {
	s.mu.Lock()
	if err := s.markLocked(tag); err != nil {
		s.mu.Unlock()
		return err
	}
	s.acks = append(s.acks, tag)
	first, enough := len(s.acks)+len(s.rejects) == 1, s.enoughLocked()
	s.mu.Unlock()
	if first {
		signal(s.wake)
	}
	if enough {
		signal(s.hurry)
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
		signal(s.wake)
	}
	signal(s.hurry) // somebody else may be waiting for it
	return nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// enoughLocked reports whether a round need not wait for more: the broker would soon have nothing left to hand out, or
// somebody waits for it.
func (s *settler) enoughLocked() bool {
	most := int64(paceMost)
	if window := s.window.Load(); window > 0 {
		most = min(most, window/8)
	}
	return int64(len(s.acks)) >= most || len(s.rejects) > 0 || len(s.waiting) > 0
}

// gather waits until the round before is pace old, or enough has gathered.
func (s *settler) gather(before time.Time, timer *time.Timer, gone <-chan struct{}) {
	left := pace - time.Since(before)
	if left <= 0 {
		return
	}
	timer.Reset(left)
	defer timer.Stop()
	for {
		s.mu.Lock()
		ready := s.stale || s.enoughLocked() || len(s.acks) == 0
		s.mu.Unlock()
		if ready {
			return
		}
		select {
		case <-s.hurry: // which may be a word about an earlier round
		case <-timer.C:
			return
		case <-gone:
			return
		}
	}
}

// hand notes that tag is handed out; false when the channel is gone and tag with it.
func (s *settler) hand(tag uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = max(s.seen, tag)
	s.handed++
	return !s.stale
}

// load is how many tags were handed out, how many of them are unsettled, and whether Deliver has returned from all.
func (s *settler) load() (handed uint64, unsettled int64, idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stale {
		return s.handed, 0, false
	}
	unsettled = int64(s.seen) + 1 - int64(s.base) + int64(len(s.late))
	for _, settled := range s.ring {
		if settled {
			unsettled--
		}
	}
	return s.handed, unsettled, s.handed == s.returned.Load()
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
	var before time.Time // when the latest round was written
	timer := time.NewTimer(pace)
	defer timer.Stop()
	for {
		select {
		case <-s.wake:
		case <-gone:
			s.kill()
			return
		}
		for {
			s.gather(before, timer, gone)
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
			before = time.Now()
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
		signal(s.hurry)
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
