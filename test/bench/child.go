package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A child is a contender that runs.
type child struct {
	name  string
	cmd   *exec.Cmd
	marks chan mark
	errs  *bytes.Buffer // what it wrote to stderr; read after its end
	ended chan error
}

// A mark is a line "mark NAME NUMBER" that a contender wrote: a moment in Unix nanoseconds, or a figure.
type mark struct {
	name  string
	value float64
}

// markWait bounds the time between two marks. The longest is Celery's way through its tasks.
const markWait = 3 * time.Minute

func startChild(name, path string, args, env []string) (*child, error) {
	c := &child{name: name, cmd: exec.Command(path, args...), marks: make(chan mark, 16), errs: &bytes.Buffer{}, ended: make(chan error, 1)}
	c.cmd.Env = append(os.Environ(), env...)
	c.cmd.Stderr = c.errs
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.cmd.WaitDelay = 5 * time.Second
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(c.marks)
		c.read(out)
		c.ended <- c.cmd.Wait()
	}()
	return c, nil
}

func (c *child) read(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) != 3 || f[0] != "mark" {
			continue // Celery's banner
		}
		if v, err := strconv.ParseFloat(f[2], 64); err == nil {
			c.marks <- mark{f[1], v}
		}
	}
	_, _ = io.Copy(io.Discard, out)
}

// await returns the value of the next mark, which must have this name.
func (c *child) await(ctx context.Context, name string) (float64, error) {
	timer := time.NewTimer(markWait)
	defer timer.Stop()
	select {
	case m, ok := <-c.marks:
		if !ok {
			err := <-c.ended
			c.ended <- err
			return 0, fmt.Errorf("%s ended before its mark %q: %w\n%s", c.name, name, err, c.errs)
		}
		if m.name != name {
			return 0, fmt.Errorf("%s: mark %q came instead of %q", c.name, m.name, name)
		}
		return m.value, nil
	case <-timer.C:
		return 0, fmt.Errorf("%s: mark %q has not come for %v", c.name, name, markWait)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (c *child) cpu() (time.Duration, error) { return treeCPU(c.cmd.Process.Pid) }

// stop asks the contender to end, and kills it with all its children if it does not.
func (c *child) stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-c.ended:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return fmt.Errorf("%s: %w\n%s", c.name, err, c.errs)
		}
		return err
	case <-time.After(30 * time.Second):
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		<-c.ended
		return fmt.Errorf("%s did not end when asked to\n%s", c.name, c.errs)
	}
}

// kill ends a contender that is of no more use.
func (c *child) kill() {
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	<-c.ended
}
