package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
)

const (
	frameSize  = 128 << 10 // RabbitMQ's own default; the smaller of both sides' is used
	channelMax = 2047      // RabbitMQ's own default

	// controlChannels bounds the short-lived channels (declare, stat, purge) open at once.
	controlChannels = 8

	// goodbye bounds the closing handshake.
	goodbye = 3 * time.Second
)

// A session is one connection's life, from open-ok to its loss. It owns every goroutine that works on it.
type session struct {
	link     *link
	endpoint *endpoint
	conn     *amqp091.Connection
	t        *transport
	born     time.Time

	gone chan struct{} // closed when the connection is lost or closed
	err  error         // why; read only after gone. nil: we closed it

	blocked  latch[string] // the broker's reason while it refuses publishes (connection.blocked)
	free     latch[bool]   // set while it does not
	control  chan struct{} // cap controlChannels
	shared   keeper        // the lane for everything ordinary
	alone    keeper        // the lane for what might be refused
	aloneSem chan struct{} // cap 1: one message at a time on the alone lane
	proven   atomic.Pointer[map[string]struct{}]
	provenMu sync.Mutex   // serialises writers of proven
	limit    atomic.Int64 // the broker's largest message, once it told us; 0: unknown

	spawnMu sync.Mutex
	ended   bool           // no goroutine may start any more
	wg      sync.WaitGroup // every goroutine of the session
}

func newSession(l *link, e *endpoint, c *amqp091.Connection, t *transport) *session {
	s := &session{
		link: l, endpoint: e, conn: c, t: t, born: time.Now(),
		gone:     make(chan struct{}),
		control:  make(chan struct{}, controlChannels),
		aloneSem: make(chan struct{}, 1),
	}
	s.proven.Store(&map[string]struct{}{})
	yes := true
	s.free.set(&yes)
	closes := c.NotifyClose(make(chan *amqp091.Error, 1))
	blocks := c.NotifyBlocked(make(chan amqp091.Blocking, 16))
	s.spawn(func() { s.watch(closes, blocks) })
	return s
}

// watch is the session's own goroutine: it follows what the broker says about the connection as a whole, and ends with
// it.
func (s *session) watch(closes <-chan *amqp091.Error, blocks <-chan amqp091.Blocking) {
	for {
		select {
		case e, lost := <-closes:
			if lost {
				s.err = fmt.Errorf("connection to %s lost: %w", s.endpoint.masked, plain(e))
			}
			close(s.gone)
			ended := s.lostError()
			s.free.finish(ended)
			s.shared.lanes.finish(ended)
			s.alone.lanes.finish(ended)
			return
		case b, open := <-blocks:
			if !open {
				blocks = nil
				continue
			}
			s.block(b)
		}
	}
}

var errClosedHere = errors.New("connection closed by this process")

// lostError says why the session is over.
func (s *session) lostError() error {
	if s.err != nil {
		return s.err
	}
	return errClosedHere
}

// spawn runs f on a goroutine that the session owns; false when the session is over, and f was not run.
func (s *session) spawn(f func()) bool {
	s.spawnMu.Lock()
	defer s.spawnMu.Unlock()
	if s.ended {
		return false
	}
	s.wg.Go(f)
	return true
}

// drain waits until every goroutine of a session that is gone has ended, and lets no other start.
func (s *session) drain() {
	<-s.gone
	s.spawnMu.Lock()
	s.ended = true
	s.spawnMu.Unlock()
	s.wg.Wait()
}

// isGone reports whether the session is over.
func (s *session) isGone() bool {
	select {
	case <-s.gone:
		return true
	default:
		return s.conn.IsClosed()
	}
}

// channel opens a channel. It blocks until the broker answers or the connection dies.
func (s *session) channel() (*amqp091.Channel, error) {
	ch, err := s.conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", plain(err))
	}
	return ch, nil
}

// run runs f on a channel of its own. It blocks until the broker answers or the connection dies.
func (s *session) run(f func(*amqp091.Channel) error) error {
	ch, err := s.channel()
	if err != nil {
		return err
	}
	err = f(ch)
	if !ch.IsClosed() {
		_ = ch.Close()
	}
	return err
}

// do runs f on a channel of its own and waits for it as long as ctx allows: a channel error that f provokes harms
// nobody else. When ctx ends first f is left to end by itself, with the session at the latest.
func (s *session) do(ctx context.Context, f func(*amqp091.Channel) error) error {
	select {
	case s.control <- struct{}{}:
	case <-s.gone:
		return s.lostError()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	done := make(chan error, 1) // one result, even if nobody waits any more
	alive := s.spawn(func() {
		defer func() { <-s.control }()
		done <- s.run(f)
	})
	if !alive {
		<-s.control
		return s.lostError()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close says goodbye to the broker, as long as that takes no longer than goodbye, and waits until every goroutine of the
// session has ended.
func (s *session) close() {
	late := time.AfterFunc(goodbye, func() { s.t.Close() })
	defer late.Stop()
	_ = s.conn.Close()
	s.drain()
}

// abort drops the connection without goodbye and waits until every goroutine of the session has ended.
func (s *session) abort() {
	s.t.Close()
	s.drain()
}

// plain turns the library's errors into words: code and the broker's text, without its wrapping.
func plain(err error) error {
	var e *amqp091.Error
	if !errors.As(err, &e) {
		return err
	}
	if e == nil {
		return errors.New("closed")
	}
	if !e.Server {
		return errors.New(e.Reason)
	}
	return &saidError{e}
}

// A saidError is what the broker said when it closed a channel or connection.
type saidError struct{ e *amqp091.Error }

func (e *saidError) Error() string { return fmt.Sprintf("%d %s", e.e.Code, e.e.Reason) }
func (e *saidError) Unwrap() error { return e.e }

// Is finds broker.ErrMaintenance in what RabbitMQ says when it closes connections by an operator's command, when a node stops or
// is drained (320), and when something breaks inside of it, such as a queue whose node is going (541).
func (e *saidError) Is(target error) bool {
	return target == broker.ErrMaintenance && (e.e.Code == amqp091.ConnectionForced || e.e.Code == amqp091.InternalError)
}

// said returns the broker's own error in err, nil when there is none.
func said(err error) *amqp091.Error {
	var e *amqp091.Error
	if errors.As(err, &e) && e != nil && e.Server {
		return e
	}
	return nil
}
