package worker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// What a signal does to a running task, whoever sends its name: Celery's clients send the same command.
func TestARunningTaskIsEndedByTheSignalThatIsNamed(t *testing.T) {
	const never = time.Hour // the grace of those that must not need it
	for _, c := range []struct {
		name, pool, task string
		grace            time.Duration
		signals          []string
		ends             string // in the task's error
		dies             bool   // the child that ran it
	}{
		{"SIGTERM is the default and ends the context", "process", "heedful", never, []string{""}, "REVOKED: TaskRevokedError: terminated", false},
		{"a child that does not heed it is killed", "process", "stubborn", 50 * time.Millisecond, []string{"SIGTERM"}, "REVOKED: TaskRevokedError: terminated", true},
		{"SIGKILL waits for nobody", "process", "stubborn", never, []string{"SIGKILL"}, "REVOKED: TaskRevokedError: terminated", true},
		{"SIGKILL by its number, after SIGTERM", "process", "stubborn", never, []string{"TERM", "9"}, "REVOKED: TaskRevokedError: terminated", true},
		{"SIGQUIT reaches the child", "process", "stubborn", never, []string{"QUIT"}, "REVOKED: TaskRevokedError: terminated", true},
		{"SIGUSR1 is the soft time limit", "process", "heedful", never, []string{"SIGUSR1"}, "FAILURE: SoftTimeLimitExceeded", false},
		{"SIGUSR1 is ignored, SIGTERM is not", "process", "stubborn", 50 * time.Millisecond, []string{"USR1", "TERM"}, "REVOKED: TaskRevokedError: terminated", true},
		{"a goroutine's context ends", "goroutine", "heedful", never, []string{"SIGKILL"}, "REVOKED: TaskRevokedError: terminated", false},
		{"a goroutine's soft time limit", "goroutine", "heedful", never, []string{"SIGUSR1"}, "FAILURE: SoftTimeLimitExceeded", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			space := fmt.Sprintf("memory://signal-%d", spaces.Add(1))
			app := processApp(space, space, slow(umbel.Config{WorkerTerminateGrace: c.grace}))
			t.Cleanup(func() { _ = app.Close() })
			wc := worker.Config{Concurrency: 1, Nodename: "w@host"}
			if c.pool == "process" {
				wc = inProcesses(space, space, wc)
			}
			w, stop := start(t, app, wc)
			file := filepath.Join(t.TempDir(), "pid")
			r, err := app.Send(patient(t), c.task, umbel.Args{file})
			if err != nil {
				t.Fatal(err)
			}
			var child int
			waitFor(t, func() bool { text, _ := os.ReadFile(file); n, _ := fmt.Sscanln(string(text), &child); return n == 1 }, "the task running")
			for _, s := range c.signals {
				options := []umbel.RevokeOption{umbel.Terminate()}
				if s != "" {
					options = append(options, umbel.Signal(s))
				}
				if err := r.Revoke(patient(t), options...); err != nil {
					t.Fatal(err)
				}
			}
			waitFor(t, func() bool { return w.Stats().Active == 0 }, "the task's end")
			// The state is REVOKED at once, as with Celery; what is stored last is how the task ended.
			waitFor(t, func() bool {
				err := r.Get(patient(t), nil)
				return err != nil && strings.Contains(err.Error(), c.ends)
			}, "the end: "+c.ends)
			if c.dies {
				waitFor(t, func() bool { return syscall.Kill(child, 0) != nil }, "the child's death")
			} else if syscall.Kill(child, 0) != nil {
				t.Errorf("child %d is gone, though its task gave way", child)
			}
			next, err := app.Send(patient(t), "add", umbel.Args{[]int{1, 2}})
			if err != nil {
				t.Fatal(err)
			}
			var sum int
			if err := next.Get(patient(t), &sum); err != nil || sum != 3 {
				t.Errorf("the next task: %d, %v", sum, err)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}
