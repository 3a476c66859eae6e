package procpool

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Child is one child process, as its parent sees it. Whoever has taken it may call its methods.
type Child struct {
	pool    *Pool
	process *os.Process
	in      *os.File
	out     outlet

	tasks      int          // begun here; owned by its taker
	old        bool         // to be replaced; guarded by the pool's mu
	unanswered atomic.Int32 // pings since it last said something
	life       context.Context
	endLife    context.CancelFunc

	mu     sync.Mutex // guards what follows
	reaped bool       // its number may belong to another process
	up     bool
	doing  *call // nil: nothing
	calls  uint32

	readEnded chan struct{} // everything it has said was read
	exited    chan struct{} // the process has ended: status says how
	dead      chan struct{} // both
	status    string
	late      bool // killed for not coming up in time; guarded by mu
	silent    bool // killed for not answering; guarded by mu
	wanted    bool // killed by its taker; guarded by mu
}

// A call is one thing that a child does.
type call struct {
	id      uint32
	ctx     context.Context // ends with the call
	ask     func(ctx context.Context, question []byte) []byte
	taken   bool // guarded by Child.mu
	answer  chan []byte
	answers sync.WaitGroup // questions being answered
}

// A DeathError is how a child ended in the middle of what it did.
type DeathError struct {
	PID    int
	Status string // "exitcode 1", "signal 9 (SIGKILL)"
	Hung   bool   // killed here, because it gave no sign of life
}

func (e *DeathError) Error() string {
	if e.Hung {
		return fmt.Sprintf("child process %d gave no sign of life and was killed", e.PID)
	}
	return fmt.Sprintf("child process %d ended: %s", e.PID, e.Status)
}

// ErrNotBegun says that a child was gone before it had begun what it was to do.
var ErrNotBegun = errors.New("child process ended before it began")

// questionsMost bounds a child's questions that are being answered; it waits to ask more.
const questionsMost = 64

// PID is the child's process id.
func (c *Child) PID() int { return c.process.Pid }

// An Errand is one thing for a child to do.
type Errand struct {
	Payload []byte

	// Ask answers what the child asks about it, several questions at a time. When Do returns none is being answered any
	// more.
	Ask func(ctx context.Context, question []byte) []byte

	// Tell is what the child is told when the errand's context ends, which does not end the errand by itself.
	Tell func(cause error) []byte
}

// Do has the child do one thing and returns its answer. The error is ErrNotBegun, a *DeathError, or ErrTooLarge.
func (c *Child) Do(ctx context.Context, e Errand) ([]byte, error) {
	if len(e.Payload) > MaxPayload {
		return nil, ErrTooLarge
	}
	asking, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k := &call{ctx: asking, ask: e.Ask, answer: make(chan []byte, 1)}
	c.mu.Lock()
	c.calls++
	k.id = c.calls
	c.doing = k
	c.mu.Unlock()
	c.tasks++
	defer func() {
		c.mu.Lock()
		c.doing = nil
		c.mu.Unlock()
		cancel()
		k.answers.Wait()
	}()
	c.unanswered.Store(0)
	if err := c.send(frame{kind: kindDo, call: k.id, payload: e.Payload}); err != nil {
		c.Kill()
	}
	over := ctx.Done()
	silence := c.pool.config.Silence
	var tick <-chan time.Time
	if silence > 0 {
		t := time.NewTicker(silence / pingsMost)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case a := <-k.answer:
			return a, nil
		case <-c.dead:
			return c.lastWords(k)
		case <-over:
			over = nil
			if err := c.send(frame{kind: kindTell, call: k.id, payload: e.Tell(context.Cause(ctx))}); err != nil {
				c.Kill()
			}
		case <-tick:
			// Counted in ticks, not by the clock: this process may have been stopped itself meanwhile.
			if c.unanswered.Add(1) > pingsMost {
				c.mu.Lock()
				c.silent = true
				c.mu.Unlock()
				c.Kill()
			} else if c.send(frame{kind: kindPing}) != nil {
				c.Kill()
			}
		}
	}
}

// pingsMost is how many pings in a row a child may leave unanswered.
const pingsMost = 4

// lastWords is what a dead child has left of a call.
func (c *Child) lastWords(k *call) ([]byte, error) {
	select {
	case a := <-k.answer:
		return a, nil
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !k.taken {
		return nil, ErrNotBegun
	}
	return nil, &DeathError{PID: c.PID(), Status: c.status, Hung: c.silent}
}

// Kill ends the child and what it has started, now.
func (c *Child) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		killGroup(c.process)
	}
}

// End is Kill for its taker, who has a reason and tells it: what the child did is not to go on.
func (c *Child) End() {
	c.mu.Lock()
	c.wanted = true
	c.mu.Unlock()
	c.Kill()
}

// Signal sends a signal to the child alone.
func (c *Child) Signal(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		signalProcess(c.process, s)
	}
}

func (c *Child) send(f frame) error { return c.out.send(f, writePatience) }

// writePatience is how long a full pipe is waited for. A child reads at all times, so that only one that is stopped or dead
// fills it.
const writePatience = time.Minute

// await reaps the child.
func (c *Child) await() {
	if awaitEnd(c.process) {
		c.mu.Lock()
		killGroup(c.process) // what it has started
		c.reaped = true
		c.mu.Unlock()
	}
	state, _ := c.process.Wait() // the only one who waits: no error but that it was never there
	c.mu.Lock()
	c.reaped = true
	c.mu.Unlock()
	c.status = status(state)
	c.endLife()
	close(c.exited)
	_ = c.in.SetReadDeadline(time.Now().Add(lastWordsWait))
	<-c.readEnded
	_ = c.in.Close()
	_ = c.out.file.Close()
	close(c.dead)
	c.pool.gone(c)
}

// lastWordsWait bounds the reading of what a dead child has said, should somebody it started hold its pipe.
const lastWordsWait = 2 * time.Second

// read takes in all that the child says.
func (c *Child) read() {
	defer close(c.readEnded)
	r := bufio.NewReaderSize(c.in, 64<<10)
	for {
		f, err := readFrame(r)
		if err == nil {
			c.unanswered.Store(0)
			err = c.hear(f)
		}
		if err == nil {
			continue
		}
		if c.pool.isLeaving(c) {
			return
		}
		select {
		case <-c.exited:
		default:
			c.Kill() // it can say nothing more, or speaks nonsense
		}
		return
	}
}

func (c *Child) hear(f frame) error {
	c.mu.Lock()
	k := c.doing
	c.mu.Unlock()
	if k != nil && k.id != f.call {
		k = nil
	}
	switch f.kind {
	case kindHello:
		if string(f.payload) != version {
			return fmt.Errorf("child process %d speaks another version: %q", c.PID(), f.payload)
		}
		c.pool.isUp(c)
	case kindTaken:
		if k != nil {
			c.mu.Lock()
			k.taken = true
			c.mu.Unlock()
		}
	case kindDone:
		if k == nil {
			return fmt.Errorf("child process %d has done what it was not asked to do", c.PID())
		}
		select {
		case k.answer <- f.payload:
		default:
			return fmt.Errorf("child process %d has answered twice", c.PID())
		}
	case kindAsk:
		return c.question(k, f)
	case kindPong:
	default:
		return fmt.Errorf("child process %d sent a frame of the kind %d, which is a parent's", c.PID(), f.kind)
	}
	return nil
}

// question has a question answered, by whoever does the call that it belongs to. k is nil when that is over.
func (c *Child) question(k *call, f frame) error {
	if len(f.payload) < 4 {
		return errors.New("a question without a number")
	}
	number, text := binary.BigEndian.Uint32(f.payload), f.payload[4:]
	select {
	case c.pool.questions <- struct{}{}:
	case <-c.exited:
		return nil
	}
	ctx, ask, done := c.life, c.pool.config.Ask, func() {}
	if f.call != 0 {
		ctx, ask = c.life, nil
		c.mu.Lock()
		if k != nil && c.doing == k { // Do waits for the answers of its own call only
			k.answers.Add(1)
			ctx, ask, done = k.ctx, k.ask, k.answers.Done
		}
		c.mu.Unlock()
	}
	c.pool.answering.Go(func() {
		defer func() { <-c.pool.questions }()
		var answer []byte
		if ask != nil {
			answer = ask(ctx, text)
		}
		done()
		_ = c.send(frame{kind: kindAnswer, call: number, payload: answer})
	})
	return nil
}
