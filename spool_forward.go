package umbel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/broker"
)

const (
	spoolAhead     = 64              // messages in the forwarder's hands
	spoolTurn      = time.Second     // between attempts to become the one that forwards
	spoolPauseMost = 5 * time.Second // between attempts to forward a message
)

// run forwards what waits in the file whenever this process is the one to do it, until Close.
func (s *spool) run() {
	defer close(s.ended)
	for {
		lost := make(chan struct{}, 1)
		consumer, err := s.file.Consume(s.ctx, broker.Subscription{Queue: spoolQueue, Exclusive: true, Prefetch: spoolAhead, Deliver: s.forward,
			Notify: func(state broker.ConsumerState, _ error) {
				if state == broker.ConsumerFailed {
					lost <- struct{}{}
				}
			}})
		if err == nil {
			select {
			case <-s.ctx.Done():
			case <-lost:
			}
			ctx, cancel := context.WithTimeout(context.Background(), spoolWrite)
			if err := consumer.Close(ctx); err != nil {
				s.app.Logger().Warn("cannot close the spool's consumer", "spool", s.path, "error", err)
			}
			cancel()
		}
		if sleep(s.ctx, spoolTurn) != nil { // another process forwards
			return
		}
	}
}

// forward sends one message to the broker, however long that takes, and takes it out of the file once that has confirmed it. A
// process that dies in between leaves it there: it is sent again, with the same id.
func (s *spool) forward(d *broker.Delivery) {
	m, queue, err := readSpoolRecord(&d.Message)
	if err != nil {
		s.refuse(d, fmt.Errorf("read it: %w", err))
		return
	}
	pause := 100 * time.Millisecond
	for {
		err := s.pass(m, queue)
		var refused *broker.RefusedError
		switch {
		case s.ctx.Err() != nil:
			return // given back by Close
		case err == nil:
			if err := d.Ack(); err != nil {
				s.app.Logger().Error("cannot take a message out of the spool that was sent: it will be sent again", "spool", s.path,
					"id", m.Properties.CorrelationID, "error", err)
			}
			s.told()
			return
		case errors.As(err, &refused) && !refused.Passing():
			s.refuse(d, err)
			return
		}
		if pause < spoolPauseMost && 2*pause >= spoolPauseMost {
			s.app.Logger().Warn("the next message of the spool cannot be sent yet", "spool", s.path, "id", m.Properties.CorrelationID, "error", err)
		}
		if sleep(s.ctx, pause) != nil {
			return
		}
		pause = min(2*pause, spoolPauseMost)
	}
}

// pass makes one attempt.
func (s *spool) pass(m *broker.Message, queue string) error {
	ctx, cancel := context.WithTimeout(s.ctx, spoolForward)
	defer cancel()
	l, err := s.app.open(ctx)
	if err != nil {
		return err
	}
	p := &Publication{}
	if queue != "" {
		if p.queue, err = l.router.queue(queue); err != nil {
			return &broker.RefusedError{Reason: broker.Unroutable, Exchange: m.Exchange, RoutingKey: m.RoutingKey, Detail: err.Error()}
		}
	}
	o := outlet{plan: l.plan, link: l}
	return o.send(ctx, m, p)
}

// told logs the end of a time without a broker.
func (s *spool) told() {
	n, err := s.depth(s.ctx)
	if err != nil || n > 1 { // this one's ack is on its way
		return
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	if s.kept > 0 {
		s.app.Logger().Info("the spool has been forwarded", "spool", s.path, "messages", s.kept)
		s.kept = 0
	}
}

// refuse sets a message aside that the broker has refused for good: the next ones must not wait for it.
func (s *spool) refuse(d *broker.Delivery, why error) {
	s.app.Logger().Error("a message of the spool cannot be sent; it is set aside", "spool", s.path, "id", d.Properties.CorrelationID, "error", why)
	m := d.Message
	m.Exchange, m.RoutingKey = "", spoolRefused
	ctx, cancel := context.WithTimeout(s.ctx, spoolWrite)
	defer cancel()
	if err := s.file.Publish(ctx, &m); err != nil {
		s.app.Logger().Error("cannot set it aside", "spool", s.path, "error", err)
		_ = sleep(s.ctx, spoolPauseMost) // it stays: no hurry
		_ = d.Reject(true)
		return
	}
	if err := d.Ack(); err != nil {
		s.app.Logger().Error("cannot take a refused message out of the spool", "spool", s.path, "error", err)
	}
}

// close ends the forwarder and lets go of the file.
func (s *spool) close() error {
	s.cancel()
	<-s.ended
	return s.file.Close()
}
