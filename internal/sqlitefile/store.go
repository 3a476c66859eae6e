package sqlitefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// pageSize: a delete from a table of 1 KB messages costs a quarter less with large pages, small commits a little more,
// since whole pages are written to the log.
const pageSize = 8192

// A store is an open file, shared by its holders.
type store struct {
	path       string
	o          Options
	registered bool // guarded by registry
	holders    int  // guarded by registry

	turn    *turn // order among processes, and signs of life
	bell    *bell
	readers *readers

	file os.FileInfo // what path was when it was opened

	conn *conn  // owned by the writer goroutine
	seq  uint64 // owned by the writer goroutine

	mu      sync.Mutex // guards waiting and closing; never held across a call to SQLite
	waiting []*request
	closing bool
	wake    chan struct{} // cap 1: something is waiting, or closing
	done    chan struct{} // closed by the writer goroutine as it ends
}

// openStore opens the file and starts its goroutines. What two processes must not do at once, such as turning a new file
// to write-ahead logging, is done under the turn.
func openStore(path string, o Options) (*store, error) {
	t, err := openTurn(path + "-lock")
	if err != nil {
		return nil, openError(path, err)
	}
	if err := t.take(time.Now().Add(o.LockTimeout), nil); err != nil {
		t.close()
		return nil, turnError("open", path, o.LockTimeout, err)
	}
	c, err := dialWriter(path, o)
	if err == nil {
		if err = t.fill(); err != nil {
			c.close()
		}
	}
	t.give()
	if err != nil {
		t.close()
		if full(err) || readOnly(err) {
			return nil, openError(path, err)
		}
		return nil, explain("open", path, err)
	}
	file, err := os.Stat(path)
	if err != nil {
		c.close()
		t.close()
		return nil, openError(path, err)
	}
	s := &store{path: path, o: o, turn: t, file: file, conn: c, wake: make(chan struct{}, 1), done: make(chan struct{})}
	s.readers = newReaders(path, o)
	s.bell = newBell(t.file, o.Log)
	go s.writer()
	return s, nil
}

func dialWriter(path string, o Options) (*conn, error) {
	c, err := dial(path, o.LockTimeout,
		fmt.Sprintf("page_size(%d)", pageSize), // before the first table; no effect on a file that has one
		"journal_mode(wal)",
		"synchronous(full)",
		"temp_store(memory)",
		"foreign_keys(off)",
		"cache_size(-32768)", // KiB
		"wal_autocheckpoint(2000)",
		"journal_size_limit(67108864)",
	)
	if err != nil {
		return nil, err
	}
	// A file that cannot be written says so now, not at the first message. SQLite itself falls back to reading.
	if r, ok := c.raw.(interface{ IsReadOnly(string) (bool, error) }); ok {
		if only, err := r.IsReadOnly("main"); err == nil && only {
			c.close()
			return nil, openError(path, fs.ErrPermission)
		}
	}
	if err := c.script("BEGIN IMMEDIATE; ROLLBACK"); err != nil {
		c.close()
		return nil, err
	}
	if o.MaxPages > 0 {
		if err := c.script(fmt.Sprintf("PRAGMA max_page_count = %d", o.MaxPages)); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

func (s *store) hold() *File {
	s.holders++
	return &File{store: s, gone: make(chan struct{})}
}

// release closes the store with its last holder.
func (s *store) release() error {
	registry.Lock()
	s.holders--
	last := s.holders == 0
	if last && s.registered {
		delete(registry.m, s.path)
	}
	registry.Unlock()
	if !last {
		return nil
	}
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.nudge()
	<-s.done
	return errors.Join(s.bell.close(), s.readers.close(), explain("close", s.path, s.conn.close()), s.turn.close())
}

// nudge wakes the writer.
func (s *store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// moved reports that path is no longer the file that is open: what is written to that would be seen by nobody, and lost.
func (s *store) moved() error {
	now, err := os.Stat(s.path)
	if err == nil && os.SameFile(s.file, now) {
		return nil
	}
	if err == nil {
		err = errors.New("it was replaced while it was open")
	} else {
		err = fmt.Errorf("it was removed or cut off while it was open: %w", err)
	}
	return &Error{Op: "write", Path: s.path, Cause: CauseGone, Err: err, Hint: "put it back if it was moved, then restart every process that uses it"}
}

func openError(path string, err error) error {
	e := &Error{Op: "open", Path: path, Cause: CauseOpen, Err: err, Hint: "see that its folder exists and that this user may write in it"}
	if readOnly(err) {
		e.Cause, e.Hint = CauseReadOnly, "make the file and its folder writable for this user: SQLite keeps its log beside the file"
	}
	if full(err) {
		e.Cause, e.Hint = CauseFull, "free space on its disk, or raise its limit, and try again"
	}
	return e
}

func turnError(op, path string, after time.Duration, err error) error {
	if !errors.Is(err, errTaken) {
		return &Error{Op: op, Path: path, Cause: CauseIO, Err: fmt.Errorf("lock %s-lock: %w", path, err),
			Hint: "its file system must support locks: choose a local disk"}
	}
	return &Error{Op: op, Path: path, Cause: CauseLocked,
		Err:  fmt.Errorf("another process has held its write lock for %v", after),
		Hint: "find it with fuser or lsof, and end it if it hangs"}
}
