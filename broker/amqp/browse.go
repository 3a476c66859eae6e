package amqp

import (
	"context"
	"fmt"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/amqpwire"
)

// Browse implements broker.Browser: it takes messages out of the queue one by one; the channel's end gives back what was
// not removed, to its old place.
func (b *Broker) Browse(ctx context.Context, queue string, limit int, f func(*broker.Message) (bool, error)) (more bool, err error) {
	if err := nameable(queue); err != nil {
		return false, fmt.Errorf("look at queue: %w", err)
	}
	var (
		mu    sync.Mutex // held while f may be called: control returns before its function when ctx ends
		begun bool
		kept  int // shown, and not removed

		headers amqpwire.Decoder
	)
	err = b.control(ctx, false, func(ch *amqp091.Channel) error {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if begun {
			return errBrowseLost // f has seen some of it: to begin again is the caller's choice
		}
		if _, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil); err != nil {
			return queueError("look at", queue, err)
		}
		for left := limit; ; left-- {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			d, ok, err := ch.Get(queue, false)
			if err != nil {
				return queueError("look at", queue, err)
			}
			if more = ok && left <= 0; !ok || more {
				if more {
					kept++
				}
				return nil
			}
			begun = true
			remove, err := f(&received(&d, &headers, queue, nil).Message)
			if err != nil {
				return err
			}
			if !remove {
				kept++
			} else if err := d.Ack(false); err != nil {
				return fmt.Errorf("remove message from %q: %w", queue, plain(err))
			}
		}
	})
	mu.Lock()
	defer mu.Unlock()
	b.awaitReturn(ctx, queue, kept)
	return more, err
}

// awaitReturn waits for messages that were shown to be ready again, so that the next look finds them: a quorum queue takes a
// moment to take them back. Others may take them meanwhile, so that it does not wait for long.
func (b *Broker) awaitReturn(ctx context.Context, queue string, n int) {
	wait := backoff{first: 5 * time.Millisecond, most: 50 * time.Millisecond}
	for range returnLooks {
		if n == 0 {
			return
		}
		if s, err := b.Stat(ctx, queue); err != nil || s.Ready >= n || !pause(ctx, wait.next()) {
			return
		}
	}
}

// returnLooks bounds the wait for that, to a second or two.
const returnLooks = 50

var errBrowseLost = fmt.Errorf("the connection was lost while a queue was looked at: %w", broker.ErrStale)
