package procpool

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// version is said by a child when it is up. Parent and child are one program, except when something is badly wrong.
const version = "1"

// marker is the variable by which a process knows that it is a child, and whose: it holds the pool's name.
const marker = "UMBEL_POOL_CHILD"

// The child's ends of the pipes.
const (
	childIn  = 3
	childOut = 4
)

// role is what this process is, found out before anything else runs: what it starts itself must not take itself for a child.
var role = findRole()

type roleOf struct {
	child bool
	pool  string
}

func findRole() roleOf {
	pool, set := os.LookupEnv(marker)
	if !set || !isPipe(childIn) || !isPipe(childOut) {
		return roleOf{}
	}
	_ = os.Unsetenv(marker)
	keepFromHeirs(childIn, childOut)
	return roleOf{child: true, pool: pool}
}

// InChild reports whether this process is a child, and the name of its pool.
func InChild() (pool string, is bool) { return role.pool, role.child }

// environ is a child's environment.
func environ(own []string, pool string) []string {
	env := make([]string, 0, len(own)+1)
	for _, v := range own {
		if !strings.HasPrefix(v, marker+"=") {
			env = append(env, v)
		}
	}
	return append(env, marker+"="+pool)
}

// A Session is a child's talk with its parent, seen from the child.
type Session struct {
	out outlet

	mu        sync.Mutex             // guards what follows
	questions map[uint32]chan []byte // asked and not answered
	number    uint32
	ended     chan struct{}
}

// ErrOver says that nobody answers any more: the call that a question belongs to has ended, or the parent is gone.
var ErrOver = errors.New("the parent process does not answer any more")

// A Call is one thing that this process was asked to do.
type Call struct {
	session *Session
	id      uint32
	told    chan []byte // 1
}

// Told gives what the parent says about the call while it is done: once at most.
func (c *Call) Told() <-chan []byte { return c.told }

var session = sync.OnceValue(func() *Session {
	return &Session{out: outlet{file: os.NewFile(childOut, "to the parent")}, questions: make(map[uint32]chan []byte), ended: make(chan struct{})}
})

// Parent is the talk with this process's parent, for a child. It can ask once Serve serves.
func Parent() *Session { return session() }

// Ended is closed when the parent has let this child go, or is gone.
func (s *Session) Ended() <-chan struct{} { return s.ended }

// Serve does what the parent asks until it lets this child go, or is gone. It is called once, by a child. do does one thing
// and returns its answer; the call is for questions that belong to it.
func (s *Session) Serve(do func(call *Call, payload []byte) (answer []byte)) error {
	defer close(s.ended)
	// Signals are the parent's affair: those to a whole group or service reach children as well. They are taken and dropped
	// rather than ignored, which programs started from here would inherit.
	deaf := make(chan os.Signal, 1)
	signal.Notify(deaf, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(deaf)
	rename(filepath.Base(os.Args[0]))

	in := os.NewFile(childIn, "from the parent")
	if err := s.out.send(frame{kind: kindHello, payload: []byte(version)}, 0); err != nil {
		return err
	}
	r := bufio.NewReaderSize(in, 64<<10)
	var now *Call
	for {
		f, err := readFrame(r)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		switch f.kind {
		case kindDo:
			s.say(frame{kind: kindTaken, call: f.call})
			now = &Call{session: s, id: f.call, told: make(chan []byte, 1)}
			go s.do(do, now, f.payload)
		case kindTell:
			if now != nil && now.id == f.call {
				select {
				case now.told <- f.payload:
				default:
				}
			}
		case kindAnswer:
			s.mu.Lock()
			waiting := s.questions[f.call]
			delete(s.questions, f.call)
			s.mu.Unlock()
			if waiting != nil {
				waiting <- f.payload // cap 1, and sent to once
			}
		case kindPing:
			s.say(frame{kind: kindPong})
		default:
			return errors.New("the parent process sent a frame that only a child sends")
		}
	}
}

// say writes to the parent. That it is gone is found out by reading.
func (s *Session) say(f frame) { _ = s.out.send(f, 0) }

// do runs in a goroutine of its own, and answers however that ends.
func (s *Session) do(do func(*Call, []byte) []byte, c *Call, payload []byte) {
	var answer []byte
	defer func() { s.say(frame{kind: kindDone, call: c.id, payload: answer}) }()
	answer = do(c, payload)
}

// Ask asks whoever had this done. The answer is never empty; ErrOver when the call has ended.
func (c *Call) Ask(ctx context.Context, question []byte) ([]byte, error) {
	return c.session.ask(ctx, c.id, question)
}

// Ask asks the parent something that belongs to no call.
func (s *Session) Ask(ctx context.Context, question []byte) ([]byte, error) {
	return s.ask(ctx, 0, question)
}

func (s *Session) ask(ctx context.Context, call uint32, question []byte) ([]byte, error) {
	answer := make(chan []byte, 1)
	s.mu.Lock()
	s.number++
	n := s.number
	s.questions[n] = answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.questions, n)
		s.mu.Unlock()
	}()
	payload := append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(question)), n), question...)
	if err := s.out.send(frame{kind: kindAsk, call: call, payload: payload}, 0); err != nil {
		return nil, err
	}
	select {
	case a := <-answer:
		if len(a) == 0 {
			return nil, ErrOver
		}
		return a, nil
	case <-s.ended:
		return nil, ErrOver
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
