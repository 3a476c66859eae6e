package sqlite

import (
	"context"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// purgeSize bounds the messages of one transaction of Purge.
const purgeSize = 1000

// Stat implements broker.Broker. Delayed messages are neither ready nor unsettled.
func (b *Broker) Stat(ctx context.Context, name string) (broker.QueueStat, error) {
	s := broker.QueueStat{Name: name}
	if err := b.usable(); err != nil {
		return s, err
	}
	err := b.file.Read(ctx, func(tx *sqlitefile.Tx) error {
		var id int64
		found, err := tx.Get("SELECT id FROM broker_queue WHERE name = ?", []any{name}, &id)
		if err != nil {
			return err
		}
		if !found {
			return noQueue(name)
		}
		if _, err := tx.Get("SELECT count(*) FROM broker_ready WHERE queue = ?", []any{id}, &s.Ready); err != nil {
			return err
		}
		if _, err := tx.Get("SELECT count(*) FROM broker_consumer WHERE queue = ?", []any{id}, &s.Consumers); err != nil {
			return err
		}
		s.Unsettled, err = unsettled(tx, id)
		return err
	})
	return s, closed(err)
}

// unsettled counts the messages of a queue's claims that are still there.
func unsettled(tx *sqlitefile.Tx, queue int64) (n int, err error) {
	rows, err := tx.Query("SELECT cargo FROM broker_claim WHERE queue = ?", queue)
	if err != nil {
		return 0, err
	}
	for rows.Next() {
		var cargo []byte
		if err := rows.Scan(&cargo); err != nil {
			return 0, err
		}
		items, err := decodeCargo(cargo)
		if err != nil {
			return 0, err
		}
		for _, d := range items {
			var one int
			found, err := tx.Get("SELECT 1 FROM broker_message WHERE id = ?", []any{d.id}, &one)
			if err != nil {
				return 0, err
			}
			if found {
				n++
			}
		}
	}
	return n, rows.Err()
}

// Purge implements broker.Broker. A long queue is emptied in several transactions, so that others are not held up.
func (b *Broker) Purge(ctx context.Context, name string) (int, error) {
	if err := b.usable(); err != nil {
		return 0, err
	}
	total := 0
	for {
		var n int64
		err := b.file.Write(ctx, func(tx *sqlitefile.Tx) error {
			n = 0
			t, err := b.topology(tx)
			if err != nil {
				return err
			}
			q := t.queues[name]
			if q == nil {
				return noQueue(name)
			}
			n, err = drain(tx, q.id, purgeSize)
			return err
		})
		if err != nil {
			return total, closed(err)
		}
		total += int(n)
		if n < purgeSize {
			return total, nil
		}
	}
}
