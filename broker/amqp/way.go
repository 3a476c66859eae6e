package amqp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/delayed"
	"github.com/umbel-go/umbel/internal/routing"
)

const (
	// wayFresh is how long a way back is trusted: a queue that was deleted meanwhile refuses the next delayed message
	// for it, at the latest so long after.
	wayFresh = 5 * time.Second

	// waysMost bounds the ways remembered as good, and knownMost the exchanges and bindings remembered.
	waysMost  = 4096
	knownMost = 4096
)

// ways lead delayed messages back from the layout to their queues. It declares both when they are first needed.
type ways struct {
	broker *Broker
	kind   string // of the delay queues, where they do not exist yet

	declaring chan struct{} // cap 1: one caller at a time declares

	mu       sync.Mutex // guards what follows
	laid     bool       // the layout stands
	seen     map[string]time.Time
	types    map[string]string // of the exchanges declared by this process
	bindings []broker.Binding  // declared by this process, from named exchanges
}

func newWays(b *Broker, kind string) *ways {
	return &ways{broker: b, kind: kind, declaring: make(chan struct{}, 1), seen: make(map[string]time.Time), types: make(map[string]string)}
}

// note remembers what this process has declared: an exchange's type cannot be asked of the broker.
func (w *ways) note(t broker.Topology) {
	if len(t.Exchanges) == 0 && len(t.Bindings) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range t.Exchanges {
		if len(w.types) < knownMost {
			w.types[x.Name] = x.Type
		}
	}
	for _, b := range t.Bindings {
		same := func(o broker.Binding) bool {
			return o.Source == b.Source && o.Queue == b.Queue && o.Exchange == b.Exchange && o.RoutingKey == b.RoutingKey
		}
		if b.Source != "" && len(w.bindings) < knownMost && !slices.ContainsFunc(w.bindings, same) {
			w.bindings = append(w.bindings, broker.Binding{Source: b.Source, Queue: b.Queue, Exchange: b.Exchange, RoutingKey: b.RoutingKey})
		}
	}
}

// forget is note's opposite, and lets go of the ways that led there.
func (w *ways) forget(t broker.Topology) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range t.Exchanges {
		delete(w.types, x.Name)
		w.bindings = slices.DeleteFunc(w.bindings, func(b broker.Binding) bool { return b.Source == x.Name || b.Exchange == x.Name })
		w.laid = w.laid && !strings.HasPrefix(x.Name, delayed.Prefix)
	}
	for _, q := range t.Queues {
		w.bindings = slices.DeleteFunc(w.bindings, func(b broker.Binding) bool { return b.Queue == q.Name })
		w.laid = w.laid && !strings.HasPrefix(q.Name, delayed.Prefix)
	}
	clear(w.seen)
}

// lost says that the broker did not know the layout, though it was declared.
func (w *ways) lost() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.laid = false
	clear(w.seen)
}

// find returns the way back to where m goes, and the bindings that make it. It is "" when there is none: to a direct
// exchange, or one that this process has not declared. Such a message is sent at once, as Celery does, and who takes it
// from its queue delays it there.
func (w *ways) find(m *broker.Message) (way string, bindings []broker.Binding) {
	if m.Exchange == "" {
		way = delayed.Way(delayed.QueueWay, m.RoutingKey)
		return way, []broker.Binding{delayed.ToQueue(m.RoutingKey)}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch w.types[m.Exchange] {
	case broker.Fanout:
		way = delayed.Way(delayed.ExchangeWay, m.Exchange)
		return way, []broker.Binding{{Source: delayed.Delivery, Exchange: m.Exchange, RoutingKey: delayed.BindingKey(way)}}
	case broker.Topic:
		if delayed.Digits+len(m.RoutingKey) > shortString {
			return "", nil
		}
		for _, b := range w.bindings {
			if b.Source == m.Exchange && routing.Match(b.RoutingKey, m.RoutingKey) {
				bindings = append(bindings, delayed.ThroughTopic(b)...)
			}
		}
		if bindings != nil {
			return m.RoutingKey, bindings
		}
	}
	return "", nil
}

// stands reports whether a way was seen to be good lately.
func (w *ways) stands(key string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.seen[key]
	return ok && w.laid && time.Since(at) < wayFresh
}

// make declares the layout and the bindings of a way, unless they were seen to stand lately.
func (w *ways) make(ctx context.Context, m *broker.Message, bindings []broker.Binding) error {
	key := m.Exchange + "\x00" + m.RoutingKey
	if w.stands(key) {
		return nil
	}
	select {
	case w.declaring <- struct{}{}:
		defer func() { <-w.declaring }()
	case <-ctx.Done():
		return notSent(fmt.Errorf("the delay queues are being declared: %w", context.Cause(ctx)))
	}
	if w.stands(key) { // by another sender, while we waited
		return nil
	}
	if err := w.bind(ctx, bindings); err != nil {
		return refusedDelay(m, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) >= waysMost {
		clear(w.seen)
	}
	w.seen[key] = time.Now()
	return nil
}

// bind declares the layout, if that is not known to stand, and the bindings; once more if the broker then does not know
// the layout after all, because somebody has deleted it.
func (w *ways) bind(ctx context.Context, bindings []broker.Binding) error {
	var err error
	for range 2 {
		if err = w.lay(ctx); err != nil {
			return err
		}
		err = w.broker.control(ctx, false, func(ch *amqp091.Channel) error { return declare(ch, broker.Topology{Bindings: bindings}) })
		if e := said(err); e == nil || e.Code != amqp091.NotFound || !mentions(e.Reason, delayed.Delivery) {
			return err
		}
		w.lost()
	}
	return err
}

// lay declares the layout once. One that exists with queues of the other type, from another program's settings, serves as
// well: nothing in it can be changed without emptying it.
func (w *ways) lay(ctx context.Context) error {
	w.mu.Lock()
	laid := w.laid
	w.mu.Unlock()
	if laid {
		return nil
	}
	kinds := []string{quorumQueue, classicQueue}
	if w.kind == classicQueue {
		slices.Reverse(kinds)
	}
	var first error
	for _, kind := range kinds {
		err := w.broker.control(ctx, false, func(ch *amqp091.Channel) error { return declare(ch, delayed.Topology(kind)) })
		if err == nil {
			if first != nil {
				w.broker.config.Log.Warn("delay queues exist with another type than the settings give them; they are used as they are", "type", kind, "error", first)
			}
			w.mu.Lock()
			w.laid = true
			w.mu.Unlock()
			return nil
		}
		if isForbidden(err) && standing(ctx, w.broker, delayed.Topology(kind)) {
			w.mu.Lock()
			w.laid = true
			w.mu.Unlock()
			return nil
		}
		var drift *broker.DriftError
		if !errors.As(err, &drift) {
			return fmt.Errorf("declare the delay queues: %w", err)
		}
		if first == nil {
			first = err
		}
	}
	return fmt.Errorf("declare the delay queues: %w", first)
}

// welcome lets what Celery's own senders delay come to the queues of a subscription, as its workers do when they start:
// Celery delays what goes to an exchange that is not direct, when any of its queues is a quorum queue.
func (w *ways) welcome(ctx context.Context, t broker.Topology) error {
	var bindings []broker.Binding
	for _, b := range t.Bindings {
		topic := slices.ContainsFunc(t.Exchanges, func(x broker.Exchange) bool { return x.Name == b.Source && x.Type == broker.Topic })
		quorum := slices.ContainsFunc(t.Queues, func(q broker.Queue) bool { return q.Name == b.Queue && q.Arguments["x-queue-type"] == quorumQueue })
		if topic && (quorum || w.broker.config.QuorumQueues) {
			bindings = append(bindings, delayed.ThroughTopic(b)...)
		}
	}
	if bindings == nil {
		return nil
	}
	select {
	case w.declaring <- struct{}{}:
		defer func() { <-w.declaring }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := w.lay(ctx); err != nil {
		return err
	}
	return w.broker.control(ctx, false, func(ch *amqp091.Channel) error { return declare(ch, broker.Topology{Bindings: bindings}) })
}

// refusedDelay says what became of a message whose way back could not be made: nothing was sent, and trying again may
// help, unless the broker said that it will not.
func refusedDelay(m *broker.Message, err error) error {
	e := said(err)
	r := &broker.RefusedError{Exchange: m.Exchange, RoutingKey: m.RoutingKey, Detail: err.Error()}
	switch {
	case e == nil:
		return notSent(err)
	case e.Code == amqp091.NotFound && m.Exchange == "":
		r.Reason, r.Hint = broker.Unroutable, unroutableHint(m)
	case e.Code == amqp091.NotFound:
		r.Reason, r.Hint = broker.NoExchange, "declare the exchange and its queues first"
	case e.Code == amqp091.AccessRefused:
		r.Reason, r.Hint = broker.NoPermission, "delayed messages need the permission to write celery_delayed_* and their queue, and to read celery_delayed_delivery; and to configure and read celery_delayed_* where these do not exist yet"
	default:
		return notSent(err)
	}
	return r
}

// inUse reports whether anything was ever delayed here.
func (w *ways) inUse() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.laid
}

// isLayoutGone reports that the broker has no delay queues for a message any more.
func isLayoutGone(err error) bool {
	var refused *broker.RefusedError
	return errors.As(err, &refused) && strings.HasPrefix(refused.Exchange, delayed.Prefix) && (refused.Reason == broker.NoExchange || refused.Reason == broker.Unroutable)
}

// delay readies p for the layout, when its message is due later than the layout can tell from now.
func (w *ways) delay(ctx context.Context, p *prepared) error {
	m := p.m
	if m.NotBefore.IsZero() || time.Until(m.NotBefore) < delayStep {
		return nil
	}
	way, bindings := w.find(m)
	if way == "" {
		return nil
	}
	if err := w.make(ctx, m, bindings); err != nil {
		return err
	}
	out := *m
	steps := int64(time.Until(m.NotBefore) / delayStep)
	out.Exchange, out.RoutingKey, out.Headers = delayEntry(steps), delayKey(steps, way), withoutDeaths(m.Headers)
	p.way = way
	p.m = &out
	return nil
}
