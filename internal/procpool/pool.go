package procpool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Config says what a pool's children are.
type Config struct {
	// Name tells the pools of one process apart; a child learns it by InChild.
	Name string

	// Command makes the command of a child, without its pipes. Defaults to this program with the same arguments.
	Command func() *exec.Cmd

	// Size is how many children work at once. A few more are kept up, to take the place of those that end.
	Size int

	// MaxTasks lets a child go after so many. 0 is no limit.
	MaxTasks int

	// MaxMemory lets a child go once it has held more, in bytes. 0 is no limit. On Linux only.
	MaxMemory int64

	// Alive is how long a new child may take to come up. Defaults to 10 s.
	Alive time.Duration

	// Silence is how long a working child may give no sign of life. 0 is for ever.
	Silence time.Duration

	// Ask answers children's questions that belong to no call.
	Ask func(ctx context.Context, question []byte) []byte

	Log *slog.Logger
}

// A Pool keeps children.
type Pool struct {
	config    Config
	questions chan struct{}  // one for each that is being answered
	answering sync.WaitGroup // these
	reaping   sync.WaitGroup // children that are not dead yet
	poke      chan struct{}  // 1: something has changed for keep
	kept      chan struct{}  // closed when keep has ended
	first     chan error     // 1: whether the first child came up

	mu        sync.Mutex // guards what follows
	size      int
	children  map[*Child]struct{} // wanted: coming up, idle or taken
	leaving   map[*Child]struct{} // let go
	idle      []*Child            // the last is taken first: it is warm
	takers    []chan *Child       // cap 1 each
	coming    int                 // not up yet
	failed    int                 // starts in vain, one after the other
	notBefore time.Time           // of the next start
	closed    bool
	started   int64
	lost      int64
}

// ErrUnsupported says that this system cannot have children that share pipes.
var ErrUnsupported = errors.New("child processes are not supported on this system")

// ErrClosed says that the pool is closed.
var ErrClosed = errors.New("the pool of child processes is closed")

const (
	// comingMost bounds the children that come up at once.
	comingMost = 16

	// goneWait is how long a child that was let go may take to leave.
	goneWait = 10 * time.Second
)

// Open starts children and returns once one of them is up, or cannot come up.
func Open(ctx context.Context, c Config) (*Pool, error) {
	if !supported {
		return nil, ErrUnsupported
	}
	if c.Alive <= 0 {
		c.Alive = 10 * time.Second
	}
	p := &Pool{config: c, size: c.Size, questions: make(chan struct{}, questionsMost*max(1, c.Size)), poke: make(chan struct{}, 1), kept: make(chan struct{}),
		first: make(chan error, 1), children: make(map[*Child]struct{}), leaving: make(map[*Child]struct{})}
	go p.keep()
	var err error
	select {
	case err = <-p.first:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// spares are kept up besides the size.
func spares(size int) int { return min(1+size/8, 8) }

// keep starts children while some are missing. The thread that starts a child must live as long as it does: the kernel
// takes its end for the parent's.
func (p *Pool) keep() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.kept)
	for {
		p.mu.Lock()
		missing := p.size + spares(p.size) - len(p.children)
		room := p.coming < comingMost
		wait := time.Until(p.notBefore)
		closed := p.closed
		p.mu.Unlock()
		if closed {
			return
		}
		var later <-chan time.Time
		if missing > 0 && room {
			if wait <= 0 {
				p.start()
				continue
			}
			later = time.After(wait)
		}
		select {
		case <-p.poke:
		case <-later:
		}
	}
}

func (p *Pool) changed() {
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

// start starts one child.
func (p *Pool) start() {
	c, err := p.spawn()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.failure(fmt.Errorf("start a child process: %w", err))
		return
	}
	p.children[c] = struct{}{}
	p.coming++
	p.started++
	if p.closed {
		p.letGo(c)
	}
	p.reaping.Add(1)
	go c.read()
	go c.await()
	time.AfterFunc(p.config.Alive, func() {
		c.mu.Lock()
		c.late = !c.up
		late := c.late
		c.mu.Unlock()
		if late {
			c.Kill()
		}
	})
}

func (p *Pool) spawn() (*Child, error) {
	inRead, inWrite, err := os.Pipe() // to the child
	if err != nil {
		return nil, err
	}
	outRead, outWrite, err := os.Pipe() // from it
	if err != nil {
		return nil, errors.Join(err, inRead.Close(), inWrite.Close())
	}
	cmd, err := p.command()
	if err == nil {
		cmd.Env = environ(cmd.Environ(), p.config.Name)
		cmd.ExtraFiles = []*os.File{inRead, outWrite}
		cmd.SysProcAttr = attributes()
		err = cmd.Start()
	}
	_ = inRead.Close()
	_ = outWrite.Close()
	if err != nil {
		return nil, errors.Join(err, inWrite.Close(), outRead.Close())
	}
	c := &Child{pool: p, process: cmd.Process, in: outRead, out: outlet{file: inWrite},
		readEnded: make(chan struct{}), exited: make(chan struct{}), dead: make(chan struct{})}
	c.life, c.endLife = context.WithCancel(context.Background())
	return c, nil
}

func (p *Pool) command() (*exec.Cmd, error) {
	if p.config.Command != nil {
		return p.config.Command(), nil
	}
	path, err := self()
	if err != nil {
		return nil, err
	}
	return &exec.Cmd{Path: path, Args: os.Args, Stdout: os.Stdout, Stderr: os.Stderr}, nil
}

// failure notes a start in vain. mu is held.
func (p *Pool) failure(err error) {
	p.failed++
	wait := min(20*time.Millisecond<<min(p.failed-1, 20), 30*time.Second)
	p.notBefore = time.Now().Add(wait)
	select {
	case p.first <- err:
	default:
		p.config.Log.Error("child process did not come up; trying again", "error", err, "wait", wait)
	}
}

// isUp takes a child that has said hello.
func (p *Pool) isUp(c *Child) {
	c.mu.Lock()
	again := c.up
	c.up = true
	c.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ours := p.children[c]; !ours || again {
		return
	}
	p.coming--
	p.failed = 0
	select {
	case p.first <- nil:
	default:
	}
	if c.old || len(p.children) > p.size+spares(p.size) {
		p.letGo(c)
		return
	}
	p.give(c)
	p.changed()
}

// give hands a child to who waits for one, or lays it by. mu is held.
func (p *Pool) give(c *Child) {
	if len(p.takers) > 0 {
		p.takers[0] <- c // cap 1, and sent to once
		p.takers = p.takers[1:]
		return
	}
	p.idle = append(p.idle, c)
}

// Take waits for a child that does nothing.
func (p *Pool) Take(ctx context.Context) (*Child, error) {
	p.mu.Lock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		select {
		case <-c.exited:
		default:
			p.mu.Unlock()
			return c, nil
		}
	}
	if p.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	come := make(chan *Child, 1)
	p.takers = append(p.takers, come)
	p.mu.Unlock()
	select {
	case c := <-come:
		if c == nil {
			return nil, ErrClosed
		}
		return c, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.takers, come); i >= 0 {
		p.takers = slices.Delete(p.takers, i, i+1)
	} else if c := <-come; c != nil {
		p.give(c)
	}
	return nil, context.Cause(ctx)
}

// Leave gives a child back that was taken and does nothing.
func (c *Child) Leave() {
	p := c.pool
	used := p.config.MaxTasks > 0 && c.tasks >= p.config.MaxTasks
	if !used && p.config.MaxMemory > 0 && c.tasks > 0 {
		if held := peakMemory(c.PID()); held > p.config.MaxMemory {
			p.config.Log.Info("child process has held more memory than it may, and is replaced", "pid", c.PID(), "bytes", held, "limit", p.config.MaxMemory)
			used = true
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ours := p.children[c]; !ours {
		return
	}
	if used || c.old || p.closed || len(p.children) > p.size+spares(p.size) {
		p.letGo(c)
		return
	}
	p.give(c)
}

// letGo has a child leave, and another one start if that is one too few. mu is held.
func (p *Pool) letGo(c *Child) {
	delete(p.children, c)
	p.leaving[c] = struct{}{}
	c.mu.Lock()
	if !c.up {
		p.coming--
	}
	c.mu.Unlock()
	_ = c.out.file.Close() // which it reads as the end
	t := time.AfterFunc(goneWait, c.Kill)
	context.AfterFunc(c.life, func() { t.Stop() })
	p.changed()
}

func (p *Pool) isLeaving(c *Child) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, is := p.leaving[c]
	return is
}

// gone takes note of a child's death.
func (p *Pool) gone(c *Child) {
	defer p.reaping.Done()
	c.mu.Lock()
	up, late, silent, wanted := c.up, c.late, c.silent, c.wanted
	c.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.changed()
	if _, is := p.leaving[c]; is {
		delete(p.leaving, c)
		return
	}
	delete(p.children, c)
	p.idle = slices.DeleteFunc(p.idle, func(i *Child) bool { return i == c })
	switch {
	case up && wanted:
		p.lost++
		p.config.Log.Info("child process was ended; another takes its place", "pid", c.PID(), "exit", c.status)
	case up:
		p.lost++
		p.config.Log.Error("child process is lost; another takes its place", "pid", c.PID(), "exit", c.status, "hung", silent)
	case late:
		p.coming--
		p.failure(fmt.Errorf("child process %d did not come up within %v: the program, started again with the same arguments, must come to where it runs its worker", c.PID(), p.config.Alive))
	default:
		p.coming--
		p.failure(fmt.Errorf("child process %d ended before it was up (%s): the program, started again with the same arguments, must come to where it runs its worker", c.PID(), c.status))
	}
}

// Resize changes how many children work at once. Those too many end when they have done what they do.
func (p *Pool) Resize(size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size = size
	for len(p.children) > size+spares(size) && len(p.idle) > 0 {
		c := p.idle[0]
		p.idle = p.idle[1:]
		p.letGo(c)
	}
	p.changed()
}

// Restart replaces every child: those that do nothing now, the others when they have done what they do.
func (p *Pool) Restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.children {
		c.old = true
	}
	for _, c := range p.idle {
		p.letGo(c)
	}
	p.idle = nil
	p.changed()
}

// Stats are a pool's figures.
type Stats struct {
	PIDs    []int // of the children that are up or coming up, sorted
	Started int64 // children ever started
	Lost    int64 // that died on their own, or were killed
}

// Stats are the pool's figures now.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Started: p.started, Lost: p.lost}
	for c := range p.children {
		s.PIDs = append(s.PIDs, c.PID())
	}
	slices.Sort(s.PIDs)
	return s
}

// KillAll kills every child, whatever it does.
func (p *Pool) KillAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.children {
		c.Kill()
	}
	for c := range p.leaving {
		c.Kill()
	}
}

// Close lets every child go and returns when all are dead and reaped. Children that work still are killed after a while.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	for _, come := range p.takers {
		come <- nil
	}
	p.takers, p.idle = nil, nil
	for c := range p.children {
		p.letGo(c)
	}
	p.changed()
	p.mu.Unlock()
	<-p.kept
	p.reaping.Wait()
	p.answering.Wait()
}
