package amqp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/amqpwire"
)

// laneWindow is how many messages of one lane may await their confirms. The buffer for returned messages has the same
// size, so that the library's reader can always put one in: it drops what it cannot hand over.
const laneWindow = 2048

// A lane is one channel in confirm mode. Many goroutines publish on it at once and each waits only for its own confirm.
type lane struct {
	s  *session
	ch *amqp091.Channel

	mu   sync.Mutex // held while one message is handed to the library
	last uint64     // delivery tag of the latest publish; final once the channel is closed

	slots   chan struct{} // cap laneWindow: messages that await their confirms, abandoned ones included
	returns chan amqp091.Return

	returnedMu sync.Mutex
	returned   []amqp091.Return // taken from returns, not yet claimed by their publishers

	closes    <-chan *amqp091.Error
	closeOnce sync.Once
	closeErr  error // why the channel closed
}

func (s *session) newLane() (*lane, error) {
	ch, err := s.channel()
	if err != nil {
		return nil, err
	}
	if err := ch.Confirm(false); err != nil {
		return nil, fmt.Errorf("switch publisher confirms on: %w", plain(err))
	}
	return &lane{
		s: s, ch: ch,
		slots:   make(chan struct{}, laneWindow),
		returns: ch.NotifyReturn(make(chan amqp091.Return, laneWindow)),
		closes:  ch.NotifyClose(make(chan *amqp091.Error, 1)),
	}, nil
}

// closed waits until the channel is closed and says why. The library sends the reason before it fails the confirms
// that are still out, so whoever was failed gets it at once.
func (l *lane) closed() error {
	l.closeOnce.Do(func() {
		if e, ok := <-l.closes; ok && e != nil {
			if l.closeErr = plain(e); !e.Server {
				l.closeErr = fmt.Errorf("connection lost: %w", l.closeErr)
			}
		} else {
			l.closeErr = errClosedHere
		}
	})
	return l.closeErr
}

// lastTag returns the tag of the last publish of a closed lane. Under the lock, or a publish that the library took just
// before the end might not be counted yet.
func (l *lane) lastTag() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// claim returns the broker's return of m, if it came. It must be called after m's confirm: a returned message comes
// back before it is confirmed. A return carries no delivery tag, so it is matched by content; two messages that are
// equal in every byte that matters have the same route and may take each other's.
func (l *lane) claim(m *broker.Message) *amqp091.Return {
	l.returnedMu.Lock()
	defer l.returnedMu.Unlock()
	for {
		select {
		case r, ok := <-l.returns:
			if ok {
				_, r.Body, _ = amqpwire.Split(r.Body)
				l.returned = append(l.returned, r)
				continue
			}
		default:
		}
		break
	}
	for i := range l.returned {
		r := &l.returned[i]
		if r.RoutingKey == m.RoutingKey && r.Exchange == m.Exchange &&
			r.CorrelationId == m.Properties.CorrelationID && bytes.Equal(r.Body, m.Body) {
			out := *r
			last := len(l.returned) - 1
			copy(l.returned[i:], l.returned[i+1:])
			l.returned[last] = amqp091.Return{}
			l.returned = l.returned[:last]
			return &out
		}
	}
	return nil
}

// A flight is a message that was written and awaits its confirm.
type flight struct {
	l     *lane
	m     *broker.Message
	dc    *amqp091.DeferredConfirmation
	alone bool
}

// errAgain says that nothing was sent and that a newer lane or session should be tried.
var errAgain = errors.New("lane is closed: nothing was sent")

// send writes p once the lane, the socket and the broker have room for it. It holds a slot until the flight lands.
func (l *lane) send(ctx context.Context, p *prepared) (flight, error) {
	select {
	case l.slots <- struct{}{}:
	default:
		if p.hasty {
			return flight{}, errCrowded
		}
		select {
		case l.slots <- struct{}{}:
		case <-l.s.gone:
			return flight{}, errAgain
		case <-ctx.Done():
			return flight{}, notSent(fmt.Errorf("%d messages await their confirms: %w", laneWindow, context.Cause(ctx)))
		}
	}
	if err := l.write(ctx, p); err != nil {
		<-l.slots
		return flight{}, err
	}
	return flight{l: l, m: p.m, dc: p.dc}, nil
}

func (l *lane) write(ctx context.Context, p *prepared) error {
	for {
		if err := l.s.admitted(ctx, p.m); err != nil {
			return err
		}
		l.mu.Lock()
		// Asked under the lock: only one message at a time can overshoot the transport's high water mark.
		if full := l.s.t.full(); full != nil {
			l.mu.Unlock()
			select {
			case <-full:
			case <-l.s.gone:
				return errAgain
			case <-ctx.Done():
				return l.s.refusedOrNotSent(ctx, p.m)
			}
			continue
		}
		if p.way != "" { // as late as can be: what was waited for until now is no part of the delay any more
			p.m.RoutingKey = delayKey(int64(time.Until(p.m.NotBefore)/delayStep), p.way)
		}
		dc, err := l.ch.PublishWithDeferredConfirm(p.m.Exchange, p.m.RoutingKey, true, false, p.pub)
		if err == nil {
			l.last = dc.DeliveryTag
		}
		l.mu.Unlock()
		if err != nil {
			// The transport takes a write whole or not at all, and a broker drops a message whose last frame never
			// came: this one was not sent.
			if !l.ch.IsClosed() && !l.s.conn.IsClosed() {
				return notSent(plain(err)) // not the lane's fault: trying again would not end
			}
			return errAgain
		}
		p.dc = dc
		return nil
	}
}

// admitted waits while the broker has the connection blocked.
func (s *session) admitted(ctx context.Context, m *broker.Message) error {
	if s.blocked.get() == nil {
		return nil
	}
	_, err := s.free.wait(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return s.refusedOrNotSent(ctx, m)
	default:
		return errAgain
	}
}

// refusedOrNotSent is for a publish whose context ended before it was written.
func (s *session) refusedOrNotSent(ctx context.Context, m *broker.Message) error {
	if reason := s.blocked.get(); reason != nil {
		return &broker.RefusedError{Reason: broker.Blocked, Exchange: m.Exchange, RoutingKey: m.RoutingKey, Detail: *reason,
			Hint: "free memory or disk on the broker, or drain its queues"}
	}
	return notSent(fmt.Errorf("the broker does not read from its socket: %w", context.Cause(ctx)))
}

// land waits for the confirm and says what became of the message. errAgain: it never arrived and may be sent again.
func (f flight) land(ctx context.Context) error {
	select {
	case <-f.dc.Done():
		return f.outcome()
	default:
	}
	select {
	case <-f.dc.Done():
		return f.outcome()
	case <-ctx.Done():
		err := f.unconfirmed(context.Cause(ctx))
		// Its slot, and its return if there is one, stay taken until the broker has spoken.
		rest := func() {
			<-f.dc.Done()
			_ = f.outcome()
		}
		if !f.l.s.spawn(rest) {
			rest() // the session is over: the library has failed every confirm
		}
		return err
	}
}

// outcome reads the confirm that has come, and releases what the flight held.
func (f flight) outcome() error {
	l := f.l
	if f.alone {
		defer func() { <-l.s.aloneSem }()
	}
	defer func() { <-l.slots }()
	if f.dc.Acked() {
		r := l.claim(f.m)
		if f.alone {
			l.s.prove(f.m.Exchange)
		}
		if r == nil {
			return nil
		}
		return &broker.RefusedError{Reason: broker.Unroutable, Exchange: f.m.Exchange, RoutingKey: f.m.RoutingKey,
			Detail: fmt.Sprintf("%d %s", r.ReplyCode, r.ReplyText), Hint: unroutableHint(f.m)}
	}
	if !l.ch.IsClosed() {
		l.claim(f.m)
		return &broker.RefusedError{Reason: broker.Nacked, Exchange: f.m.Exchange, RoutingKey: f.m.RoutingKey,
			Hint: "the queue is full (overflow reject-publish) or its node has failed"}
	}
	why := l.closed()
	refused := l.s.refusal(said(why), f.m)
	switch {
	case refused == nil:
		return f.unconfirmed(why)
	case f.alone:
		return refused
	case f.dc.DeliveryTag == l.lastTag():
		// The broker closes the channel at the message it refuses and drops all later ones. The last one is either
		// that message or came after it: it certainly did not arrive.
		if mentions(refused.Detail, f.m.Exchange) {
			return refused
		}
		return errAgain
	default:
		return f.unconfirmed(why)
	}
}

func (f flight) unconfirmed(why error) error {
	err := fmt.Errorf("publish to exchange %q with routing key %q: %w: %w", f.m.Exchange, f.m.RoutingKey, broker.ErrUnconfirmed, why)
	if reason := f.l.s.blocked.get(); reason != nil {
		err = fmt.Errorf("%w (the broker has raised an alarm: %s)", err, *reason)
	}
	return err
}

func unroutableHint(m *broker.Message) string {
	if m.Exchange == "" {
		return "declare the queue first"
	}
	return "bind a queue to the exchange for this routing key"
}

func notSent(why error) error { return fmt.Errorf("%w: %w", broker.ErrNotSent, why) }

// A keeper keeps one lane open for as long as its session lives.
type keeper struct {
	lanes latch[lane]
}

// run is the keeper's goroutine.
func (k *keeper) run(s *session, l *lane) {
	for n := 0; ; n++ {
		k.lanes.set(l)
		why := l.closed()
		k.lanes.clear(l)
		// A refusal means that what was proven no longer holds.
		s.disprove()
		if s.conn.IsClosed() {
			return
		}
		s.link.log.Warn("publishing channel closed, opening another", "broker", s.endpoint.masked, "reason", why)
		var err error
		if l, err = s.newLane(); err != nil {
			if !s.conn.IsClosed() {
				s.link.log.Error("cannot open a publishing channel, dropping the connection", "error", err)
				s.t.drop(fmt.Errorf("given up, for it opens no publishing channel: %w", err))
			}
			return
		}
	}
}

// openLanes readies the session of the publishing link.
func openLanes(_ context.Context, s *session) error {
	shared, err := s.newLane()
	if err != nil {
		return err
	}
	alone, err := s.newLane()
	if err != nil {
		return err
	}
	s.shared.lanes.set(shared)
	s.alone.lanes.set(alone)
	s.spawn(func() { s.shared.run(s, shared) })
	s.spawn(func() { s.alone.run(s, alone) })
	return nil
}
