package amqp

import (
	"context"
	"errors"
	"fmt"
	"slices"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
)

// control runs f on a channel of its own: on the consuming connection when it is open, because a memory alarm stops the
// publishing one, else on the publishing connection. exclusive opens the consuming connection: an exclusive queue
// belongs to the connection that declares it, and only that one may consume it.
func (b *Broker) control(ctx context.Context, exclusive bool, f func(*amqp091.Channel) error) error {
	for {
		if ctx.Err() != nil { // or what follows might still be faster than its end
			return context.Cause(ctx)
		}
		l := b.publishing
		b.mu.Lock()
		if b.consumes {
			l = b.consuming
		}
		b.mu.Unlock()
		if exclusive {
			var err error
			if l, err = b.consumeLink(ctx); err != nil {
				return err
			}
		}
		s, err := l.session(ctx)
		if err != nil {
			return err
		}
		err = s.do(ctx, f)
		if err == nil || ctx.Err() != nil || !s.isGone() {
			return err
		}
		// The connection went away under it. Every operation here may be repeated.
		l.sessions.clear(s)
	}
}

// nameable checks names before the library sees them: it drops the connection for one that does not fit its field.
func nameable(names ...string) error {
	for _, n := range names {
		if len(n) > shortString {
			return fmt.Errorf("name %.32q… is %d bytes long: AMQP takes at most %d", n, len(n), shortString)
		}
	}
	return nil
}

// checkTopology checks every name in t.
func checkTopology(t broker.Topology) error {
	for _, x := range t.Exchanges {
		if err := nameable(x.Name, x.Type); err != nil {
			return fmt.Errorf("exchange: %w", err)
		}
	}
	for _, q := range t.Queues {
		if err := nameable(q.Name); err != nil {
			return fmt.Errorf("queue: %w", err)
		}
	}
	for _, b := range t.Bindings {
		if err := nameable(b.Source, b.Queue, b.Exchange, b.RoutingKey); err != nil {
			return fmt.Errorf("binding: %w", err)
		}
	}
	return nil
}

// Declare implements broker.Broker. What the user may not declare, and which exists, is left as it is.
func (b *Broker) Declare(ctx context.Context, t broker.Topology) error {
	if err := checkTopology(t); err != nil {
		return err
	}
	exclusive := slices.ContainsFunc(t.Queues, func(q broker.Queue) bool { return q.Exclusive })
	err := declareWith(func(f func(*amqp091.Channel) error) error { return b.control(ctx, exclusive, f) }, t)
	if err == nil {
		b.ways.note(t)
	}
	return err
}

// declare creates what does not exist yet, in the order exchanges, queues, bindings.
func declare(ch *amqp091.Channel, t broker.Topology) error {
	for _, x := range t.Exchanges {
		if x.Name == "" {
			continue // the default exchange always exists and may not be declared
		}
		args, _, err := encodeTable(x.Arguments)
		if err != nil {
			return fmt.Errorf("declare exchange %q: %w", x.Name, err)
		}
		if err := ch.ExchangeDeclare(x.Name, x.Type, x.Durable, x.AutoDelete, false, false, args); err != nil {
			return declareError("exchange", x.Name, err)
		}
	}
	for _, q := range t.Queues {
		args, _, err := encodeTable(q.Arguments)
		if err != nil {
			return fmt.Errorf("declare queue %q: %w", q.Name, err)
		}
		if _, err := ch.QueueDeclare(q.Name, q.Durable, q.AutoDelete, q.Exclusive, false, args); err != nil {
			return declareError("queue", q.Name, err)
		}
	}
	for _, x := range t.Bindings {
		args, _, err := encodeTable(x.Arguments)
		if err != nil {
			return fmt.Errorf("bind to exchange %q: %w", x.Source, err)
		}
		switch {
		case x.Source == "":
			// Every queue is bound to the default exchange by its name; nothing else can be.
		case x.Queue != "":
			if err := ch.QueueBind(x.Queue, x.RoutingKey, x.Source, false, args); err != nil {
				return fmt.Errorf("bind queue %q to exchange %q with key %q: %w", x.Queue, x.Source, x.RoutingKey, plain(err))
			}
		default:
			if err := ch.ExchangeBind(x.Exchange, x.RoutingKey, x.Source, false, args); err != nil {
				return fmt.Errorf("bind exchange %q to exchange %q with key %q: %w", x.Exchange, x.Source, x.RoutingKey, plain(err))
			}
		}
	}
	return nil
}

func declareError(kind, name string, err error) error {
	if e := said(err); e != nil && e.Code == amqp091.PreconditionFailed {
		return &broker.DriftError{Kind: kind, Name: name, Detail: e.Reason}
	}
	return fmt.Errorf("declare %s %q: %w", kind, name, plain(err))
}

// Delete implements broker.Broker. Bindings go with their queue or exchange, and need no mention.
func (b *Broker) Delete(ctx context.Context, t broker.Topology) error {
	if err := checkTopology(t); err != nil {
		return err
	}
	defer b.ways.forget(t)
	return b.control(ctx, false, func(ch *amqp091.Channel) error {
		for _, q := range t.Queues {
			// RabbitMQ answers delete-ok also for what does not exist.
			if _, err := ch.QueueDelete(q.Name, false, false, false); err != nil && !isMissing(err) {
				return fmt.Errorf("delete queue %q: %w", q.Name, plain(err))
			}
		}
		for _, x := range t.Exchanges {
			if x.Name == "" {
				continue
			}
			if err := ch.ExchangeDelete(x.Name, false, false); err != nil && !isMissing(err) {
				return fmt.Errorf("delete exchange %q: %w", x.Name, plain(err))
			}
		}
		return nil
	})
}

// Stat implements broker.Broker.
func (b *Broker) Stat(ctx context.Context, queue string) (broker.QueueStat, error) {
	var out broker.QueueStat
	if err := nameable(queue); err != nil {
		return out, fmt.Errorf("inspect queue: %w", err)
	}
	err := b.control(ctx, false, func(ch *amqp091.Channel) error {
		q, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil)
		if err != nil {
			return queueError("inspect", queue, err)
		}
		out = broker.QueueStat{Name: queue, Ready: q.Messages, Unsettled: -1, Consumers: q.Consumers}
		return nil
	})
	return out, err
}

// Purge implements broker.Broker.
func (b *Broker) Purge(ctx context.Context, queue string) (int, error) {
	if err := nameable(queue); err != nil {
		return 0, fmt.Errorf("purge queue: %w", err)
	}
	n := 0
	err := b.control(ctx, false, func(ch *amqp091.Channel) error {
		// RabbitMQ 3.x closes the channel with 404 here too, newer versions may not: ask first.
		if _, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil); err != nil {
			return queueError("purge", queue, err)
		}
		var err error
		if n, err = ch.QueuePurge(queue, false); err != nil {
			return queueError("purge", queue, err)
		}
		return nil
	})
	return n, err
}

// queueError says what was attempted on which queue; ErrNoQueue when it does not exist.
func queueError(verb, queue string, err error) error {
	if isMissing(err) {
		return fmt.Errorf("%s queue %q: %w (%w)", verb, queue, broker.ErrNoQueue, plain(err))
	}
	return fmt.Errorf("%s queue %q: %w", verb, queue, plain(err))
}

func isMissing(err error) bool {
	var e *amqp091.Error
	return errors.As(err, &e) && e != nil && e.Server && e.Code == amqp091.NotFound
}
