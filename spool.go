package umbel

// The spool: messages that cannot be sent now are kept in a file of this host, and forwarded in their order when the broker is
// back.
//
//	Send ─► broker there, spool empty ─► broker
//	   └──► broker away, or others wait ─► spool (SQLite, synced) ─► forwarder ─► broker
//
// The file is one of the embedded broker, with one queue. Any number of processes may keep messages in it; the one that holds
// its queue exclusively forwards for all, and if it dies another takes over.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/envelope"
	"github.com/umbel-go/umbel/protocol"
)

const (
	spoolQueue   = "umbel.spool"
	spoolRefused = "umbel.spool.refused" // what the broker has refused for good

	// spoolWrite bounds a write to the file, spoolForward one attempt to forward.
	spoolWrite   = 10 * time.Second
	spoolForward = 30 * time.Second
)

// A SpoolFullError says that a message could not be sent, and that the spool, which would have kept it, holds as many as it may.
type SpoolFullError struct {
	File string
	Most int   // task_spool_max
	Err  error // why the message could not be sent
}

func (e *SpoolFullError) Error() string {
	return fmt.Sprintf("spool %s holds %d messages, as many as task_spool_max allows, and the broker takes none: %v", e.File, e.Most, e.Err)
}

// Unwrap gives broker.ErrNotSent, and the reason.
func (e *SpoolFullError) Unwrap() []error { return []error{broker.ErrNotSent, e.Err} }

// A SpoolState is what is in a spool.
type SpoolState struct {
	File    string
	Waiting int // messages that are to be forwarded
	Refused int // messages that the broker has refused for good; they stay until somebody looks at them
}

// A spool is an app's hold on the file.
type spool struct {
	app  *App
	file broker.Broker
	path string
	plan *plan

	waiting atomic.Bool // messages may be in it: nothing is sent past them before that is asked
	telling sync.Mutex  // guards full and kept
	kept    int         // since the broker was there last

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	ended  chan struct{} // closed by the forwarder
}

// spooling opens the spool on the first call; nil when the settings name none.
func (a *App) spooling(ctx context.Context) (*spool, error) {
	if s := a.spool.Load(); s != nil {
		return s, nil
	}
	p, err := a.ready()
	if err != nil || p.config.TaskSpool == "" {
		return nil, err
	}
	if err := a.opening.lock(ctx); err != nil {
		return nil, err
	}
	defer a.opening.unlock()
	if s := a.spool.Load(); s != nil {
		return s, nil
	}
	if a.closed {
		return nil, broker.ErrClosed
	}
	s, err := openSpool(ctx, a, p)
	if err != nil {
		return nil, fmt.Errorf("task_spool: %w", err)
	}
	a.spool.Store(s)
	go s.run() // ends with App.Close
	return s, nil
}

func openSpool(ctx context.Context, a *App, p *plan) (*spool, error) {
	url := p.config.TaskSpool
	if !strings.Contains(url, "://") {
		url = "sqlite://" + strings.NewReplacer("%", "%25", "?", "%3F").Replace(url)
	}
	if !strings.HasPrefix(url, "sqlite://") {
		return nil, fmt.Errorf("%s is no file: write a path, or sqlite://PATH", broker.MaskURL(url))
	}
	file, err := broker.Open(ctx, broker.Config{URLs: []string{url}, Log: a.Logger()})
	if err != nil {
		return nil, err
	}
	path, _, _ := strings.Cut(strings.TrimPrefix(url, "sqlite://"), "?")
	s := &spool{app: a, file: file, path: path, plan: p, ended: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	err = file.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: spoolQueue, Durable: true}, {Name: spoolRefused, Durable: true}}})
	if err == nil {
		_, err = s.depth(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return s, nil
}

// depth is how many messages wait in the file, those in the forwarder's hands included.
func (s *spool) depth(ctx context.Context) (int, error) {
	stat, err := s.file.Stat(ctx, spoolQueue)
	if err != nil {
		return 0, err
	}
	n := stat.Ready + max(stat.Unsettled, 0)
	s.waiting.Store(n > 0)
	return n, nil
}

// busy reports whether messages wait that must not be overtaken.
func (s *spool) busy(ctx context.Context) bool {
	if !s.waiting.Load() {
		return false
	}
	n, err := s.depth(ctx)
	return err != nil || n > 0
}

// clear reports whether the broker is there and nothing waits: a batch may go out at once.
func (s *spool) clear(ctx context.Context) bool {
	if s.busy(ctx) {
		return false
	}
	c, known := s.app.BrokerCondition()
	return known && c.Connected && c.Blocked == "" || !known && s.app.link.Load() != nil
}

// send sends a message, or keeps it for later.
func (s *spool) send(ctx context.Context, m *broker.Message, p *Publication) error {
	if s.busy(ctx) {
		return s.keep(ctx, m, p, errSpoolBusy)
	}
	err := s.try(ctx, m, p)
	if err == nil || !s.takes(ctx, err) {
		return err
	}
	return s.keep(ctx, m, p, err)
}

var errSpoolBusy = errors.New("messages that were sent before it wait for the broker")

// takes reports whether a message that could not be sent for this reason is kept: it is certain not to have left, and its caller
// has not given it up.
func (s *spool) takes(ctx context.Context, err error) bool {
	var refused *broker.RefusedError
	away := errors.Is(err, broker.ErrNotSent) || errors.As(err, &refused) && refused.Reason == broker.Blocked
	return away && !errors.Is(context.Cause(ctx), context.Canceled)
}

// try sends a message as long as the broker is there, and waits for it no longer than task_spool_after when it is not.
func (s *spool) try(ctx context.Context, m *broker.Message, p *Publication) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := s.watch(func() { cancel(errSpoolAway) })
	defer stop()
	o, err := s.app.outlet(ctx)
	if err != nil {
		return notSent(err)
	}
	if err := o.send(ctx, m, p); err != nil {
		return err
	}
	if o.link != nil {
		o.link.tellSent(p.task, p.Queue, m)
	}
	return nil
}

var errSpoolAway = errors.New("the broker is away")

// watch calls away once the broker has been away for task_spool_after. stop ends it.
func (s *spool) watch(away func()) (stop func()) {
	after := s.plan.config.TaskSpoolAfter
	done := make(chan struct{})
	var timer *time.Timer
	var mu sync.Mutex // guards timer
	look := func() {
		c, known := s.app.BrokerCondition()
		if !known && s.app.link.Load() == nil || known && (!c.Connected || c.Blocked != "") {
			away()
			return
		}
		mu.Lock()
		defer mu.Unlock()
		select {
		case <-done:
		default:
			timer.Reset(after)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(after, look)
	return func() {
		close(done)
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
	}
}

// keep writes a message to the file.
func (s *spool) keep(ctx context.Context, m *broker.Message, p *Publication, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), spoolWrite)
	defer cancel()
	n, err := s.depth(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w; nor can the spool keep it: %w", broker.ErrNotSent, why, err)
	}
	if most := s.plan.config.TaskSpoolMax; n >= most {
		return &SpoolFullError{File: s.path, Most: most, Err: why}
	}
	record, err := spoolRecord(m, p.Queue)
	if err != nil {
		return notSent(err)
	}
	s.waiting.Store(true) // before it is there: nobody shall overtake it
	if err := s.file.Publish(ctx, record); err != nil {
		return fmt.Errorf("%w: %w; nor can the spool keep it: %w", broker.ErrNotSent, why, err)
	}
	p.Spooled = true
	s.telling.Lock()
	defer s.telling.Unlock()
	if s.kept++; s.kept == 1 {
		s.app.Logger().Warn("messages cannot be sent; they are kept in the spool until they can", "spool", s.path, "reason", why)
	}
	return nil
}

// spoolRecord is a message as the file holds it: whole and closed, so that neither its priority nor its expiry acts there.
func spoolRecord(m *broker.Message, queue string) (*broker.Message, error) {
	head, err := envelope.Encode(m)
	if err != nil {
		return nil, err
	}
	out := &broker.Message{RoutingKey: spoolQueue}
	out.Headers = protocol.Table{"head": string(head), "queue": queue}
	if !m.NotBefore.IsZero() {
		out.Headers["not-before"] = m.NotBefore.UnixMicro()
	}
	out.Properties = protocol.Properties{DeliveryMode: protocol.Persistent, CorrelationID: m.Properties.CorrelationID}
	out.Body = m.Body
	return out, nil
}

// readSpoolRecord is spoolRecord's opposite.
func readSpoolRecord(d *broker.Message) (m *broker.Message, queue string, err error) {
	head, _ := d.Headers["head"].(string)
	m = &broker.Message{}
	if err := envelope.Decode([]byte(head), m); err != nil {
		return nil, "", err
	}
	queue, _ = d.Headers["queue"].(string)
	if us, ok := d.Headers["not-before"].(int64); ok {
		m.NotBefore = time.UnixMicro(us)
	}
	m.Body = d.Body
	return m, queue, nil
}

// Spool is what waits in the spool that the settings name, for any process of this host. ok is false when they name none.
func (a *App) Spool(ctx context.Context) (state SpoolState, ok bool, err error) {
	s, err := a.spooling(ctx)
	if s == nil || err != nil {
		return state, false, err
	}
	state.File = s.path
	if state.Waiting, err = s.depth(ctx); err != nil {
		return state, true, err
	}
	refused, err := s.file.Stat(ctx, spoolRefused)
	state.Refused = refused.Ready + max(refused.Unsettled, 0)
	return state, true, err
}
