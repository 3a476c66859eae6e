package interop

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/beat"
	"github.com/umbel-go/umbel/worker"
)

// Our scheduler feeds Python's worker: one task for each due time, with arguments and options as the entry has them.
func TestOurBeatFeedsAPythonWorker(t *testing.T) {
	w := newWorld(t)
	w.startWorker(t, "py", nil, "-P", "solo")
	app := w.newApp(t, func(c *umbel.Config) {
		c.BeatSchedule = []umbel.ScheduleEntry{{Name: "tick", Task: "py.note", Schedule: "1s", Args: []any{"ticked"},
			Options: map[string]any{"queue": "py", "expires": 600}}}
	})
	scheduling(t, app)
	noted(t, w, "ticked", 3)
}

// Python's scheduler feeds our worker.
func TestPythonsBeatFeedsOurWorker(t *testing.T) {
	w := newWorld(t)
	app := w.newApp(t, nil)
	umbel.Register(app, "go.note", func(_ context.Context, what string) (any, error) {
		_, err := w.redis.Try("RPUSH", "notes", what)
		return nil, err
	})
	startGo(t, app, worker.Config{Queues: []string{"go"}})
	cmd := w.python(t, "-m", "celery", "-A", "tasks:app", "beat", "-l", "INFO", "-s", filepath.Join(t.TempDir(), "schedule"),
		"--pidfile", "", "--max-interval", "1")
	cmd.Env = append(cmd.Env, `INTEROP_MORE={"beat_schedule": {"tick": {"task": "go.note", "schedule": 1.0, "args": ["python ticked"], "options": {"queue": "go"}}}}`)
	startProcess(t, "Python's beat", cmd)
	noted(t, w, "python ticked", 3)
}

// scheduling runs a scheduler until the test ends.
func scheduling(t *testing.T, app *umbel.App) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- beat.New(app, beat.Config{Name: "interop-" + strconv.Itoa(os.Getpid())}).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("beat: %v", err)
		}
	})
}

// noted waits until a task has noted its words so often.
func noted(t *testing.T, w *world, want string, times int64) {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) { // Redis does not tell
		n := w.redis.Do("LLEN", "notes").(int64)
		if n >= times {
			break
		}
		if time.Since(begun) > 3*time.Minute {
			t.Fatalf("%d tasks came, want %d", n, times)
		}
	}
	for _, v := range w.redis.Do("LRANGE", "notes", "0", "-1").([]any) {
		if v != want {
			t.Errorf("a task noted %v, want %q", v, want)
		}
	}
}
