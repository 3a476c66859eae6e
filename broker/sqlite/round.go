package sqlite

import (
	"errors"

	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// A round is what a session writes at once: settlements gathered since the last round, and a claim for the room they
// leave. While one round is being written the next gathers by itself.
//
// Owner: the consumer's run goroutine; write runs on the file's writer goroutine while that one waits.
type round struct {
	s      *session
	phase  phase
	acks   []*held
	drops  []*held
	backs  []*held
	unseen []*held
	want   int // messages to claim; 0: none

	// Results of write, set anew each time it runs.
	taken haul
	claim int64
	lost  error // the session is over: nothing was written
}

var (
	errOwnerGone = errors.New("this process was taken for dead, because it did not answer for longer than the lease: others have its deliveries")
	errQueueGone = errors.New("the queue was deleted")
)

// gather fills a round from the session. It reports false when there is nothing to write.
func (s *session) gather(p phase, prefetch int, look bool) (r *round, room int, work bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r = &round{s: s, phase: p, acks: s.acks, drops: s.drops, backs: s.backs, unseen: s.unseen}
	s.acks, s.drops, s.backs, s.unseen = nil, nil, nil, nil
	if p >= stopping {
		for _, h := range s.ahead {
			delete(s.open, h.tag)
			r.unseen = append(r.unseen, h)
		}
		s.ahead = nil
	}
	if p >= closing {
		for _, h := range s.open {
			r.backs = append(r.backs, h)
		}
		clear(s.open)
		s.over = true
	}
	room = s.room(prefetch)
	if p == running && look {
		r.want = room
	}
	for _, list := range [...][]*held{r.acks, r.drops, r.backs, r.unseen} {
		for _, h := range list {
			h.leaves = true
		}
		work = work || len(list) > 0
	}
	return r, room, work || r.want > 0
}

// undo puts what a failed round was to settle back, to be tried again.
func (r *round) undo() {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acks = append(r.acks, s.acks...)
	s.drops = append(r.drops, s.drops...)
	s.backs = append(r.backs, s.backs...)
	s.unseen = append(r.unseen, s.unseen...)
}

// write is the round's share of a transaction.
func (r *round) write(tx *sqlitefile.Tx) error {
	r.taken, r.claim, r.lost = haul{}, 0, nil
	b := r.s.c.b
	alive, err := b.registered(tx, r.s.owner)
	if err != nil {
		return err
	}
	t, err := b.topology(tx)
	if err != nil {
		return err
	}
	q := t.byID[r.s.queueID]
	switch {
	case !alive:
		r.lost = errOwnerGone
		return nil
	case q == nil && r.phase == running:
		r.lost = errQueueGone
		_, err := b.endClaims(tx, 1<<30, 0, "SELECT id, queue, cargo FROM broker_claim WHERE owner = ? AND queue = ?", r.s.owner, r.s.queueID)
		return err
	}
	now := nowMillis()
	if err := r.settle(tx, q, now); err != nil {
		return err
	}
	if r.phase >= stopping {
		return b.unregister(tx, r.s.owner, r.s.c.sub.Tag, q)
	}
	if r.want == 0 {
		return nil
	}
	if r.taken, err = take(tx, q, int64(r.want), now); err != nil {
		return err
	}
	for _, d := range r.taken.expired {
		if err := b.bury(tx, q, d, reasonExpired, now); err != nil {
			return err
		}
	}
	if len(r.taken.live) > 0 {
		r.claim, err = insertClaim(tx, r.s.owner, q.id, r.taken.live)
	}
	return err
}

// settle writes what became of messages, and keeps their claims true. q is nil when the queue is gone.
func (r *round) settle(tx *sqlitefile.Tx, q *queue, now int64) error {
	b := r.s.c.b
	claims := r.claims()
	gone := make([]int64, 0, len(r.acks)+len(r.drops))
	for _, h := range r.acks {
		gone = append(gone, h.id)
	}
	for _, h := range r.drops {
		if q != nil && q.deadLetters {
			if err := b.bury(tx, q, h.item, reasonRejected, now); err != nil {
				return err
			}
			continue
		}
		gone = append(gone, h.id)
	}
	for i, list := range [...][]*held{r.unseen, r.backs} {
		for _, h := range list {
			if q == nil {
				gone = append(gone, h.id)
			} else if err := b.giveBack(tx, q, h.item, h.deliveries+int64(i), now); err != nil {
				return err
			}
		}
	}
	if err := deleteMessages(tx, gone); err != nil {
		return err
	}
	for _, c := range claims {
		switch {
		case c.settling == c.left:
			if _, err := tx.Exec("DELETE FROM broker_claim WHERE id = ?", c.id); err != nil {
				return err
			}
		case c.returned > 0:
			var cargo []byte
			for _, h := range c.items {
				if !h.leaves {
					cargo = appendCargo(cargo, h.item)
				}
			}
			if _, err := tx.Exec("UPDATE broker_claim SET cargo = ? WHERE id = ?", cargo, c.id); err != nil {
				return err
			}
		}
	}
	return nil
}

// claims lists the claims that the round touches, each with what it settles of them.
func (r *round) claims() []*claim {
	var list []*claim
	lists := [...][]*held{r.acks, r.drops, r.backs, r.unseen}
	for _, held := range lists {
		for _, h := range held {
			h.claim.settling, h.claim.returned = 0, 0
		}
	}
	for i, held := range lists {
		for _, h := range held {
			if h.claim.settling == 0 {
				list = append(list, h.claim)
			}
			h.claim.settling++
			if i >= 2 {
				h.claim.returned++
			}
		}
	}
	return list
}

// done books a round that was committed.
func (r *round) done() {
	for _, c := range r.claims() {
		c.left -= c.settling
	}
	r.s.push(r.taken.live, r.claim)
}
