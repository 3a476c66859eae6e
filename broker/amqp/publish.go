package amqp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
)

const (
	// largeBody is the size from which a message travels on the alone lane: the broker closes the channel of a message
	// that is larger than its max_message_size, and nobody else shall suffer.
	largeBody = 1 << 20

	// provenMost bounds the exchanges remembered as good.
	provenMost = 1024

	// batchWindow is how many messages of one batch are in flight: enough to hide the round trip.
	batchWindow = 512
)

// A prepared message is checked, converted and ready to be written.
type prepared struct {
	m     *broker.Message
	pub   amqp091.Publishing
	alone bool   // must not share a lane, whatever its exchange
	hasty bool   // rather errCrowded than a wait for a slot
	way   string // back from the delay queues; "": it is sent at once
	dc    *amqp091.DeferredConfirmation
}

// errCrowded is what a hasty message gets when its lane's window is full.
var errCrowded = errors.New("lane's window is full")

// Publish implements broker.Broker. While the connection is down it waits as long as ctx allows.
func (b *Broker) Publish(ctx context.Context, m *broker.Message) error {
	var p prepared
	if err := b.prepare(ctx, &p, m); err != nil {
		return err
	}
	err := b.publish(ctx, &p)
	if p.way != "" && isLayoutGone(err) {
		b.ways.lost()
		p = prepared{}
		if err := b.prepare(ctx, &p, m); err != nil {
			return err
		}
		err = b.publish(ctx, &p)
	}
	return err
}

// prepare readies p to be written, by way of the delay queues if m is due later.
func (b *Broker) prepare(ctx context.Context, p *prepared, m *broker.Message) error {
	if err := prepare(p, m); err != nil {
		return err
	}
	if m.NotBefore.IsZero() {
		return nil
	}
	if err := b.ways.delay(ctx, p); err != nil || p.way == "" {
		return err
	}
	return prepare(p, p.m)
}

func (b *Broker) publish(ctx context.Context, p *prepared) error {
	for {
		f, err := b.launch(ctx, p)
		if err != nil {
			return err
		}
		if err = f.land(ctx); !errors.Is(err, errAgain) {
			return err
		}
	}
}

// launch writes p on the lane it belongs to, on the session that stands.
func (b *Broker) launch(ctx context.Context, p *prepared) (flight, error) {
	for {
		if ctx.Err() != nil {
			return flight{}, notSent(context.Cause(ctx))
		}
		s, err := b.publishing.session(ctx)
		if err != nil {
			return flight{}, notSent(err)
		}
		if err := s.tooLarge(p.m); err != nil {
			return flight{}, err
		}
		var f flight
		if p.alone || !s.isProven(p.m.Exchange) {
			f, err = s.launchAlone(ctx, p)
		} else {
			f, err = s.launchShared(ctx, p)
		}
		if !errors.Is(err, errAgain) {
			return f, err
		}
		if s.isGone() {
			b.publishing.sessions.clear(s)
		}
	}
}

func (s *session) launchShared(ctx context.Context, p *prepared) (flight, error) {
	return s.launchOn(ctx, &s.shared, p)
}

func (s *session) launchOn(ctx context.Context, k *keeper, p *prepared) (flight, error) {
	l, err := k.lanes.wait(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return flight{}, notSent(err)
		}
		return flight{}, errAgain // the session is over
	}
	f, err := l.send(ctx, p)
	if errors.Is(err, errAgain) && l.ch.IsClosed() {
		k.lanes.clear(l)
	}
	return f, err
}

// launchAlone writes p while no other message is on the alone lane, so that a refusal is p's beyond doubt.
func (s *session) launchAlone(ctx context.Context, p *prepared) (flight, error) {
	select {
	case s.aloneSem <- struct{}{}:
	case <-s.gone:
		return flight{}, errAgain
	case <-ctx.Done():
		if s.blocked.get() != nil {
			return flight{}, s.refusedOrNotSent(ctx, p.m)
		}
		return flight{}, notSent(fmt.Errorf("the broker has not answered the message before it: %w", context.Cause(ctx)))
	}
	if !p.alone && s.isProven(p.m.Exchange) { // by another sender, while we waited
		<-s.aloneSem
		return s.launchShared(ctx, p)
	}
	f, err := s.launchOn(ctx, &s.alone, p)
	if err != nil {
		<-s.aloneSem
		return flight{}, err
	}
	f.alone = true
	return f, nil
}

// isProven reports whether this session has taken a message for the exchange: it exists and may be written to.
func (s *session) isProven(exchange string) bool {
	_, ok := (*s.proven.Load())[exchange]
	return ok
}

func (s *session) prove(exchange string) {
	if s.isProven(exchange) {
		return
	}
	s.provenMu.Lock()
	defer s.provenMu.Unlock()
	next := map[string]struct{}{}
	if old := *s.proven.Load(); len(old) < provenMost {
		next = maps.Clone(old)
	}
	next[exchange] = struct{}{}
	s.proven.Store(&next)
}

func (s *session) disprove() {
	s.provenMu.Lock()
	defer s.provenMu.Unlock()
	s.proven.Store(&map[string]struct{}{})
}

// tooLarge refuses here what the broker would close a channel or the connection for.
func (s *session) tooLarge(m *broker.Message) error {
	if most := s.limit.Load(); most > 0 && int64(len(m.Body)) > most {
		return tooLargeError(m, fmt.Sprintf("body of %d bytes, the broker takes %d", len(m.Body), most))
	}
	return nil
}

func tooLargeError(m *broker.Message, detail string) error {
	return &broker.RefusedError{Reason: broker.TooLarge, Exchange: m.Exchange, RoutingKey: m.RoutingKey, Detail: detail,
		Hint: "store the data elsewhere and send its address, or compress it"}
}

var maxSize = regexp.MustCompile(`larger than (?:configured )?max size (\d+)`)

// PreconditionFailed is the reason of a message that the broker found invalid for another reason than those of package
// broker, such as a user id that is not the connection's.
const PreconditionFailed broker.Reason = "precondition failed"

// refusal turns the broker's reason for closing a channel into the refusal of m; nil when it is none.
func (s *session) refusal(e *amqp091.Error, m *broker.Message) *broker.RefusedError {
	if e == nil {
		return nil
	}
	r := &broker.RefusedError{Exchange: m.Exchange, RoutingKey: m.RoutingKey, Detail: fmt.Sprintf("%d %s", e.Code, e.Reason)}
	switch e.Code {
	case amqp091.NotFound:
		r.Reason = broker.NoExchange
		r.Hint = "declare the exchange first"
	case amqp091.AccessRefused:
		r.Reason = broker.NoPermission
		r.Hint = fmt.Sprintf("give user %q write permission on the exchange", s.endpoint.user)
	case amqp091.PreconditionFailed:
		r.Reason = PreconditionFailed
		if found := maxSize.FindStringSubmatch(e.Reason); found != nil {
			r.Reason = broker.TooLarge
			r.Hint = "store the data elsewhere and send its address, or compress it"
			if n, err := strconv.ParseInt(found[1], 10, 64); err == nil {
				s.limit.Store(n)
			}
		}
	case amqp091.ContentTooLarge:
		r.Reason = broker.TooLarge
	default:
		return nil
	}
	return r
}

// mentions reports whether the broker's text names the exchange.
func mentions(text, exchange string) bool {
	if exchange == "" {
		exchange = "amq.default"
	}
	return strings.Contains(text, "'"+exchange+"'")
}

// PublishBatch implements broker.Broker. The messages go out in order; their confirms are awaited together.
func (b *Broker) PublishBatch(ctx context.Context, batch []*broker.Message) []error {
	errs := make([]error, len(batch))
	ready := make([]prepared, min(len(batch), batchWindow)) // message i lives in slot i modulo its length
	flights := make([]flight, len(ready))
	failed := false
	note := func(i int, err error) {
		if err != nil {
			errs[i], failed = err, true
		}
	}
	landed := 0 // messages below it have their outcome
	land := func() {
		slot := landed % len(ready)
		if flights[slot].l != nil {
			err := flights[slot].land(ctx)
			flights[slot] = flight{}
			if errors.Is(err, errAgain) {
				err = b.publish(ctx, &ready[slot])
			}
			note(landed, err)
		}
		landed++
	}
	for i, m := range batch {
		if i-landed == len(ready) {
			land()
		}
		p := &ready[i%len(ready)]
		*p = prepared{}
		if err := b.prepare(ctx, p, m); err != nil {
			note(i, err)
			continue
		}
		// A lane whose window is full must not be waited for while we hold slots in it: other batches may do the same.
		p.hasty = landed < i
		f, err := b.launch(ctx, p)
		for errors.Is(err, errCrowded) {
			land()
			p.hasty = landed < i
			f, err = b.launch(ctx, p)
		}
		if err != nil {
			note(i, err)
			continue
		}
		if f.alone {
			// The next message of the batch may need that lane too.
			if err = f.land(ctx); errors.Is(err, errAgain) {
				err = b.publish(ctx, p)
			}
			note(i, err)
			continue
		}
		flights[i%len(ready)] = f
	}
	for landed < len(batch) {
		land()
	}
	if b.ways.inUse() {
		for i, err := range errs {
			if isLayoutGone(err) {
				errs[i] = b.Publish(ctx, batch[i])
			}
		}
		failed = slices.ContainsFunc(errs, func(err error) bool { return err != nil })
	}
	if !failed {
		return nil
	}
	return errs
}
