package amqp

import (
	"context"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
)

// A ledger of what the broker has said about itself, kept over its sessions.
type conditions struct {
	telling sync.Mutex // held while Changed is called: conditions are told in the order in which they come
	told    broker.Condition

	mu     sync.Mutex // guards what follows
	since  time.Time
	blocks int
	losses int
}

// Condition implements broker.Reporter.
func (b *Broker) Condition() broker.Condition {
	var c broker.Condition
	b.mu.Lock()
	links := []*link{b.publishing}
	if b.consumes {
		links = append(links, b.consuming)
	}
	b.mu.Unlock()
	c.Connected = true
	for _, l := range links {
		if l.sessions.get() == nil {
			c.Connected, c.Reason = false, l.why()
		}
	}
	b.conditions.mu.Lock()
	c.Blocks, c.Losses = b.conditions.blocks, b.conditions.losses
	since := b.conditions.since
	b.conditions.mu.Unlock()
	if s := b.publishing.sessions.get(); s != nil {
		if reason := s.blocked.get(); reason != nil {
			c.Blocked, c.Since = *reason, since
		}
	}
	return c
}

// lost counts a connection that was lost.
func (b *Broker) lost() {
	b.conditions.mu.Lock()
	b.conditions.losses++
	b.conditions.mu.Unlock()
}

// changed tells whoever wants to know how the link stands now.
func (b *Broker) changed() {
	if b.config.Changed == nil {
		return
	}
	b.conditions.telling.Lock()
	defer b.conditions.telling.Unlock()
	now := b.Condition()
	if before := b.conditions.told; now.Connected == before.Connected && now.Blocked == before.Blocked && now.Blocks == before.Blocks {
		return
	}
	b.conditions.told = now
	b.config.Changed(now)
}

// block takes in what the broker says of taking messages.
func (s *session) block(b amqp091.Blocking) {
	of := &s.link.broker.conditions
	if b.Active {
		if s.blocked.get() == nil {
			of.mu.Lock()
			of.since = time.Now()
			of.blocks++
			of.mu.Unlock()
		}
		s.blocked.set(&b.Reason)
		s.free.clear(s.free.get())
		s.link.log.Warn("broker refuses publishes for now: it has raised an alarm", "broker", s.endpoint.masked, "reason", b.Reason)
	} else {
		of.mu.Lock()
		lasted := time.Since(of.since)
		of.mu.Unlock()
		s.blocked.clear(s.blocked.get())
		yes := true
		s.free.set(&yes)
		s.link.log.Info("broker takes publishes again", "broker", s.endpoint.masked, "after", lasted.Round(time.Millisecond))
	}
	s.link.broker.changed()
}

// A bell wakes everybody who waits for it.
type bell struct {
	mu sync.Mutex
	c  chan struct{} // closed by the next ring; nil while nobody has asked
}

// next is closed when the bell is rung after this call.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
	}
	return b.c
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
		b.c = nil
	}
}

// pauseOr is pause that ends early when sooner is closed.
func pauseOr(ctx context.Context, d time.Duration, sooner <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-sooner:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
