package amqp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/amqpwire"
	"github.com/umbel-go/umbel/internal/delayed"
	"github.com/umbel-go/umbel/protocol"
)

// Scheduled implements broker.Scheduler: it takes messages out of the delay queues one by one and gives all back at the
// end, in one stroke. Meanwhile they are nobody else's to see; those that become due are late by as long as it looks.
func (b *Broker) Scheduled(ctx context.Context, queue string, limit int) ([]broker.Scheduled, bool, error) {
	var list []broker.Scheduled
	more, err := b.browse(ctx, limit, func(d *amqp091.Delivery) bool {
		if s := scheduled(d); queue == "" || s.Queue == queue {
			list = append(list, s)
		}
		return false
	})
	if err != nil {
		return nil, false, fmt.Errorf("look at the delay queues: %w", err)
	}
	slices.SortStableFunc(list, func(x, y broker.Scheduled) int { return x.Due.Compare(y.Due) })
	return list, more, nil
}

// Unschedule implements broker.Scheduler.
func (b *Broker) Unschedule(ctx context.Context, id string, limit int) (int, error) {
	n := 0
	more, err := b.browse(ctx, limit, func(d *amqp091.Delivery) bool {
		if d.CorrelationId != id {
			return false
		}
		n++
		return true
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("look for %q in the delay queues: %w", id, err)
	case more:
		return n, broker.ErrNotAllSeen
	}
	return n, nil
}

// browse shows f up to limit messages of all delay queues, those of the shortest delays first. Those for which f returns
// true are removed; the others go back at the end of each queue. A delay queue that does not exist is empty.
func (b *Broker) browse(ctx context.Context, limit int, f func(*amqp091.Delivery) bool) (more bool, err error) {
	for level := range delayed.Levels {
		// Asked first: to get from a quorum queue that is being declared ends the whole connection (541), with its consumers.
		s, err := b.Stat(ctx, delayed.Name(level))
		switch {
		case isMissing(err) || err == nil && s.Ready == 0:
			continue
		case err != nil:
			return false, err
		case limit <= 0:
			return true, nil
		}
		err = b.control(ctx, false, func(ch *amqp091.Channel) error {
			return browseQueue(ctx, ch, delayed.Name(level), &limit, &more, f)
		})
		if err != nil && !isMissing(err) {
			return false, err
		}
	}
	return more, nil
}

// browseQueue looks at one queue. The channel's end gives back what was not acked.
func browseQueue(ctx context.Context, ch *amqp091.Channel, name string, limit *int, more *bool, f func(*amqp091.Delivery) bool) error {
	for {
		d, ok, err := ch.Get(name, false)
		switch {
		case err != nil:
			return queueError("look at", name, err)
		case !ok:
			return nil
		case *limit == 0:
			*more = true
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		*limit--
		if f(&d) {
			if err := d.Ack(false); err != nil {
				return fmt.Errorf("remove message from %q: %w", name, plain(err))
			}
		}
	}
}

// scheduled is what a message in a delay queue says of itself.
func scheduled(d *amqp091.Delivery) broker.Scheduled {
	got := received(d, new(amqpwire.Decoder), "", nil)
	s := broker.Scheduled{Message: got.Message}
	if _, way, ok := parseDelayKey(d.RoutingKey); ok {
		s.Exchange, s.RoutingKey = "", way
		switch {
		case strings.HasPrefix(way, delayed.QueueWay):
			s.Queue = wayQueue(way)
			s.RoutingKey = s.Queue
		case strings.HasPrefix(way, delayed.ExchangeWay):
			s.Exchange, s.RoutingKey = delayed.Unescape(way[len(delayed.ExchangeWay):]), ""
		}
	}
	if eta, ok := got.Headers["eta"].(string); ok {
		if at, err := protocol.ParseTime(eta); err == nil {
			s.Due = at
		}
	}
	s.NotBefore = time.Time{}
	return s
}
