package testenv

import (
	"bufio"
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

// roleVariable makes a run of this binary play another test process.
const roleVariable = "UMBEL_TESTENV_ROLE"

// TestRole is what other test processes run: it prints where its server is and stays until its stdin ends.
func TestRole(t *testing.T) {
	switch os.Getenv(roleVariable) {
	case "":
		t.Skip("only run by other tests")
	case "shared":
		sharedGrace = 500 * time.Millisecond
		fmt.Println("AT", Redis(t).Addr())
	case "own":
		fmt.Println("AT", OwnRedis(t).Addr())
	case "postgres":
		sharedGrace = 500 * time.Millisecond
		fmt.Println("AT", Postgres(t).Addr())
	case "rabbitmq":
		sharedGrace = 500 * time.Millisecond
		fmt.Println("AT", RabbitMQ(t).Addr())
	case "missing":
		redisKind.find = func() error { return fmt.Errorf("Redis is not installed") }
		Redis(t)
	}
	io.Copy(io.Discard, os.Stdin)
}

// A process is another test process.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Scanner
}

func newProcess(t *testing.T, role, temp string, change func(*exec.Cmd)) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestRole$", "-test.v")
	cmd.Env = append(os.Environ(), roleVariable+"="+role, "TMPDIR="+temp)
	if change != nil {
		change(cmd)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t, cmd, stdin, bufio.NewScanner(out)}
	t.Cleanup(func() { p.kill() })
	return p
}

// at returns the address that the process printed.
func (p *process) at() (string, error) {
	var seen []string
	for p.out.Scan() {
		if addr, ok := strings.CutPrefix(p.out.Text(), "AT "); ok {
			return addr, nil
		}
		seen = append(seen, p.out.Text())
	}
	return "", fmt.Errorf("the process ended without a server:\n%s", strings.Join(seen, "\n"))
}

func (p *process) mustAt() string {
	p.t.Helper()
	addr, err := p.at()
	if err != nil {
		p.t.Fatal(err)
	}
	return addr
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// finish lets the test of the process end and returns the rest of its output.
func (p *process) finish() string {
	p.stdin.Close()
	var b strings.Builder
	for p.out.Scan() {
		fmt.Fprintln(&b, p.out.Text())
	}
	p.cmd.Wait()
	return b.String()
}

func serves(addr string) bool {
	_, err := redisDo(addr, nil, []string{"PING"})
	return err == nil
}

// shortTemp is a folder for temporary files with a path short enough for sockets.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "te")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestProcessesThatStartTogetherShareOneServerWhichEndsAfterThem(t *testing.T) {
	t.Parallel()
	require(t, redisKind)
	temp := shortTemp(t)
	var all [4]*process
	for i := range all {
		all[i] = newProcess(t, "shared", temp, nil)
	}
	var addrs [len(all)]string
	var wg sync.WaitGroup
	for i, p := range all {
		wg.Go(func() {
			var err error
			if addrs[i], err = p.at(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, a := range addrs {
		if a != addrs[0] {
			t.Fatalf("they use %v", addrs)
		}
	}
	for _, p := range all[1:] {
		p.kill() // as a crash or an impatient user would
	}
	if out := all[0].finish(); !strings.Contains(out, "PASS") {
		t.Errorf("the last process says %s", out)
	}
	Await(t, "end of the server", func() bool { return !serves(addrs[0]) }, nil)

	// And it can be had again.
	again := newProcess(t, "shared", temp, nil)
	if addr := again.mustAt(); !serves(addr) {
		t.Error("a new process got a server that does not serve")
	}
	again.finish()
	Await(t, "end of all folders", func() bool {
		left, _ := filepath.Glob(filepath.Join(temp, "*", "*", "run-*"))
		return len(left) == 0
	}, nil)
}

func TestAnOwnServerEndsWithAKilledProcess(t *testing.T) {
	t.Parallel()
	require(t, redisKind)
	p := newProcess(t, "own", shortTemp(t), nil)
	addr := p.mustAt()
	if !serves(addr) {
		t.Fatal("it does not serve")
	}
	p.kill()
	Await(t, "end of the server", func() bool { return !serves(addr) }, nil)
}

func TestAFolderThatCannotHoldServersIsPassedOver(t *testing.T) {
	long := filepath.Join(shortTemp(t), strings.Repeat("long/", 20))
	if err := os.MkdirAll(long, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{long, "/tmp/with space", "relative"} {
		if holdsServers(dir) {
			t.Errorf("servers would live in %q", dir)
		}
	}
	if !holdsServers("/tmp") {
		t.Error("servers cannot live in /tmp")
	}
}

func TestAnUnprivilegedUserHasServersToo(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the other tests run as an unprivileged user already")
	}
	t.Parallel()
	temp := shortTemp(t)
	exe := filepath.Join(temp, "testenv.test")
	text, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, text, 0o755); err != nil {
		t.Fatal(err)
	}
	roles := []string{"shared", "postgres"}
	if !testing.Short() {
		roles = append(roles, "rabbitmq")
	}
	for _, role := range roles {
		p := newProcess(t, role, temp, func(c *exec.Cmd) {
			c.Path, c.Dir = exe, temp
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		})
		if _, err := p.at(); err != nil {
			t.Errorf("%s: %v", role, err)
		} else if out := p.finish(); !strings.Contains(out, "PASS") {
			t.Errorf("%s: %s", role, out)
		}
	}
	Await(t, "end of all servers", func() bool {
		left, _ := filepath.Glob(filepath.Join(temp, "*", "*", "run-*"))
		return len(left) == 0
	}, nil)
}

func TestAMissingServerSkipsAtHomeAndFailsInCI(t *testing.T) {
	for ci, want := range map[string]string{"": "--- SKIP", "true": "--- FAIL"} {
		p := newProcess(t, "missing", shortTemp(t), func(c *exec.Cmd) { c.Env = append(c.Env, "CI="+ci) })
		out := p.finish()
		if !strings.Contains(out, want) || !strings.Contains(out, "apt-get install redis-server") {
			t.Errorf("CI=%q: %s", ci, out)
		}
	}
}

func TestPythonCanImportCelery(t *testing.T) {
	out := RunPython(t, "import sys, celery, redis; print(sys.argv[1:], celery.__version__)", "a", "b")
	if !strings.HasPrefix(out, "['a', 'b'] ") {
		t.Errorf("it printed %q", out)
	}
}
