package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/umbel-go/umbel/broker"
)

// tmpfs mounts a small file system of its own, or skips the test.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("umbel", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("cannot mount a small file system, which root may: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func TestFullDiskRefusesAndHealsOnceThereIsRoom(t *testing.T) {
	dir := tmpfs(t, "4m")
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	b := openURL(t, "sqlite://"+filepath.Join(dir, "umbel.db"))
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	declareCelery(t, b)
	big := text("celery", strings.Repeat("x", 20_000))
	sent := 0
	var err error
	for sent < 1000 {
		if err = b.Publish(t.Context(), big); err != nil {
			break
		}
		sent++
	}
	var refused *broker.RefusedError
	if !errors.As(err, &refused) || refused.Reason != broker.Full {
		t.Fatalf("after %d messages: %v, want a *RefusedError with reason full", sent, err)
	}
	t.Logf("after %d messages: %v", sent, err)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), big); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if n := len(collectAll(t, b, sent+1)); n != sent+1 {
		t.Errorf("%d of %d messages came", n, sent+1)
	}
}

// collectAll is collect for messages with equal bodies.
func collectAll(t *testing.T, b *Broker, n int) (all []*broker.Delivery) {
	t.Helper()
	got := make(chan *broker.Delivery, n+1)
	c, err := b.Consume(t.Context(), broker.Subscription{Queue: "celery", Deliver: func(d *broker.Delivery) { got <- d }})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		d := <-got
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
		all = append(all, d)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return all
}

func TestReadOnlyFileSystemSaysSo(t *testing.T) {
	dir := tmpfs(t, "4m")
	path := filepath.Join(dir, "umbel.db")
	if err := openURL(t, "sqlite://"+path).Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("umbel", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skipf("cannot make the file system read-only: %v", err)
	}
	_, err := broker.Open(t.Context(), broker.Config{URLs: []string{"sqlite://" + path}})
	if err == nil || !strings.Contains(err.Error(), "writable for this user") {
		t.Errorf("error %v does not say what to do", err)
	}
	t.Log(err)
}

// A file that is read-only for us alone, beside a folder that is not.
func TestReadOnlyFileSaysSo(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write every file")
	}
	path := filepath.Join(t.TempDir(), "umbel.db")
	if err := openURL(t, "sqlite://"+path).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	_, err := broker.Open(t.Context(), broker.Config{URLs: []string{"sqlite://" + path}})
	if err == nil || !strings.Contains(err.Error(), "writable for this user") {
		t.Errorf("error %v does not say what to do", err)
	}
}
