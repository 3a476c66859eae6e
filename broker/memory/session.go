package memory

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/umbel-go/umbel/broker"
)

// A session is what a consumer holds of one queue, from the day it began to consume there. It is the Settler of the
// deliveries. Guarded by space.mu.
type session struct {
	queue    *queue
	consumer *consumer
	held     map[uint64]*item // by tag
	last     uint64           // newest tag
	over     bool             // held has been given back; its keys still say what
}

var _ broker.Settler = (*session)(nil)

// Ack settles at once: there is nobody to write to.
func (s *session) Ack(tag uint64) error {
	return s.settle(tag, func(*item) {})
}

// Reject gives a message back to its place in the queue, or lets it die.
func (s *session) Reject(tag uint64, requeue bool) error {
	return s.settle(tag, func(it *item) {
		if requeue {
			s.queue.giveBack(it, true)
			s.queue.dispatch()
		} else {
			s.queue.die(it.message, "rejected")
		}
	})
}

func (s *session) settle(tag uint64, how func(*item)) error {
	space := s.queue.space
	space.mu.Lock()
	defer space.unlock()
	it, held := s.held[tag]
	switch {
	case tag == 0 || tag > s.last:
		return fmt.Errorf("settle delivery %d of queue %q: there was no such delivery", tag, s.queue.name)
	case !held: // also without acknowledgement, where a delivery is settled when it is sent
		return broker.ErrSettled
	case s.over:
		return broker.ErrStale
	}
	s.release(tag)
	if s.queue.gone != nil {
		return nil // the message went with its queue
	}
	how(it)
	if s.consumer.idle { // there is room in its window
		s.queue.dispatch()
	}
	return nil
}

// tag numbers a delivery and, unless it is settled when sent, takes it into the window.
func (s *session) tag(it *item, hold bool) uint64 {
	s.last++
	if hold {
		s.held[s.last] = it
		s.queue.unsettled++
	}
	return s.last
}

// release takes a delivery out of the window, if it is there.
func (s *session) release(tag uint64) {
	if _, held := s.held[tag]; !held {
		return
	}
	delete(s.held, tag)
	if s.queue.gone == nil {
		s.queue.unsettled--
	}
}

// giveBack ends the session: what is unsettled goes back to the queue.
func (s *session) giveBack() {
	if s.over {
		return
	}
	s.over = true
	if s.queue.gone == nil {
		// Newest first: each then goes straight to the front of its level.
		tags := slices.SortedFunc(maps.Keys(s.held), func(a, b uint64) int { return cmp.Compare(s.held[b].arrival, s.held[a].arrival) })
		s.queue.unsettled -= len(tags)
		for _, tag := range tags {
			s.queue.giveBack(s.held[tag], true)
		}
		s.queue.dispatch()
	}
	for tag := range s.held {
		s.held[tag] = nil // for the collector: deliveries keep their session alive
	}
}
