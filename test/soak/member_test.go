package soak

import (
	"fmt"
	"io"
	"sync"
	"syscall"

	"github.com/umbel-go/umbel/internal/faultnet"
)

// A member is one producer or worker of the lab, whichever process plays it: one that is killed or has left is replaced, as
// an init system does.
type member struct {
	lab   *lab
	name  string // w1; its processes are w1.1, w1.2 …
	role  string
	links []*faultnet.Link // to each node; they outlive its processes
	part  part
	spare bool // never killed or stopped: it shows what grows

	mu    sync.Mutex // guards what follows; the lab's goroutine alone writes
	lives int
	child *child
}

func (m *member) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lives++
	p := m.part
	p.Name = fmt.Sprintf("%s.%d", m.name, m.lives)
	c, err := launch(m.lab.dir, m.role, &p)
	if err != nil {
		m.lab.t.Fatal(err)
	}
	m.child = c
}

// process is the present one.
func (m *member) process() *child {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.child
}

// kill kills the process and starts another.
func (m *member) kill() {
	m.process().kill()
	m.start()
}

// stop asks the process to leave, waits until it has, and starts another.
func (m *member) stop() {
	m.leave()
	m.start()
}

// leave asks the process to leave and waits until it has, in good order.
func (m *member) leave() {
	c := m.process()
	if m.role == "worker" {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
	} else {
		_, _ = io.WriteString(c.stdin, "stop\n")
	}
	if err := c.awaitEnd(); err != nil {
		m.lab.t.Error(err)
		c.kill()
		return
	}
	if !c.state.Success() {
		m.lab.t.Errorf("%s left with %v:\n%s", c.name, c.state, c.tail())
	}
}

// each does something to all links.
func (m *member) each(f func(*faultnet.Link)) {
	for _, l := range m.links {
		f(l)
	}
}

func (m *member) cut() { m.each(func(l *faultnet.Link) { l.Cut() }) }
