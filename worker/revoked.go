package worker

import (
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
)

// revoked is what this worker knows to be revoked: ids, and values of stamps. It is read from the result store at the
// start and after each lost connection, and from the state file; between that remote control tells. What it is told it
// writes down in turn, on a goroutine of its own: Python's clients do not.
//
// It is bounded in number and age (umbel.RevokedMost, umbel.RevokedAge).
type revoked struct {
	worker *Worker
	some   atomic.Bool // there is something to look at: tasks ask no more than this while nothing is revoked

	mu     sync.RWMutex // guards what follows
	byName map[string]*list.Element
	order  list.List      // of revocation, oldest first
	stamps map[string]int // stamps by name, with how many values of it are in byName

	unwritten chan written  // to the store
	reload    chan struct{} // 1
	stop      chan struct{}
	stopped   chan struct{}
}

type revocation struct {
	name string // as in the store's book
	at   time.Time
}

type written struct {
	names, ids []string
	tried      chan struct{} // closed after the first attempt
}

// unwrittenRoom is how many commands may wait for the store. Beyond it they are not written down here: whoever else
// heard them may.
const unwrittenRoom = 1024

func newRevoked(w *Worker) *revoked {
	return &revoked{worker: w, byName: make(map[string]*list.Element), stamps: make(map[string]int), unwritten: make(chan written, unwrittenRoom),
		reload: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{})}
}

// add notes records and reports whether any is new.
func (s *revoked) add(at time.Time, names ...string) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		_, stamp, _, ok := umbel.ReadRevoked(n)
		if !ok {
			continue
		}
		if e := s.byName[n]; e != nil {
			continue
		}
		news = true
		s.byName[n] = s.order.PushBack(revocation{name: n, at: at})
		if stamp != "" {
			s.stamps[stamp]++
		}
	}
	for s.order.Len() > umbel.RevokedMost {
		s.drop(s.order.Front())
	}
	s.prune(time.Now())
	s.some.Store(s.order.Len() > 0)
	return news
}

func (s *revoked) prune(now time.Time) {
	for e := s.order.Front(); e != nil && now.Sub(e.Value.(revocation).at) > umbel.RevokedAge; e = s.order.Front() {
		s.drop(e)
	}
}

func (s *revoked) drop(e *list.Element) {
	n := s.order.Remove(e).(revocation).name
	delete(s.byName, n)
	if _, stamp, _, _ := umbel.ReadRevoked(n); stamp != "" {
		if s.stamps[stamp]--; s.stamps[stamp] == 0 {
			delete(s.stamps, stamp)
		}
	}
}

// ids are the revoked ids, oldest first.
func (s *revoked) ids() (ids []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := time.Now()
	for e := s.order.Front(); e != nil; e = e.Next() {
		r := e.Value.(revocation)
		if id, _, _, _ := umbel.ReadRevoked(r.name); id != "" && now.Sub(r.at) <= umbel.RevokedAge {
			ids = append(ids, id)
		}
	}
	return ids
}

// covers reports whether a task is revoked.
func (s *revoked) covers(r *run) bool {
	if !s.some.Load() {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.byName[umbel.RevokedID(r.task.ID)]; e != nil && time.Since(e.Value.(revocation).at) <= umbel.RevokedAge {
		return true
	}
	if len(s.stamps) == 0 {
		return false
	}
	return stamped(r, func(name, value string) bool {
		return s.stamps[name] > 0 && s.byName[umbel.RevokedStamp(name, value)] != nil
	})
}

// stamped reports whether f holds for one of a task's stamps; a stamp may have several values.
func stamped(r *run, f func(name, value string) bool) bool {
	for _, name := range r.task.StampedHeaders {
		values, many := r.task.Stamps[name].([]any)
		if !many {
			values = []any{r.task.Stamps[name]}
		}
		for _, v := range values {
			if f(name, fmt.Sprint(v)) {
				return true
			}
		}
	}
	return false
}

// discard ends a run that is revoked: REVOKED, and acked.
func (w *Worker) discard(r *run) bool {
	if !w.revoked.covers(r) {
		return false
	}
	w.stats.revoked.Add(1)
	w.log.Info("discarding revoked task", "task", r.request.DisplayName(), "id", r.task.ID)
	w.app.NotifyRevoked(r.request, false)
	w.concludeAside(r, w.revokedDocument(r, "revoked"), settleAck, revokedFor("revoked"))
	return true
}

// revoke notes what was revoked by a command, and has it written down. ids are those among the names. What it returns is
// closed when that has been tried.
func (s *revoked) revoke(names, ids []string) (tried <-chan struct{}) {
	s.add(time.Now(), names...)
	done := make(chan struct{})
	select {
	case s.unwritten <- written{names, ids, done}:
	default:
		close(done)
		s.worker.log.Warn("too many revocations wait for the result store; some are known to this worker alone", "tasks", len(ids))
	}
	return done
}

// run writes down what commands have revoked, and reads anew what others have.
func (s *revoked) run() {
	defer close(s.stopped)
	tries := 0
	var again <-chan time.Time
	var left []written
	for {
		select {
		case r := <-s.unwritten:
			left = append(left, r)
		case <-again:
		case <-s.reload:
			ctx, cancel := context.WithTimeout(s.worker.base, storeWait)
			if err := errors.Join(s.load(ctx), s.worker.recallPaused(ctx)); err != nil {
				s.worker.log.Warn("cannot read what was revoked or paused while the connection was away", "error", err)
			}
			cancel()
			continue
		case <-s.stop:
			s.write(append(left, s.rest()...))
			return
		}
		if left = s.write(left); len(left) == 0 {
			tries, again = 0, nil
			continue
		}
		tries++
		again = time.After(backoff(tries))
		if n := len(left) - unwrittenRoom; n > 0 {
			left = left[n:]
		}
	}
}

func (s *revoked) rest() (left []written) {
	for {
		select {
		case r := <-s.unwritten:
			left = append(left, r)
		default:
			return left
		}
	}
}

// write returns what could not be written.
func (s *revoked) write(all []written) (left []written) {
	w := s.worker
	if len(all) == 0 {
		return nil
	}
	defer func() {
		for i := range all {
			if all[i].tried != nil {
				close(all[i].tried)
				all[i].tried = nil
			}
		}
	}()
	if err := s.save(); err != nil {
		w.log.Error("cannot keep what was revoked in the state file", "file", w.stateFile, "error", err)
	}
	if w.results == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.base), storeWait)
	defer cancel()
	defer context.AfterFunc(w.base, func() { time.AfterFunc(coldStoreWait, cancel) })()
	for i, r := range all {
		if err := umbel.WriteRevoked(ctx, w.results, r.names, r.ids); err != nil {
			w.log.Warn("cannot write down what was revoked; trying again", "tasks", len(r.ids), "error", err)
			return all[i:]
		}
	}
	return nil
}

// load reads what is written down.
func (s *revoked) load(ctx context.Context) error {
	w := s.worker
	err := s.read()
	ledger, ok := w.results.(backend.Ledger)
	if !ok {
		return err
	}
	records, lerr := ledger.Records(ctx, umbel.RevokedBook)
	for _, r := range records {
		s.add(r.Expires.Add(-umbel.RevokedAge), r.Name)
	}
	return errors.Join(err, lerr)
}

// keepsRecords reports whether the result store does.
func (w *Worker) keepsRecords() bool {
	_, ok := w.results.(backend.Ledger)
	return ok
}

// missed has everything read anew: commands may have been missed. It does not wait.
func (s *revoked) missed() {
	select {
	case s.reload <- struct{}{}:
	default:
	}
}

// stateFile is the file of worker_state_db: the records, and when each was revoked.
type stateFile struct {
	Revoked []stateEntry `json:"revoked"`
}

type stateEntry struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// read loads the state file.
func (s *revoked) read() error {
	path := s.worker.stateFile
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var state stateFile
	if err == nil {
		err = json.Unmarshal(data, &state)
	}
	if err != nil {
		return fmt.Errorf("state file %s: %w (a file written by Python's worker cannot be read: give another name)", path, err)
	}
	for _, e := range state.Revoked {
		s.add(e.At, e.Name)
	}
	return nil
}

// save replaces the state file as a whole.
func (s *revoked) save() error {
	path := s.worker.stateFile
	if path == "" {
		return nil
	}
	var state stateFile
	s.mu.RLock()
	for e := s.order.Front(); e != nil; e = e.Next() {
		r := e.Value.(revocation)
		state.Revoked = append(state.Revoked, stateEntry{Name: r.name, At: r.at})
	}
	s.mu.RUnlock()
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// close writes what is left and returns.
func (s *revoked) close() {
	close(s.stop)
	<-s.stopped
}
