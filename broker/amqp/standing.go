package amqp

import (
	"context"
	"strings"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
)

// Standing: what a user may not declare, and which is there. RabbitMQ wants the permission to configure even for a declaration
// that changes nothing, and who may configure a queue may delete it. A user without it uses what others have made:
//
//	declare ─ 403 ─► piece by piece ─ 403 ─► does it exist? ─ yes ─► it stands as it is
//	                                                       ─ no ──► the 403
//
// Whether it has the arguments of the settings cannot be told so; umbel topology diff does.

// isForbidden reports that the user lacks a permission.
func isForbidden(err error) bool {
	e := said(err)
	return e != nil && e.Code == amqp091.AccessRefused && !strings.Contains(e.Reason, "exclusive use")
}

// A runner runs f on a channel of its own.
type runner func(f func(*amqp091.Channel) error) error

// declareWith declares t, and takes what the user may not declare as it stands.
func declareWith(run runner, t broker.Topology) error {
	err := run(func(ch *amqp091.Channel) error { return declare(ch, t) })
	if isForbidden(err) {
		return declareStanding(run, t)
	}
	return err
}

// declareStanding declares t piece by piece. A binding that may not be made is taken for made when its queue is another's: who
// declared that one bound it, and a message that reaches no queue comes back to its sender.
func declareStanding(run runner, t broker.Topology) error {
	for _, x := range t.Exchanges {
		err := run(func(ch *amqp091.Channel) error { return declare(ch, broker.Topology{Exchanges: []broker.Exchange{x}}) })
		if isForbidden(err) && run(func(ch *amqp091.Channel) error { return findExchange(ch, x) }) == nil {
			continue
		}
		if err != nil {
			return err
		}
	}
	ours := make(map[string]bool)
	for _, q := range t.Queues {
		err := run(func(ch *amqp091.Channel) error { return declare(ch, broker.Topology{Queues: []broker.Queue{q}}) })
		ours[q.Name] = err == nil
		if isForbidden(err) && !q.Exclusive && run(func(ch *amqp091.Channel) error { return findQueue(ch, q.Name) }) == nil {
			continue
		}
		if err != nil {
			return err
		}
	}
	for _, b := range t.Bindings {
		err := run(func(ch *amqp091.Channel) error { return declare(ch, broker.Topology{Bindings: []broker.Binding{b}}) })
		if mine, said := ours[b.Queue]; isForbidden(err) && said && !mine {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// findExchange and findQueue look for what needs no permission to be looked for.
func findExchange(ch *amqp091.Channel, x broker.Exchange) error {
	return ch.ExchangeDeclarePassive(x.Name, x.Type, x.Durable, x.AutoDelete, false, false, nil)
}

func findQueue(ch *amqp091.Channel, name string) error {
	_, err := ch.QueueDeclarePassive(name, false, false, false, false, nil)
	return err
}

// standing reports whether every exchange and queue of t exists.
func standing(ctx context.Context, b *Broker, t broker.Topology) bool {
	return b.control(ctx, false, func(ch *amqp091.Channel) error {
		for _, x := range t.Exchanges {
			if err := findExchange(ch, x); err != nil {
				return err
			}
		}
		for _, q := range t.Queues {
			if err := findQueue(ch, q.Name); err != nil {
				return err
			}
		}
		return nil
	}) == nil
}
