package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	stdlog "log"

	"github.com/RichardKnop/machinery/v2"
	"github.com/RichardKnop/machinery/v2/backends/null"
	machineryamqp "github.com/RichardKnop/machinery/v2/brokers/amqp"
	"github.com/RichardKnop/machinery/v2/config"
	"github.com/RichardKnop/machinery/v2/locks/eager"
	"github.com/RichardKnop/machinery/v2/log"
	"github.com/RichardKnop/machinery/v2/tasks"
	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	amqp "github.com/rabbitmq/amqp091-go"
)

// asynqWork is a server of asynq on Redis.
func asynqWork(ctx context.Context, b *brief, t *tally) error {
	s := asynq.NewServer(asynq.RedisClientOpt{Addr: b.redis}, asynq.Config{Concurrency: b.concurrency, LogLevel: asynq.WarnLevel})
	if err := s.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		t.one()
		return nil
	})); err != nil {
		return err
	}
	<-ctx.Done()
	s.Shutdown()
	return nil
}

// asynqFill sends its tasks.
func asynqFill(ctx context.Context, b *brief) error {
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: b.redis})
	defer client.Close()
	body, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	return crowd(b.n, senders, func() error {
		_, err := client.EnqueueContext(ctx, asynq.NewTask(noopName, body))
		return err
	})
}

// machineryWork is a worker of machinery on RabbitMQ that stores no results.
func machineryWork(ctx context.Context, b *brief, t *tally) error {
	quiet := stdlog.New(io.Discard, "", 0)
	log.SetDebug(quiet)
	log.SetInfo(quiet)
	cnf := &config.Config{Broker: b.amqp, DefaultQueue: b.queue, ResultsExpireIn: 3600, NoUnixSignals: true,
		AMQP: &config.AMQPConfig{Exchange: b.queue, ExchangeType: "direct", BindingKey: b.queue, PrefetchCount: b.prefetch}}
	server := machinery.NewServer(cnf, machineryamqp.New(cnf), null.New(), eager.New())
	if err := server.RegisterTask(noopName, func(string) error {
		t.one()
		return nil
	}); err != nil {
		return err
	}
	w := server.NewWorker("bench", b.concurrency)
	ended := make(chan error, 1)
	go func() { ended <- w.Launch() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	w.Quit()
	return nil
}

// machineryFill writes machinery's messages itself: its sender, one confirm at a time, would take minutes.
func machineryFill(_ context.Context, b *brief) error {
	conn, ch, err := bareChannel(b)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := errors.Join(ch.ExchangeDeclare(b.queue, "direct", true, false, false, false, nil), ch.Confirm(false)); err != nil {
		return err
	}
	if _, err := ch.QueueDeclare(b.queue, true, false, false, false, nil); err != nil {
		return err
	}
	if err := ch.QueueBind(b.queue, b.queue, b.queue, false, nil); err != nil {
		return err
	}
	return crowd(b.n, senders, func() error {
		body, err := json.Marshal(&tasks.Signature{UUID: "task_" + uuid.NewString(), Name: noopName, RoutingKey: b.queue,
			Args: []tasks.Arg{{Name: "text", Type: "string", Value: payload.Text}}})
		if err != nil {
			return err
		}
		dc, err := ch.PublishWithDeferredConfirm(b.queue, b.queue, true, false,
			amqp.Publishing{ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body})
		if err == nil && !dc.Wait() {
			err = errNacked
		}
		return err
	})
}
