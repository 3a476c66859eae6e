// Group commit: one goroutine writes for the whole process.
//
//	wait ─► take the turn, BEGIN IMMEDIATE ─► gather who waits now ─► run each ─► COMMIT (fsync) ─► answer, ring
//
// Callers are gathered after the lock is held: whoever came while another process wrote rides along. While one commit
// waits for the disk the next batch forms by itself, so there is no timer, and a lone caller waits for nobody.
//
// Owner of everything here: the writer goroutine, but for store.waiting (see mu).

package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A transaction takes callers until it has so many, or they have run so many statements: long enough to spread an fsync
// thin, short enough that other processes, and the first caller, do not wait long.
const (
	maxBatch = 256
	maxExecs = 2000
)

// A request is one caller of Write.
type request struct {
	fn    func(*Tx) error
	taken bool // guarded by store.mu: fn may have been called
	err   error
	done  chan struct{} // closed once err is final
}

func (s *store) write(ctx context.Context, gone <-chan struct{}, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write: %w: %w", ErrNotWritten, err)
	}
	r := &request{fn: fn, done: make(chan struct{})}
	s.mu.Lock()
	select {
	case <-gone:
		s.mu.Unlock()
		return fmt.Errorf("write: %w: %w", ErrNotWritten, ErrClosed)
	default:
	}
	s.waiting = append(s.waiting, r)
	s.mu.Unlock()
	s.nudge()

	var why error
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		why = ctx.Err()
	case <-gone:
		why = ErrClosed
	}
	if s.withdraw(r) {
		return fmt.Errorf("write: %w: %w", ErrNotWritten, why)
	}
	<-r.done // bounded: its transaction has the lock
	return r.err
}

// withdraw takes a request back unless the writer has it already.
func (s *store) withdraw(r *request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.taken {
		return false
	}
	for i, w := range s.waiting {
		if w == r {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			break
		}
	}
	return true
}

func (s *store) idle() (idle, closing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) == 0, s.closing
}

// gather takes the first requests that wait.
func (s *store) gather(batch []*request) []*request {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.waiting), maxBatch)
	batch = append(batch, s.waiting[:n]...)
	for _, r := range batch {
		r.taken = true
	}
	rest := copy(s.waiting, s.waiting[n:])
	clear(s.waiting[rest:])
	s.waiting = s.waiting[:rest]
	return batch
}

// putBack lets callers wait for the next transaction, before those who came later.
func (s *store) putBack(rest []*request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rest {
		r.taken = false
	}
	s.waiting = append(append(make([]*request, 0, len(rest)+len(s.waiting)), rest...), s.waiting...)
}

func (s *store) writer() {
	defer close(s.done)
	tx := &Tx{c: s.conn, seq: &s.seq}
	var batch []*request
	for range s.wake {
		for {
			idle, closing := s.idle()
			if closing && idle {
				return
			}
			if idle {
				break
			}
			batch = s.round(tx, batch[:0])
			clear(batch)
		}
	}
}

// round writes one batch and answers its callers.
func (s *store) round(tx *Tx, batch []*request) []*request {
	if err := s.turn.take(time.Now().Add(s.o.LockTimeout), s.everybodyLeft); err != nil {
		if errors.Is(err, errNobody) {
			return batch
		}
		batch = s.gather(batch)
		s.refuse(batch, turnError("write", s.path, s.o.LockTimeout, err))
		return batch
	}
	err := s.moved()
	if err == nil {
		_, err = s.conn.exec("BEGIN IMMEDIATE", nil)
	}
	if err != nil {
		s.turn.give()
		batch = s.gather(batch)
		s.refuse(batch, explain("write", s.path, err))
		return batch
	}
	batch = s.gather(batch)
	n, err := s.together(tx, batch)
	if n < len(batch) {
		s.putBack(batch[n:])
		batch = batch[:n]
	}
	if err == errRerun {
		err = s.apart(tx, batch)
	}
	var missed []string
	if err == nil {
		missed = s.bell.strike(tx.rings)
	}
	s.turn.give()
	if err != nil {
		s.refuse(batch, err)
		return batch
	}
	for _, r := range batch {
		r.err = explain("write", s.path, r.err)
		close(r.done)
	}
	s.bell.callLocal(tx.rings)
	s.bell.callLocal(missed)
	return batch
}

// everybodyLeft reports that no caller waits any more, so that waiting for the lock is pointless.
func (s *store) everybodyLeft() bool {
	idle, _ := s.idle()
	return idle
}

// errRerun: somebody wrote and then failed.
var errRerun = errors.New("run again with savepoints")

// together runs a batch, or as much of it as fits, without savepoints, which would copy every page each caller touches.
// It returns how many callers ran. A caller that fails before it wrote harms nobody; one that fails later makes those who
// ran run again, apart.
func (s *store) together(tx *Tx, batch []*request) (n int, err error) {
	s.start(tx)
	for _, r := range batch {
		if tx.execs > maxExecs {
			break
		}
		n++
		tx.begin()
		r.err = r.fn(tx)
		tx.finish()
		if r.err != nil && tx.wrote {
			s.rollback()
			return n, errRerun
		}
	}
	return n, s.commit()
}

// apart runs a batch again, each caller in a savepoint. Errors of callers stay theirs; its own error is everybody's.
func (s *store) apart(tx *Tx, batch []*request) error {
	if _, err := s.conn.exec("BEGIN IMMEDIATE", nil); err != nil {
		return explain("write", s.path, err)
	}
	s.start(tx)
	for _, r := range batch {
		if _, err := s.conn.exec("SAVEPOINT caller", nil); err != nil {
			s.rollback()
			return explain("write", s.path, err)
		}
		rings := len(tx.rings)
		tx.begin()
		r.err = r.fn(tx)
		tx.finish()
		if r.err != nil {
			tx.forget(rings)
			tx.Changed()
			if _, err := s.conn.exec("ROLLBACK TO caller", nil); err != nil {
				// SQLite has undone the whole transaction by itself (disk full, disk error): nobody's work is in the file.
				s.rollback()
				return explain("write", s.path, r.err)
			}
		}
		if _, err := s.conn.exec("RELEASE caller", nil); err != nil {
			s.rollback()
			return explain("write", s.path, err)
		}
	}
	return s.commit()
}

func (s *store) start(tx *Tx) {
	s.seq++
	tx.execs = 0
	tx.forget(0)
}

// forget drops the rings from the nth on.
func (tx *Tx) forget(n int) {
	for _, t := range tx.rings[n:] {
		delete(tx.rung, t)
	}
	tx.rings = tx.rings[:n]
}

func (s *store) commit() error {
	_, err := s.conn.exec("COMMIT", nil)
	if err == nil {
		return nil
	}
	s.rollback()
	err = explain("commit", s.path, err)
	if CauseOf(err) == CauseIO {
		return fmt.Errorf("%w: %w", ErrOutcome, err)
	}
	return err
}

// rollback ends the transaction if SQLite has not done so itself.
func (s *store) rollback() { s.conn.exec("ROLLBACK", nil) }

// refuse answers everybody in the batch with one error, but those who failed by themselves.
func (s *store) refuse(batch []*request, err error) {
	if !errors.Is(err, ErrOutcome) {
		err = fmt.Errorf("%w: %w", ErrNotWritten, err)
	}
	for _, r := range batch {
		if r.err == nil {
			r.err = err
		} else {
			r.err = explain("write", s.path, r.err)
		}
		close(r.done)
	}
}
