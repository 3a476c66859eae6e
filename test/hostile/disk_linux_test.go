package hostile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/worker"
)

// disk mounts a small file system of its own, or skips the test.
func disk(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("umbel", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("NOT TESTED: cannot mount a small file system, which root may: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// The embedded broker on a disk that became read-only: with a file that was good before, and without one.
func TestAReadOnlyDiskIsSaidByClientAndWorker(t *testing.T) {
	for _, existed := range []bool{true, false} {
		dir := disk(t)
		config := umbel.Config{BrokerURL: []string{"sqlite://" + filepath.Join(dir, "umbel.db")}}
		if existed {
			app := newApp(t, config)
			if _, err := app.Send(deadline(t), "x", nil); err != nil {
				t.Fatal(err)
			}
			if err := app.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Mount("umbel", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		app := newApp(t, config)
		_, err := app.Send(deadline(t), "x", nil)
		checkFault(t, err, []string{"read-only"})
		checkFault(t, worker.New(newApp(t, config), worker.Config{}).Run(deadline(t)), []string{"read-only"})
		if err := app.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

// A disk that fills up refuses what is sent, in words, and a worker finishes what there is once there is room.
func TestAFullDiskIsSaidAndHeals(t *testing.T) {
	dir := disk(t)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	app := newApp(t, umbel.Config{BrokerURL: []string{"sqlite://" + filepath.Join(dir, "umbel.db")}})
	size := umbel.Register(app, "size", func(_ context.Context, text string) (int, error) { return len(text), nil }, umbel.AcksLate())
	var results []*umbel.Result[int]
	var err error
	text := strings.Repeat("x", 20_000)
	for len(results) < 1000 {
		var r *umbel.Result[int]
		if r, err = size.Send(deadline(t), text); err != nil {
			break
		}
		results = append(results, r)
	}
	var refused *broker.RefusedError
	if !errors.As(err, &refused) || refused.Reason != broker.Full {
		t.Fatalf("after %d messages: %v, want a *RefusedError with reason full", len(results), err)
	}
	checkLine(t, err.Error(), []string{"full"})
	t.Logf("after %d messages: %v", len(results), err)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	_, stop := start(t, app, worker.Config{Concurrency: 2})
	for i, r := range results {
		if n, err := r.Get(deadline(t)); err != nil || n != len(text) {
			t.Fatalf("task %d, sent before the disk was full: %d, %v", i, n, err)
		}
	}
	stop()
}
