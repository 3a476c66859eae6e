package testenv

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// watchVariable holds the path of a spec in the environment of a watcher.
const watchVariable = "UMBEL_TESTENV_WATCH"

// started is what a watcher answers on descriptor 3.
type started struct {
	PID   int    // of the last command
	Error string // why nothing runs
}

// A watcher is the test binary of whichever package needed a server first: it turns into one before any test begins.
func init() {
	if path := os.Getenv(watchVariable); path != "" {
		os.Exit(watch(path))
	}
}

// watch runs the commands of a spec until the last one ends or nobody uses it any more.
func watch(path string) int {
	// The kernel ends children when the thread that started them ends: stay on the first one.
	runtime.LockOSThread()
	answer := os.NewFile(3, "answer")
	syscall.CloseOnExec(3)
	say := func(s started) {
		json.NewEncoder(answer).Encode(s)
		answer.Close()
	}

	var s spec
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		say(started{Error: err.Error()})
		return 1
	}
	// Held as long as this process lives: it tells everybody that the server is up.
	if _, err := lockExclusive(s.alive()); err != nil {
		say(started{Error: err.Error()})
		return 1
	}
	os.Unsetenv(watchVariable)

	ended := make(chan error, len(s.Commands)) // each command sends once
	var running []*exec.Cmd
	defer func() {
		for _, c := range running {
			syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // the group: servers have children of their own
		}
	}()
	for _, c := range s.Commands {
		cmd, err := c.start()
		if err != nil {
			say(started{Error: err.Error()})
			return 1
		}
		running = append(running, cmd)
	}
	main := running[len(running)-1]
	for i, cmd := range running {
		go func() {
			err := cmd.Wait()
			if i == len(running)-1 {
				ended <- err
			}
		}()
	}
	say(started{PID: main.Process.Pid})

	if s.abandoned(ended) {
		main.Process.Signal(syscall.Signal(s.Signal))
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
		}
		for _, c := range running {
			syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		}
		os.RemoveAll(s.Dir)
	}
	return 0
}

// abandoned waits until the server ended by itself (false) or nobody used it for the time of grace (true). In the
// second case the users lock is held by this process until it exits, so that nobody relies on a server that is going.
func (s *spec) abandoned(ended <-chan error) bool {
	tick := time.NewTicker(250 * time.Millisecond) // locks can be waited for, but not with a time of grace
	defer tick.Stop()
	idle := time.Time{}
	for {
		select {
		case <-ended:
			return !locked(s.Users)
		case now := <-tick.C:
			l := tryExclusive(s.Users)
			if l == nil {
				idle = time.Time{}
				continue
			}
			if idle.IsZero() {
				idle = now
			}
			if now.Sub(idle) >= s.Grace {
				return true
			}
			l.release()
		}
	}
}

func (c *command) start() (*exec.Cmd, error) {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = c.Env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.User != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: c.User.UID, Gid: c.User.GID}
	}
	endWithParent(cmd.SysProcAttr)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	return cmd, nil
}
