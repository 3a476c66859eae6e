package testenv

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	startLimit = 2 * time.Minute       // RabbitMQ needs ten seconds on an idle machine; test machines seldom are
	startTries = 3                     // a free port may be taken before the server gets there
	pollEvery  = 50 * time.Millisecond // servers do not tell us that they are ready
	stopLimit  = 30 * time.Second      // RabbitMQ stops in about six
	logTail    = 2000                  // bytes of a server's log in an error
)

// A kind is what differs between servers.
type kind struct {
	name    string                                            // of its folder
	debian  string                                            // package that installs it
	version string                                            // changes with its configuration, so that old servers are not taken for new ones
	ports   int                                               // how many it needs
	find    func() error                                      // nil when installed
	prepare func(s *server, conf []string) ([]command, error) // writes configuration into s.Dir
	ready   func(s *server) error                             // nil once it serves
	signal  syscall.Signal                                    // how it ends when abandoned
}

// A server is a running instance of a kind. Shared ones are described by it in server.json.
type server struct {
	Dir   string
	Ports []int
	PID   int
	spec  *spec
	kind  *kind
	watch *exec.Cmd // the watcher, where this process started it
}

func (s *server) alive() bool { return locked(filepath.Join(s.Dir, "alive")) }

// newServer makes a folder in dir and starts a server there. users is the lock that the caller holds.
func newServer(k *kind, dir, users string, grace time.Duration, conf []string) (*server, error) {
	var errs []error
	for range startTries {
		s := &server{kind: k}
		var err error
		if s.Dir, err = os.MkdirTemp(dir, "run-"); err != nil {
			return nil, err
		}
		if err := os.Chmod(s.Dir, 0o755); err != nil {
			return nil, err
		}
		if s.Ports, err = freePorts(k.ports); err != nil {
			return nil, err
		}
		commands, err := k.prepare(s, conf)
		if err != nil {
			return nil, fmt.Errorf("prepare %s: %w", k.name, err)
		}
		if users == "" {
			users = filepath.Join(s.Dir, "users")
		}
		s.spec = &spec{Dir: s.Dir, Users: users, Grace: grace, Signal: int(k.signal), Commands: commands}
		if err = s.start(); err == nil {
			return s, nil
		}
		errs = append(errs, err)
		s.kill()
		os.RemoveAll(s.Dir)
	}
	return nil, errors.Join(errs...)
}

// start runs the server's commands under a new watcher and waits until it serves.
func (s *server) start() error {
	path, err := s.spec.write()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	answer, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer answer.Close()
	cmd := exec.Command(self)
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), watchVariable+"="+path)
	cmd.ExtraFiles = []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt from the terminal is not for it
	err = cmd.Start()
	write.Close()
	if err != nil {
		return err
	}
	s.watch = cmd
	var a started
	if err := json.NewDecoder(answer).Decode(&a); err != nil {
		return fmt.Errorf("start %s: its watcher died: %w", s.kind.name, err)
	}
	if a.Error != "" {
		return fmt.Errorf("start %s: %s", s.kind.name, a.Error)
	}
	s.PID = a.PID
	return s.awaitReady()
}

func (s *server) awaitReady() error {
	deadline := time.Now().Add(startLimit)
	for {
		err := s.kind.ready(s)
		if err == nil {
			return nil
		}
		if !s.alive() {
			return fmt.Errorf("start %s: it ended at once:\n%s", s.kind.name, s.log())
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("start %s: not ready after %s: %w\n%s", s.kind.name, startLimit, err, s.log())
		}
		time.Sleep(pollEvery)
	}
}

// log returns the end of what the server printed.
func (s *server) log() string {
	if len(s.spec.Commands) == 0 {
		return ""
	}
	text, _ := os.ReadFile(s.spec.Commands[len(s.spec.Commands)-1].Log)
	if len(text) > logTail {
		text = text[len(text)-logTail:]
	}
	return strings.TrimSpace(string(text))
}

// end sends a signal to a server that this process started and waits until it is gone.
func (s *server) end(signal syscall.Signal) error {
	if s.PID != 0 && s.alive() {
		syscall.Kill(s.PID, signal)
	}
	deadline := time.Now().Add(stopLimit)
	for s.alive() {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s with pid %d did not end within %s after signal %d", s.kind.name, s.PID, stopLimit, signal)
		}
		time.Sleep(pollEvery / 5)
	}
	if s.watch != nil {
		s.watch.Wait()
		s.watch = nil
	}
	return nil
}

func (s *server) kill() error { return s.end(syscall.SIGKILL) }
