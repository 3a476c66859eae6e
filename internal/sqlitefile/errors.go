package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// What became of a write that failed.
var (
	// ErrClosed: the file was closed by this holder.
	ErrClosed = errors.New("database file is closed")

	// ErrNotWritten: nothing of the write is in the file. Every error of Write that is not ErrOutcome and did not come
	// from the caller's own function is this.
	ErrNotWritten = errors.New("not written")

	// ErrOutcome: the disk failed while the transaction was being committed; it may be in the file or not.
	ErrOutcome = errors.New("it may have been written or not")
)

// Cause is why the file refused, in the few words callers branch on.
type Cause string

// The causes that have a cure of their own.
const (
	CauseFull     Cause = "full"           // no space on the device, or the largest size reached
	CauseReadOnly Cause = "read-only"      // the file, its folder or its file system
	CauseNotDB    Cause = "not a database" // some other file, or an encrypted one
	CauseCorrupt  Cause = "damaged"
	CauseLocked   Cause = "locked" // another process held the write lock too long
	CauseOpen     Cause = "cannot open"
	CauseGone     Cause = "gone"  // removed or replaced while it was open
	CauseNewer    Cause = "newer" // written by a newer Umbel
	CauseIO       Cause = "disk error"
	CauseOther    Cause = "other"
)

// An Error says what was attempted on which file, why it failed and what to do.
type Error struct {
	Op    string // "open", "write", "commit", "read", "migrate" …
	Path  string
	Cause Cause
	Err   error
	Hint  string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s database file %s: %v", e.Op, e.Path, e.Err)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// CauseOf tells why the file refused, or "" when the error is none of this package's.
func CauseOf(err error) Cause {
	var e *Error
	if errors.As(err, &e) {
		return e.Cause
	}
	return ""
}

// explain wraps an error of SQLite into an Error with its cure. Other errors pass unchanged.
func explain(op, path string, err error) error {
	if err == nil {
		return nil
	}
	var done *Error
	if errors.As(err, &done) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return err
	}
	e := &Error{Op: op, Path: path, Cause: CauseOther, Err: err}
	if err == error(se) {
		e.Err = errors.New(words(se))
	}
	switch se.Code() & 0xff {
	case lib.SQLITE_FULL:
		e.Cause, e.Hint = CauseFull, "free space on its disk, or raise its limit, and try again"
	case lib.SQLITE_READONLY:
		e.Cause, e.Hint = CauseReadOnly, "make the file and its folder writable for this user: SQLite keeps its log beside the file"
	case lib.SQLITE_NOTADB:
		e.Cause, e.Hint = CauseNotDB, "choose another path: this file is something else and is left as it is"
	case lib.SQLITE_CORRUPT:
		e.Cause, e.Hint = CauseCorrupt, "stop every process that uses it, keep a copy, and restore a backup or run sqlite3 FILE .recover"
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_PROTOCOL:
		e.Cause, e.Hint = CauseLocked, "another process holds its write lock: find it with fuser or lsof, and end it if it hangs"
	case lib.SQLITE_CANTOPEN, lib.SQLITE_PERM, lib.SQLITE_AUTH:
		e.Cause, e.Hint = CauseOpen, "see that its folder exists and that this user may read and write in it"
	case lib.SQLITE_IOERR:
		e.Cause, e.Hint = CauseIO, "look into the system's log for the disk"
		if strings.Contains(se.Error(), "disk quota") || strings.Contains(se.Error(), "no space") {
			e.Cause, e.Hint = CauseFull, "free space on its disk and try again"
		}
	}
	return e
}

// words is SQLite's message without the driver's repetition and code.
func words(e *sqlite.Error) string {
	s := e.Error()
	if head, tail, ok := strings.Cut(s, ": "); ok && strings.HasPrefix(tail, head) {
		s = tail
	}
	return s
}
