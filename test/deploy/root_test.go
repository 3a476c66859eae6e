package deploy

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A container is a root that holds one program and cannot be written, as the image has it: a mount of its own that is read
// only, a change of root, and a user who is nobody.
type container struct {
	t    *testing.T
	root string
}

// enter makes the mount and becomes nobody; what comes behind it are the program and its arguments.
const enter = `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec chroot --userspec=65532:65532 "$0" "$@"`

func build(t *testing.T) *container {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may make the file system that this test needs")
	}
	c := &container{t: t, root: t.TempDir()}
	cmd := exec.Command("go", "build", "-C", repository, "-trimpath", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", filepath.Join(c.root, "umbel"), "./cmd/umbel")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Chmod(c.root, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := c.root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) { // nobody must come through
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := c.command("/umbel", "version").CombinedOutput(); err != nil {
		if strings.Contains(string(out), "Operation not permitted") || strings.Contains(string(out), "permission denied") {
			t.Skipf("this kernel lets nobody mount: %v: %s", err, out)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	return c
}

func (c *container) command(args ...string) *exec.Cmd {
	cmd := exec.Command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", enter, c.root}, args...)...)
	cmd.Env = []string{"UMBEL_METRICS_ADDRESS=127.0.0.1:0", "UMBEL_BROKER_URL=memory://", "UMBEL_TIMEZONE=Europe/Rome"}
	return cmd
}

// The program needs nothing of its image: no file, no place to write, no right.
func TestTheProgramNeedsOnlyItself(t *testing.T) {
	c := build(t)
	log := &lines{seen: make(chan struct{}, 1)}
	w := c.command("/umbel", "worker", "-Q", "orders", "-n", "orders@%h", "--json-logs")
	w.Stdout, w.Stderr = log, log
	w.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.Wait() }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	address := ""
	for address == "" || !strings.Contains(log.text(), "worker ready") {
		select {
		case <-log.seen:
			if _, rest, ok := strings.Cut(log.text(), `metrics and health are served","at":"`); ok {
				address, _, _ = strings.Cut(rest, `"`)
			}
		case err := <-ended:
			t.Fatalf("the worker ended: %v\n%s", err, log.text())
		case <-ctx.Done():
			_ = w.Process.Kill()
			t.Fatalf("the worker is not ready:\n%s", log.text())
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.Process.Pid))
	if err != nil || !strings.Contains(string(status), "Uid:\t65532\t65532\t65532\t65532") || !strings.Contains(string(status), "CapEff:\t0000000000000000") {
		t.Errorf("who is it? %v\n%s", err, status)
	}
	for _, question := range [][]string{{"healthcheck", "--metrics", address}, {"healthcheck", "--live", "--metrics", address}} {
		if out, err := c.command(append([]string{"/umbel"}, question...)...).CombinedOutput(); err != nil || string(out) != "ok\n" {
			t.Errorf("%v: %q, %v", question, out, err)
		}
	}
	if out, err := c.command("/umbel", "-b", "sqlite://umbel.db", "queues").CombinedOutput(); err == nil || !strings.Contains(string(out), "read-only file system") {
		t.Errorf("it could write: %q, %v", out, err)
	}
	if err := w.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the worker ended with %v:\n%s", err, log.text())
		}
	case <-ctx.Done():
		_ = w.Process.Kill()
		t.Errorf("the worker does not stop:\n%s", log.text())
	}
}

// lines is what a process says.
type lines struct {
	mu   sync.Mutex // guards buf
	buf  bytes.Buffer
	seen chan struct{} // room for one: that there is more
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.seen <- struct{}{}:
	default:
	}
	return l.buf.Write(p)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
