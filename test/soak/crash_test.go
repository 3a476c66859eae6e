package soak

import (
	"context"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/backend/redis"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/broker/amqp"
	"github.com/umbel-go/umbel/protocol"
)

// A killPoint is a step of the way at which a process kills itself with SIGKILL, the first time it comes there. Steps are
// crossed by wrappers around the two drivers and by the task itself, so that nothing of this is in the product.
type killPoint struct {
	Step string // publish, store, part, ack, received or run
	What string // publish: routing key, or queue. for a prefix; store, part: state; ack: queue; received, run: task
	When string // before or after; "" for run and received
}

// A crash watches for a process's kill point.
type crash struct {
	point  *killPoint
	refuse []string

	parked  atomic.Bool
	renewed chan struct{} // closed when the delivery of a running task has been renewed
	once    sync.Once
}

func newCrash(p *killPoint, refuse []string) *crash {
	return &crash{point: p, refuse: refuse, renewed: make(chan struct{})}
}

// at ends this process if this is the point.
func (c *crash) at(step, what string) { c.on(step, "", what) }

func (c *crash) on(step, when, what string) {
	p := c.point
	if p == nil || p.Step != step || p.When != when || !matches(p.What, what) {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // it is on its way
}

// matches compares names; a pattern that ends in "*" is a prefix.
func matches(pattern, name string) bool {
	if n := len(pattern) - 1; n >= 0 && pattern[n] == '*' {
		return len(name) >= n && name[:n] == pattern[:n]
	}
	return pattern == name
}

// wrapDrivers puts this crash between the app and its drivers.
func (c *crash) wrapDrivers() {
	if c.point == nil && c.refuse == nil {
		return
	}
	broker.Register(func(ctx context.Context, conf broker.Config) (broker.Broker, error) {
		b, err := amqp.Open(ctx, conf)
		if err != nil {
			return nil, err
		}
		return &crashBroker{b, c}, nil
	}, "amqp")
	backend.Register(func(ctx context.Context, conf backend.Config) (backend.Backend, error) {
		b, err := redis.Open(ctx, conf)
		if err != nil {
			return nil, err
		}
		return &crashBackend{b, b.(backend.Chords), c}, nil
	}, "redis")
}

// crashBroker crosses publishing and acknowledgement.
type crashBroker struct {
	broker.Broker
	crash *crash
}

// address is what a publish point names: the routing key, with "delay" before it for what is to wait.
func address(m *broker.Message) string {
	if !m.NotBefore.IsZero() && time.Until(m.NotBefore) > 0 {
		return "delay:" + m.RoutingKey
	}
	return m.RoutingKey
}

func (b *crashBroker) Publish(ctx context.Context, m *broker.Message) error {
	to := address(m)
	b.crash.on("publish", "before", to)
	if slices.Contains(b.crash.refuse, to) {
		return &broker.RefusedError{Reason: broker.TooLarge, Exchange: m.Exchange, RoutingKey: m.RoutingKey}
	}
	err := b.Broker.Publish(ctx, m)
	if err == nil {
		b.crash.on("publish", "after", to)
		if matches(parkings, to) {
			b.crash.parked.Store(true)
		}
	}
	return err
}

func (b *crashBroker) PublishBatch(ctx context.Context, batch []*broker.Message) []error {
	for _, m := range batch {
		b.crash.on("publish", "before", address(m))
	}
	errs := b.Broker.PublishBatch(ctx, batch)
	for i, m := range batch {
		if errs == nil || errs[i] == nil {
			b.crash.on("publish", "after", address(m))
		}
	}
	return errs
}

func (b *crashBroker) Consume(ctx context.Context, s broker.Subscription) (broker.Consumer, error) {
	c := &crashConsumer{crash: b.crash, queue: s.Queue, ready: make(chan struct{})}
	deliver := s.Deliver
	s.Deliver = func(d *broker.Delivery) {
		c.crash.on("received", "", d.Queue)
		d.Settler = &crashSettler{d.Settler, c}
		deliver(d)
	}
	var err error
	c.Consumer, err = b.Broker.Consume(ctx, s)
	close(c.ready)
	return c, err
}

type crashConsumer struct {
	broker.Consumer
	crash *crash
	queue string
	ready chan struct{} // closed when Consumer is there
}

type crashSettler struct {
	broker.Settler
	consumer *crashConsumer
}

func (s *crashSettler) Ack(tag uint64) error {
	c := s.consumer
	c.crash.on("ack", "before", c.queue)
	err := s.Settler.Ack(tag)
	if c.queue == queueA && c.crash.parked.Load() {
		c.crash.once.Do(func() { close(c.crash.renewed) })
	}
	if p := c.crash.point; err == nil && p != nil && p.Step == "ack" && p.When == "after" && matches(p.What, c.queue) {
		<-c.ready
		// The broker has read it when it has answered what came behind it on the same channel. That it is written is not enough:
		// the end of a process that had not read everything resets its connections.
		_ = c.Flush(context.Background())
		_ = c.Stop(context.Background())
		c.crash.on("ack", "after", c.queue)
	}
	return err
}

// crashBackend crosses the storing of results and the counting of a chord's parts.
type crashBackend struct {
	backend.Backend
	backend.Chords // which it can do as well
	crash          *crash
}

func (b *crashBackend) Store(ctx context.Context, docs []*protocol.Result) []error {
	cross := func(when string) {
		for _, d := range docs {
			b.crash.on("store", when, string(d.Status))
		}
	}
	cross("before")
	errs := b.Backend.Store(ctx, docs)
	if errs == nil {
		cross("after")
	}
	return errs
}

func (b *crashBackend) RecordPart(ctx context.Context, p backend.ChordPart) (complete bool, err error) {
	b.crash.on("part", "before", string(p.State))
	if complete, err = b.Chords.RecordPart(ctx, p); err == nil {
		b.crash.on("part", "after", string(p.State))
	}
	return complete, err
}
