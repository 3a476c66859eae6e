package interop

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience only decides how long a failing test takes.
const patience = 2 * time.Minute

// A process is a child whose words on stderr can be waited for. It leads a group of its own, so that the children of a
// prefork worker end with it.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	name string

	mu    sync.Mutex // guards lines and over
	lines []string
	over  bool
	more  chan struct{} // 1: there are new lines
	ended chan struct{}
}

func startProcess(t *testing.T, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, name: name, more: make(chan struct{}, 1), ended: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = w
	if cmd.Stdout == nil {
		cmd.Stdout = w
	}
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		t.Fatalf("start %s: %v", name, err)
	}
	read := make(chan struct{})
	go func() { defer close(read); p.read(r) }()
	go func() {
		defer close(p.ended)
		_ = cmd.Wait()
		p.signal(syscall.SIGKILL) // what it left behind in its group
		<-read
	}()
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.said())
		}
	})
	return p
}

func (p *process) read(r io.ReadCloser) {
	defer r.Close()
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		p.mu.Lock()
		if line != "" && len(p.lines) < 5000 {
			p.lines = append(p.lines, strings.TrimRight(line, "\n"))
		}
		p.over = err != nil
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// await waits for a line that holds text, among all that were said.
func (p *process) await(text string) {
	p.t.Helper()
	deadline := time.After(patience)
	for from := 0; ; {
		p.mu.Lock()
		for ; from < len(p.lines); from++ {
			if strings.Contains(p.lines[from], text) {
				p.mu.Unlock()
				return
			}
		}
		over := p.over
		p.mu.Unlock()
		if over {
			p.t.Fatalf("%s ended before it said %q:\n%s", p.name, text, p.said())
		}
		select {
		case <-p.more:
		case <-deadline:
			p.t.Fatalf("%s has not said %q:\n%s", p.name, text, p.said())
		}
	}
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// kill ends it as a crash does.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// end asks it to leave, and then makes it.
func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		p.kill()
	}
}
