package testenv

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// An own server belongs to one test, which may stop, kill and start it again. It ends with the test, or with the test's
// process if that is killed.
type own struct {
	tb    testing.TB
	node  *server
	users *lock
}

func newOwn(t testing.TB, k *kind, conf []string) *own {
	t.Helper()
	require(t, k)
	o, err := tryOwn(t, k, conf)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// tryOwn is newOwn for any goroutine.
func tryOwn(t testing.TB, k *kind, conf []string) (*own, error) {
	base, err := baseFolder()
	if err != nil {
		return nil, err
	}
	sweepOwn(base)
	dir, err := os.MkdirTemp(base, "own-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	o := &own{tb: t}
	users := filepath.Join(dir, "users")
	if o.users, err = lockShared(users); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if o.node != nil {
			if err := o.node.kill(); err != nil {
				t.Error(err)
			}
		}
		o.users.release()
		os.RemoveAll(dir)
	})
	if o.node, err = newServer(k, dir, users, 0, conf); err != nil {
		return nil, err
	}
	return o, nil
}

// Kill ends the server as a crash would, and returns when it is gone.
func (o *own) Kill() {
	o.tb.Helper()
	if err := o.node.kill(); err != nil {
		o.tb.Fatal(err)
	}
}

// Stop asks the server to end in good order, and returns when it is gone.
func (o *own) Stop() {
	o.tb.Helper()
	if err := o.node.end(syscall.SIGTERM); err != nil {
		o.tb.Fatal(err)
	}
}

// Start starts the server again with the same ports and files, and returns when it serves.
func (o *own) Start() {
	o.tb.Helper()
	if o.node.alive() {
		o.tb.Fatalf("%s is running", o.node.kind.name)
	}
	if err := o.node.start(); err != nil {
		o.tb.Fatal(err)
	}
}

// Freeze stops the server from answering while its connections stay open, until Thaw.
func (o *own) Freeze() { o.signal(syscall.SIGSTOP) }

// Thaw ends a Freeze.
func (o *own) Thaw() { o.signal(syscall.SIGCONT) }

func (o *own) signal(s syscall.Signal) {
	o.tb.Helper()
	if err := syscall.Kill(o.node.PID, s); err != nil {
		o.tb.Fatalf("signal %s: %v", o.node.kind.name, err)
	}
}

// Running reports whether the server's process lives.
func (o *own) Running() bool { return o.node.alive() }

// PID is the server's process id, which changes with Start.
func (o *own) PID() int { return o.node.PID }

// sweepOwn removes the folders of tests that were killed; their servers have ended by themselves.
func sweepOwn(base string) {
	dirs, _ := filepath.Glob(filepath.Join(base, "own-*"))
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		// A young one may not be locked yet.
		if err == nil && time.Since(info.ModTime()) > time.Minute && !locked(filepath.Join(dir, "users")) {
			os.RemoveAll(dir)
		}
	}
}
