package worker

// Seats in child processes: worker_pool "process". A slot takes a child for each task; the child runs the handler, with its
// middleware, and all else stays here.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/envelope"
	"github.com/umbel-go/umbel/internal/procpool"
	"github.com/umbel-go/umbel/protocol"
)

// processes are seats in children.
type processes struct {
	worker *Worker
	pool   *procpool.Pool
	orders atomic.Int64 // tasks given to children, as Celery numbers them: the first is 0
}

// openProcesses starts the children.
func openProcesses(ctx context.Context, w *Worker) (*processes, error) {
	p := &processes{worker: w}
	s := w.settings
	var err error
	p.pool, err = procpool.Open(ctx, procpool.Config{
		Name: w.node, Command: w.ChildCommand, Size: w.startSize(), MaxTasks: s.WorkerMaxTasksPerChild,
		MaxMemory: int64(s.WorkerMaxMemoryPerChild) << 10, Alive: s.WorkerProcAliveTimeout, Silence: unlessOff(s.WorkerProcSilenceTimeout),
		Ask: p.relay, Log: w.log,
	})
	if err != nil {
		return nil, fmt.Errorf("worker: pool of processes: %w", err)
	}
	return p, nil
}

// unlessOff is 0 for a setting that is switched off.
func unlessOff(d time.Duration) time.Duration { return max(d, 0) }

func (p *processes) take(ctx context.Context) (seat, error) {
	c, err := p.pool.Take(ctx)
	if err != nil {
		return nil, err
	}
	return &processSeat{processes: p, child: c}, nil
}

func (p *processes) keepsMessages() bool { return true }
func (p *processes) clear() bool         { p.pool.KillAll(); return true }
func (p *processes) close()              { p.pool.Close() }
func (p *processes) resize(n int)        { p.pool.Resize(n) }
func (p *processes) restart() bool       { p.pool.Restart(); return true }
func (p *processes) pids() []int         { return p.pool.Stats().PIDs }

// A processSeat is a child that runs one task; another child if the first is gone before it began.
type processSeat struct {
	processes *processes

	mu     sync.Mutex // guards what follows
	child  *procpool.Child
	closed bool        // the task must not begin any more
	left   bool        // the child is another task's
	grace  *time.Timer // ends a terminated task's child
}

func (s *processSeat) now() *procpool.Child {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.child
}

func (s *processSeat) pid() int { return s.now().PID() }

func (s *processSeat) leave() {
	s.mu.Lock()
	s.left = true
	if s.grace != nil {
		s.grace.Stop()
	}
	s.mu.Unlock()
	s.child.Leave()
}

// terminate kills the child at once, or gives it a while to end its task.
func (s *processSeat) terminate(signal syscall.Signal) {
	grace := unlessOff(s.processes.worker.settings.WorkerTerminateGrace)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.left:
		return
	case signal == syscall.SIGKILL || grace == 0:
		s.child.End()
		return
	case signal != syscall.SIGTERM: // which children do not hear: the pipe tells them
		s.child.Signal(signal)
	}
	if s.grace == nil {
		s.grace = time.AfterFunc(grace, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if !s.left {
				s.child.End()
			}
		})
	}
}

// expel kills the child.
func (s *processSeat) expel(*run) (string, []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.child.End()
	return "its child process is killed, another takes its place", []any{"pid", s.child.PID()}
}

func (s *processSeat) run(ctx context.Context, r *run, body *protocol.Body) (*umbel.Outcome, *death) {
	w := s.processes.worker
	failed := func(err error) (*umbel.Outcome, *death) { return &umbel.Outcome{State: umbel.Failure, Err: err}, nil }
	o := &order{message: r.delivery.Message, queue: r.request.Queue, redelivered: r.request.Redelivered, wantsValue: w.wantsValue(r),
		soft: r.request.SoftTimeLimit, hard: r.request.TimeLimit}
	o.message.Exchange, o.message.RoutingKey = r.request.Exchange, r.request.RoutingKey
	payload, err := o.encode()
	if err != nil {
		return failed(fmt.Errorf("hand the task to a child process: %w", err))
	}
	number := s.processes.orders.Add(1) - 1
	for {
		answer, err := s.do(ctx, payload, r)
		var died *procpool.DeathError
		switch {
		case err == nil && len(answer) == 0:
			return failed(errGoexit)
		case err == nil:
			out, err := decodeOutcome(answer)
			if err != nil {
				return failed(fmt.Errorf("read what a child process answered: %w", err))
			}
			r.request.SetChildren(out.children)
			r.request.SetCarrier(out.carrier)
			return &out.Outcome, nil
		case r.terminated():
			return &umbel.Outcome{State: umbel.Revoked, Err: umbel.ErrRevoked}, nil
		case errors.Is(err, procpool.ErrNotBegun):
			if err := s.another(ctx); err != nil {
				return failed(fmt.Errorf("hand the task to another child process: %w", err))
			}
		case errors.As(err, &died) && ctx.Err() != nil && errors.Is(context.Cause(ctx), umbel.ErrShutdown):
			return failed(umbel.ErrShutdown)
		case errors.As(err, &died):
			return nil, &death{status: died.Status, order: number}
		default:
			return failed(fmt.Errorf("hand the task to a child process: %w", err))
		}
	}
}

// do has the child run the task. When ctx ends the child is told why.
func (s *processSeat) do(ctx context.Context, payload []byte, r *run) ([]byte, error) {
	return s.now().Do(ctx, procpool.Errand{Payload: payload,
		Ask:  func(ctx context.Context, question []byte) []byte { return s.processes.stored(ctx, r, question) },
		Tell: func(cause error) []byte { return []byte(causeName(cause)) }})
}

// another takes another child in the place of one that is gone.
func (s *processSeat) another(ctx context.Context) error {
	s.now().Leave()
	c, err := s.processes.pool.Take(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.child = c
	if s.closed {
		return umbel.ErrTimeLimit
	}
	return nil
}

// stored stores a state that a running task reports.
func (p *processes) stored(ctx context.Context, r *run, question []byte) []byte {
	rep, err := decodeReport(question)
	if err == nil {
		r.request.SetChildren(rep.children)
		err = r.report(ctx, r.request, rep.state, rep.meta)
	}
	t := protocol.Table{"no backend": errors.Is(err, umbel.ErrNoBackend), "ended": errors.Is(err, umbel.ErrTaskEnded)}
	if err != nil {
		t["error"] = err.Error()
	}
	return answerTable(t)
}

// relay answers what the brokers of children ask.
func (p *processes) relay(ctx context.Context, question []byte) []byte {
	f, err := readFields(question)
	if err != nil {
		return answerTable(protocol.Table{"error": errorField(err)})
	}
	wait := f.duration("wait")
	if wait <= 0 {
		wait = relayed
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	b := p.worker.broker
	switch f.text("what") {
	case askTraits:
		return answerTable(protocol.Table{"traits": traitsTable(b.Traits())})
	case askDeclare:
		return answerTable(protocol.Table{"error": errorField(b.Declare(ctx, topologyOf(f.table("topology"))))})
	case askPublish:
		return answerTable(protocol.Table{"errors": p.publish(ctx, b, f.list("messages"))})
	}
	return answerTable(protocol.Table{"error": errorField(fmt.Errorf("a child process asks for %q, which is unknown here", f.text("what")))})
}

func (p *processes) publish(ctx context.Context, b broker.Broker, list []any) []any {
	batch := make([]*broker.Message, len(list))
	out := make([]any, len(list))
	for i, x := range list {
		t, _ := x.(protocol.Table)
		f, m := fields(t), new(broker.Message)
		if err := envelope.Decode(f.bytes("head"), m); err != nil {
			for j := range out {
				out[j] = errorField(fmt.Errorf("%w: read a message of a child process: %w", broker.ErrNotSent, err))
			}
			return out
		}
		m.Body, m.NotBefore = f.bytes("body"), f.time("not before")
		batch[i] = m
	}
	if len(batch) == 1 {
		out[0] = errorField(b.Publish(ctx, batch[0]))
		return out
	}
	for i, err := range b.PublishBatch(ctx, batch) {
		out[i] = errorField(err)
	}
	return out
}

// answerTable encodes an answer. What is put into one can be encoded.
func answerTable(t protocol.Table) []byte {
	b, err := envelope.AppendTable(nil, t)
	if err != nil {
		b, _ = envelope.AppendTable(nil, protocol.Table{"error": protocol.Table{"text": err.Error()}})
	}
	return b
}
