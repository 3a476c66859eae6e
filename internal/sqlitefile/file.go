package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Options say how to open a file. The zero value is a good one. Those of the first holder in the process count.
type Options struct {
	// LockTimeout is how long a write waits for other processes before it fails with CauseLocked. Defaults to 10 s.
	LockTimeout time.Duration

	// MaxPages bounds the file's size, in pages of 8 KiB. 0: no bound but the disk.
	MaxPages int64

	// Log is told of what has no caller to tell. Defaults to discarding.
	Log *slog.Logger

	// Alone shares nothing with other holders in this process, as if this were another process: for tests.
	Alone bool
}

func (o Options) withDefaults() Options {
	if o.LockTimeout <= 0 {
		o.LockTimeout = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// A File is one holder's share of an open database file. All methods may be called from many goroutines.
type File struct {
	*store
	once sync.Once
	gone chan struct{} // closed by Close: this holder's waiting calls end
}

// registry holds the open stores of this process by absolute path: two writers on one file in one process would only
// stand in each other's way.
var registry struct {
	sync.Mutex
	m map[string]*store
}

// Open opens or creates the database file at path, or joins whoever in this process has it open. Its folder must exist.
// Errors are *Error.
func Open(path string, o Options) (*File, error) {
	o = o.withDefaults()
	abs, err := resolve(path)
	if err != nil {
		hint := "choose another path"
		if errors.Is(err, fs.ErrNotExist) {
			hint = "create its folder, or choose another path"
		}
		return nil, &Error{Op: "open", Path: path, Cause: CauseOpen, Err: err, Hint: hint}
	}
	if o.Alone {
		s, err := openStore(abs, o)
		if err != nil {
			return nil, err
		}
		return s.hold(), nil
	}
	registry.Lock()
	defer registry.Unlock()
	if s := registry.m[abs]; s != nil {
		return s.hold(), nil
	}
	s, err := openStore(abs, o)
	if err != nil {
		return nil, err
	}
	if registry.m == nil {
		registry.m = make(map[string]*store)
	}
	registry.m[abs] = s
	s.registered = true
	return s.hold(), nil
}

// resolve makes one name of all names of a file that may not exist yet.
func resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if whole, err := filepath.EvalSymlinks(abs); err == nil {
		if st, err := os.Stat(whole); err == nil && st.IsDir() {
			return "", fmt.Errorf("%s is a folder", whole)
		}
		return whole, nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(abs)), nil
}

// Path is the file's absolute path.
func (f *File) Path() string { return f.path }

// Close gives up this holder's share: its waiting writes fail with ErrClosed, and the last holder closes the file. A
// write that has begun is finished first.
func (f *File) Close() error {
	var err error
	f.once.Do(func() {
		close(f.gone)
		err = f.store.release()
	})
	return err
}

// Write runs fn in a transaction together with whoever else is waiting to write, and returns once it is durable. An
// error of fn undoes what fn wrote, harms nobody else and is returned as it is. fn may be called more than once, when
// the transaction must be run again without somebody's failed share: it must set its results, not add to them. It runs
// on the writer's goroutine, so it must be short, and must not call Write or Read.
//
// When ctx ends before fn was called, nothing is written (ErrNotWritten); afterwards Write waits for the disk whatever
// ctx says, because only then is the outcome known.
func (f *File) Write(ctx context.Context, fn func(*Tx) error) error {
	return f.write(ctx, f.gone, fn)
}

// Read runs fn on a snapshot of the file. Statements that write fail. fn must be short: while it runs, the log beside the
// file cannot be cleared.
func (f *File) Read(ctx context.Context, fn func(*Tx) error) error {
	select {
	case <-f.gone:
		return fmt.Errorf("read: %w", ErrClosed)
	default:
	}
	return f.readers.read(ctx, f.gone, fn)
}
