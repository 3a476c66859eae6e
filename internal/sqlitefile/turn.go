// The turn: SQLite's own wait for another process's write lock sleeps and retries, and who sleeps longest may starve.
// Writers therefore queue for two locked bytes of the lock file:
//
//	lock next ─► lock write ─► unlock next ─► transaction ─► unlock write
//
// Whoever has just written must pass "next" again, which the one who waits for "write" holds: nobody writes twice while
// another process waits. The wait itself is a bounded poll with naps of up to a millisecond, because a blocking lock
// could be neither timed nor cancelled; it happens only while two processes write at once.
//
// Further locked bytes are signs of life: a process holds one per Hold, and the kernel lets go of it however the process
// ends.

package sqlitefile

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"
)

const (
	nextAt  = 0
	writeAt = 1
	lifeAt  = 1 << 20 // first byte of the signs of life; their ids are below 1<<48
	maxNap  = time.Millisecond
)

var (
	errTaken  = errors.New("locked by another process")
	errNobody = errors.New("nobody waits for the lock any more")
)

type turn struct {
	file *os.File
	id   int64 // of the file on its file system

	mu   sync.Mutex         // guards held
	held map[int64]struct{} // our own signs of life: a lock of ours does not show as a lock to us
}

func openTurn(path string) (*turn, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && st.Size() < bellAt+bellSize {
		err = f.Truncate(bellAt + bellSize) // keeps what is there
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &turn{file: f, id: inode(st), held: make(map[int64]struct{})}, nil
}

// fill writes the bell's bytes as they are, so that they have their place on the disk: one must be able to ring when it
// is full. The caller has the turn.
func (t *turn) fill() error {
	var b [bellSize]byte
	if _, err := t.file.ReadAt(b[:], bellAt); err != nil {
		return err
	}
	_, err := t.file.WriteAt(b[:], bellAt)
	return err
}

// take waits for our turn until deadline, or until stop (when given) says that it is pointless.
func (t *turn) take(deadline time.Time, stop func() bool) error {
	if err := t.wait(nextAt, deadline, stop); err != nil {
		return err
	}
	err := t.wait(writeAt, deadline, stop)
	t.unlock(nextAt)
	return err
}

func (t *turn) give() { t.unlock(writeAt) }

func (t *turn) wait(at int64, deadline time.Time, stop func() bool) error {
	for nap := 50 * time.Microsecond; ; nap = min(2*nap, maxNap) {
		err := t.lock(at)
		if !errors.Is(err, errTaken) {
			return err
		}
		if stop != nil && stop() {
			return errNobody
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(nap)
	}
}

// RandomID is a positive number below 1<<48 that nobody else has, for Hold.
func RandomID() int64 { return int64(randomID() >> 16) }

func randomID() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// Hold shows others that the holder of id (see RandomID) is alive, until release is called or this process ends.
func (f *File) Hold(id int64) (release func(), err error) {
	t := f.turn
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.lock(lifeAt + id); err != nil {
		return nil, &Error{Op: "lock", Path: f.path, Cause: CauseIO, Err: err}
	}
	t.held[id] = struct{}{}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if _, ok := t.held[id]; ok {
			delete(t.held, id)
			t.unlock(lifeAt + id)
		}
	}, nil
}

// LockID tells lock files of one path apart: should somebody delete the lock file while it is open, those who come later
// have another one, and cannot see our signs of life. 0 where the system has no such number.
func (f *File) LockID() int64 { return f.turn.id }

// Alive reports whether somebody who has the same lock file (LockID) holds id. known is false where the system cannot
// tell.
func (f *File) Alive(id int64) (alive, known bool) {
	t := f.turn
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.held[id]; ok {
		return true, true
	}
	return t.locked(lifeAt + id)
}

func (t *turn) close() error { return t.file.Close() }
