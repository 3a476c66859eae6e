package soak

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience only decides how long a failing test takes.
const patience = 2 * time.Minute

// A child is this binary in a role.
type child struct {
	name  string
	role  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	log   string        // path of what it said on stderr
	lines chan string   // of its stdout; closed at its end
	ready chan struct{} // closed when it said so
	ended chan struct{} // closed when it is gone and has been waited for
	state *os.ProcessState
}

// start runs a role until the test ends.
func start(t *testing.T, role string, p *part) *child {
	t.Helper()
	c, err := launch(t.TempDir(), role, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.remove(t) })
	return c
}

// launch runs a role in a process of its own.
func launch(dir, role string, p *part) (*child, error) {
	setup, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{name: p.Name, role: role, cmd: exec.Command(exe), log: filepath.Join(dir, p.Name+".log"),
		lines: make(chan string, 16), ready: make(chan struct{}), ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), "SOAK_ROLE="+role, "SOAK_SETUP="+string(setup))
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(c.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c.cmd.Stderr = log
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	go c.watch(out)
	return c, nil
}

func (c *child) watch(out io.Reader) {
	var once sync.Once
	in := bufio.NewScanner(out)
	for in.Scan() {
		if in.Text() == "ready" {
			once.Do(func() { close(c.ready) })
			continue
		}
		select {
		case c.lines <- in.Text():
		default: // nobody asked
		}
	}
	_ = c.cmd.Wait()
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) // children of its own
	c.state = c.cmd.ProcessState
	close(c.lines)
	close(c.ended)
}

// awaitReady waits until it serves, or has ended.
func (c *child) awaitReady() error {
	select {
	case <-c.ready:
		return nil
	case <-c.ended:
		return fmt.Errorf("%s ended before it was ready (%v):\n%s", c.name, c.state, c.tail())
	case <-time.After(patience):
		return fmt.Errorf("%s is not ready after %v:\n%s", c.name, patience, c.tail())
	}
}

// stats asks a worker.
func (c *child) stats() (s stats, err error) {
	for drained := false; !drained; {
		select {
		case <-c.lines:
		default:
			drained = true
		}
	}
	if _, err := io.WriteString(c.stdin, "stats\n"); err != nil {
		return s, err
	}
	select {
	case line := <-c.lines:
		text, ok := strings.CutPrefix(line, "stats ")
		if !ok {
			return s, fmt.Errorf("%s says %q", c.name, line)
		}
		return s, json.Unmarshal([]byte(text), &s)
	case <-time.After(patience):
		return s, fmt.Errorf("%s does not tell its figures", c.name)
	}
}

// kill ends it as a crash does, and its children with it.
func (c *child) kill() {
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	<-c.ended
	_ = c.stdin.Close()
}

// awaitEnd waits until it has left, for as long as a task may take.
func (c *child) awaitEnd() error {
	select {
	case <-c.ended:
		_ = c.stdin.Close()
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s has not ended after %v:\n%s", c.name, patience, c.tail())
	}
}

// remove ends it at the end of a test, which shows its log if it failed.
func (c *child) remove(t testing.TB) {
	c.kill()
	if t.Failed() {
		t.Logf("%s said last:\n%s", c.name, c.tail())
	}
}

// tail is the end of what it said.
func (c *child) tail() string {
	text, _ := os.ReadFile(c.log)
	const most = 2000
	if len(text) > most {
		text = text[len(text)-most:]
	}
	return string(text)
}
