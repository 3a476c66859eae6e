package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/envelope"
	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// Scheduled implements broker.Scheduler.
func (b *Broker) Scheduled(ctx context.Context, queue string, limit int) (list []broker.Scheduled, more bool, err error) {
	if err := b.usable(); err != nil {
		return nil, false, err
	}
	err = b.file.Read(ctx, func(tx *sqlitefile.Tx) error {
		var all []delayed
		var err error
		if all, more, err = readDelayed(tx, limit); err != nil {
			return err
		}
		list = nil
		for _, d := range all {
			if queue == "" || d.Queue == queue {
				list = append(list, d.Scheduled)
			}
		}
		return nil
	})
	return list, more, closed(err)
}

// Unschedule implements broker.Scheduler.
func (b *Broker) Unschedule(ctx context.Context, id string, limit int) (int, error) {
	if err := b.usable(); err != nil {
		return 0, err
	}
	n, more := 0, false
	err := b.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		var all []delayed
		var err error
		if all, more, err = readDelayed(tx, limit); err != nil {
			return err
		}
		n = 0
		for _, d := range all {
			if d.Properties.CorrelationID != id {
				continue
			}
			n++
			if _, err := tx.Exec("DELETE FROM broker_delayed WHERE due = ? AND message = ?", d.at, d.id); err != nil {
				return err
			}
			if _, err := tx.Exec("DELETE FROM broker_message WHERE id = ?", d.id); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return 0, closed(err)
	case more:
		return n, broker.ErrNotAllSeen
	}
	return n, nil
}

// A delayed is a row of broker_delayed with its message.
type delayed struct {
	id, at int64
	broker.Scheduled
}

// readDelayed reads the first messages to become due, and whether there are more than the limit.
func readDelayed(tx *sqlitefile.Tx, limit int) (all []delayed, more bool, err error) {
	rows, err := tx.Query("SELECT d.message, d.due, q.name, m.envelope, m.body FROM broker_delayed d "+
		"JOIN broker_queue q ON q.id = d.queue JOIN broker_message m ON m.id = d.message ORDER BY d.due, d.message LIMIT ?", limit+1)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		if len(all) == limit {
			return all, true, nil
		}
		var d delayed
		var header []byte
		if err := rows.Scan(&d.id, &d.at, &d.Queue, &header, &d.Body); err != nil {
			return nil, false, err
		}
		if err := envelope.Decode(header, &d.Message); err != nil {
			return nil, false, fmt.Errorf("delayed message %d: %w", d.id, err)
		}
		d.Due = time.UnixMilli(d.at).UTC()
		all = append(all, d)
	}
	return all, false, rows.Err()
}
