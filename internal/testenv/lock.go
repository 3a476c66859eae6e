package testenv

import (
	"os"
	"sync"
	"syscall"
)

// A lock is an advisory lock on a file. It ends with the process that holds it, however that ends.
type lock struct{ f *os.File }

// held keeps locks that nobody releases: a file that is collected as garbage is closed.
var held sync.Map // of *os.File

func lockFile(path string, how int) (*lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	held.Store(f, true)
	return &lock{f}, nil
}

// lockShared waits for a lock that many may hold at once.
func lockShared(path string) (*lock, error) { return lockFile(path, syscall.LOCK_SH) }

// lockExclusive waits until it is the only holder.
func lockExclusive(path string) (*lock, error) { return lockFile(path, syscall.LOCK_EX) }

// tryExclusive returns nil when somebody else holds the lock.
func tryExclusive(path string) *lock {
	l, err := lockFile(path, syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return nil
	}
	return l
}

// locked reports whether anybody holds the lock.
func locked(path string) bool {
	if _, err := os.Stat(path); err != nil {
		return false
	}
	l := tryExclusive(path)
	if l == nil {
		return true
	}
	l.release()
	return false
}

func (l *lock) release() {
	held.Delete(l.f)
	l.f.Close()
}
