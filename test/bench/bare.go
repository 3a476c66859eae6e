package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
)

// The bare client: what a program costs that does nothing but talk to RabbitMQ, as amqp091-go's documentation shows it.

func bareChannel(b *brief) (*amqp.Connection, *amqp.Channel, error) {
	conn, err := amqp.Dial(b.amqp)
	if err != nil {
		return nil, nil, err
	}
	ch, err := conn.Channel()
	return conn, ch, err
}

// bareWork takes messages and acks each.
func bareWork(ctx context.Context, b *brief, t *tally) error {
	conn, ch, err := bareChannel(b)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := ch.Qos(b.prefetch, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.ConsumeWithContext(ctx, b.queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	for d := range deliveries {
		t.one()
		if err := d.Ack(false); err != nil {
			return err
		}
	}
	return nil
}

// bareMessage is the message that our sender would send, ready made.
func bareMessage(m *broker.Message) amqp.Publishing {
	headers := make(amqp.Table, len(m.Headers))
	for name, v := range m.Headers {
		if t, ok := v.(map[string]any); ok {
			v = amqp.Table(t)
		}
		headers[name] = v
	}
	p := m.Properties
	return amqp.Publishing{Headers: headers, ContentType: p.ContentType, ContentEncoding: p.ContentEncoding, DeliveryMode: amqp.Persistent,
		CorrelationId: p.CorrelationID, ReplyTo: p.ReplyTo, Body: m.Body}
}

func bareConfirms(b *brief) (*amqp.Connection, *amqp.Channel, *broker.Message, error) {
	m, err := sampleMessage(b)
	if err != nil {
		return nil, nil, nil, err
	}
	conn, ch, err := bareChannel(b)
	if err != nil {
		return nil, nil, nil, err
	}
	return conn, ch, m, ch.Confirm(false)
}

var errNacked = errors.New("nacked")

// bareSend publishes from many goroutines on one channel, each waiting for its confirm.
func bareSend(ctx context.Context, b *brief, t *tally) error {
	conn, ch, m, err := bareConfirms(b)
	if err != nil {
		return err
	}
	defer conn.Close()
	p := bareMessage(m)
	return sending(ctx, b, t, func() error {
		dc, err := ch.PublishWithDeferredConfirm(m.Exchange, m.RoutingKey, true, false, p)
		if err == nil && !dc.Wait() {
			err = errNacked
		}
		return err
	})
}

// sending measures a crowd of senders, and waits for the end.
func sending(ctx context.Context, b *brief, t *tally, send func() error) error {
	t.first()
	if err := crowd(b.n, b.concurrency, send); err != nil {
		return err
	}
	t.last()
	<-ctx.Done()
	return nil
}

// bareWindow publishes from one goroutine, with as many unconfirmed as bareSend has goroutines.
func bareWindow(ctx context.Context, b *brief, t *tally) error {
	conn, ch, m, err := bareConfirms(b)
	if err != nil {
		return err
	}
	defer conn.Close()
	p := bareMessage(m)
	flying := make([]*amqp.DeferredConfirmation, b.concurrency)
	t.first()
	for i := range b.n + b.concurrency {
		slot := &flying[i%len(flying)]
		if *slot != nil && !(*slot).Wait() {
			return errNacked
		}
		*slot = nil
		if i < b.n {
			if *slot, err = ch.PublishWithDeferredConfirm(m.Exchange, m.RoutingKey, true, false, p); err != nil {
				return err
			}
		}
	}
	t.last()
	<-ctx.Done()
	return nil
}

// crowd calls send n times from so many goroutines.
func crowd(n, goroutines int, send func() error) error {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	failed := make(chan error, goroutines)
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := send(); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}
