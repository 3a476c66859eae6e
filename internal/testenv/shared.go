package testenv

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// sharedGrace is how long a shared server waits for its next user: `go test ./...` compiles between packages.
var sharedGrace = 30 * time.Second

// A claim is this process's use of a shared server.
type claim struct {
	once   sync.Once
	server *server
	users  *lock // kept until the process ends
	err    error
}

var claims = map[string]*claim{"rabbitmq": {}, "redis": {}, "postgres": {}}

// shared returns the server of a kind that all test processes of this user share, started if need be.
func shared(t testing.TB, k *kind) *server {
	t.Helper()
	require(t, k)
	c := claims[k.name]
	c.once.Do(func() { c.err = c.take(k) })
	if c.err != nil {
		t.Fatalf("no shared %s: %v", k.name, c.err)
	}
	return c.server
}

func (c *claim) take(k *kind) error {
	base, err := baseFolder()
	if err != nil {
		return err
	}
	dir := filepath.Join(base, k.name+"-"+k.version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	starting, err := lockExclusive(filepath.Join(dir, "starting"))
	if err != nil {
		return err
	}
	defer starting.release()
	// A watcher that ends its server holds this one exclusively until both are gone: wait for it here.
	users := filepath.Join(dir, "users")
	if c.users, err = lockShared(users); err != nil {
		return err
	}

	note := filepath.Join(dir, "server.json")
	if text, err := os.ReadFile(note); err == nil {
		s := &server{kind: k, spec: &spec{}}
		if json.Unmarshal(text, s) == nil && s.alive() && k.ready(s) == nil {
			c.server = s
			return nil
		}
	}
	sweep(dir)
	s, err := newServer(k, dir, users, sharedGrace, nil)
	if err != nil {
		return err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	c.server = s
	return os.WriteFile(note, text, 0o600)
}

// sweep removes the folders of servers that are gone. The caller holds the starting lock.
func sweep(dir string) {
	runs, _ := filepath.Glob(filepath.Join(dir, "run-*"))
	for _, run := range runs {
		if !locked(filepath.Join(run, "alive")) {
			os.RemoveAll(run)
		}
	}
}
