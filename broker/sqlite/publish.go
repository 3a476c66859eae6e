package sqlite

import (
	"cmp"
	"context"
	"fmt"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// What PublishBatch puts into one share of a transaction at most.
const (
	batchSize  = 500
	batchBytes = 8 << 20 // of bodies, beyond the first
)

// Publish implements broker.Broker: when it returns nil the message is on disk.
func (b *Broker) Publish(ctx context.Context, m *broker.Message) error {
	if err := b.usable(); err != nil {
		return published(m, err)
	}
	p, err := newParcel(m)
	if err != nil {
		return published(m, err)
	}
	var refused error // kept apart: what a refusal leaves behind (a dead letter) is to be committed
	err = b.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		err := b.publish(tx, p, nowMillis())
		if refused = nil; isRefused(err) {
			refused, err = err, nil
		}
		return err
	})
	return published(m, cmp.Or(err, refused))
}

// PublishBatch implements broker.Broker.
func (b *Broker) PublishBatch(ctx context.Context, batch []*broker.Message) []error {
	errs := make([]error, len(batch))
	failed := false
	for start := 0; start < len(batch); {
		end, size := start, 0
		for end < len(batch) && end-start < batchSize && size < batchBytes {
			size += len(batch[end].Body)
			end++
		}
		if b.publishSome(ctx, batch[start:end], errs[start:end]) {
			failed = true
		}
		start = end
	}
	if failed {
		return errs
	}
	return nil
}

// publishSome publishes a part of a batch in one transaction: a refused message does not harm the others, an error of
// the file is everybody's.
func (b *Broker) publishSome(ctx context.Context, batch []*broker.Message, errs []error) (failed bool) {
	parcels := make([]parcel, len(batch))
	early := make([]error, len(batch))
	for i, m := range batch {
		parcels[i], early[i] = newParcel(m)
	}
	err := b.usable()
	if err == nil {
		err = b.file.Write(ctx, func(tx *sqlitefile.Tx) error {
			now := nowMillis()
			for i, p := range parcels {
				if errs[i] = early[i]; errs[i] != nil {
					continue
				}
				if errs[i] = b.publish(tx, p, now); errs[i] != nil && !isRefused(errs[i]) {
					return errs[i]
				}
			}
			return nil
		})
	}
	for i, m := range batch {
		if err != nil && !isRefused(errs[i]) {
			errs[i] = err
		}
		if errs[i] != nil {
			errs[i], failed = published(m, errs[i]), true
		}
	}
	return failed
}

func isRefused(err error) bool {
	_, ok := err.(*broker.RefusedError)
	return ok
}

// publish routes a message and stores it in every queue it reaches. A refusal comes before anything is written.
func (b *Broker) publish(tx *sqlitefile.Tx, p parcel, now int64) error {
	t, err := b.topology(tx)
	if err != nil {
		return err
	}
	var few [4]*queue
	queues, ok := t.route(few[:0], p.m.Exchange, p.m.RoutingKey)
	if !ok {
		return &broker.RefusedError{Reason: broker.NoExchange, Exchange: p.m.Exchange, RoutingKey: p.m.RoutingKey,
			Detail: fmt.Sprintf("there is no exchange %q", p.m.Exchange), Hint: "declare it, or correct its name"}
	}
	if len(queues) == 0 {
		hint := "declare the queue, or correct its name"
		if p.m.Exchange != "" {
			hint = "bind a queue to the exchange for this routing key"
		}
		return &broker.RefusedError{Reason: broker.Unroutable, Exchange: p.m.Exchange, RoutingKey: p.m.RoutingKey,
			Detail: "it reaches no queue", Hint: hint}
	}
	for _, q := range queues {
		full, err := q.full(tx)
		if err != nil {
			return err
		}
		if !full {
			continue
		}
		if q.overflow == "reject-publish-dlx" {
			if err := b.deadLetter(tx, q, *p.m, reasonMaxLength, now); err != nil {
				return err
			}
		}
		return &broker.RefusedError{Reason: broker.Nacked, Exchange: p.m.Exchange, RoutingKey: p.m.RoutingKey,
			Detail: fmt.Sprintf("queue %q holds x-max-length = %d messages", q.name, q.maxLength), Hint: "wait until it is consumed"}
	}
	for _, q := range queues {
		if err := b.enqueue(tx, q, p, now); err != nil {
			return err
		}
	}
	return nil
}
