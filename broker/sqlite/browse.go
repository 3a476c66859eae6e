package sqlite

import (
	"context"
	"fmt"
	"math"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/envelope"
	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// browsePage is how many messages are read at a time.
const browsePage = 64

// A shown is a ready message as a look at its queue finds it.
type shown struct {
	rank, place, id int64
	broker.Message
}

// Browse implements broker.Browser. It reads along the queue and claims nothing: what others take meanwhile is theirs.
func (b *Broker) Browse(ctx context.Context, queue string, limit int, f func(*broker.Message) (bool, error)) (more bool, err error) {
	if err := b.usable(); err != nil {
		return false, err
	}
	last := shown{rank: math.MinInt64}
	for left := limit; ; {
		id, page, err := b.page(ctx, queue, last, min(browsePage, left+1))
		if err != nil {
			return false, closed(err)
		}
		for i := range page {
			if left == 0 {
				return true, nil
			}
			left--
			last = page[i]
			remove, err := f(&page[i].Message)
			if err != nil {
				return false, err
			}
			if remove {
				if err := b.pluck(ctx, id, last); err != nil {
					return false, fmt.Errorf("remove message from queue %q: %w", queue, closed(err))
				}
			}
		}
		if len(page) == 0 {
			return false, nil
		}
	}
}

// page reads the next messages behind last.
func (b *Broker) page(ctx context.Context, queue string, last shown, n int) (id int64, page []shown, err error) {
	err = b.file.Read(ctx, func(tx *sqlitefile.Tx) error {
		page = page[:0]
		found, err := tx.Get("SELECT id FROM broker_queue WHERE name = ?", []any{queue}, &id)
		if err != nil {
			return err
		}
		if !found {
			return noQueue(queue)
		}
		rows, err := tx.Query("SELECT r.rank, r.place, r.message, m.envelope, m.body FROM broker_ready r CROSS JOIN broker_message m ON m.id = r.message "+
			"WHERE r.queue = ? AND (r.rank, r.place) > (?, ?) AND (r.expires IS NULL OR r.expires > ?) ORDER BY r.rank, r.place LIMIT ?",
			id, last.rank, last.place, nowMillis(), n)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s shown
			var header []byte
			if err := rows.Scan(&s.rank, &s.place, &s.id, &header, &s.Body); err != nil {
				return err
			}
			if err := envelope.Decode(header, &s.Message); err != nil {
				return fmt.Errorf("stored message %d: %w", s.id, err)
			}
			page = append(page, s)
		}
		return rows.Err()
	})
	return id, page, err
}

// pluck removes a ready message, if nobody has taken it meanwhile.
func (b *Broker) pluck(ctx context.Context, queue int64, s shown) error {
	return b.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		r, err := tx.Exec("DELETE FROM broker_ready WHERE queue = ? AND rank = ? AND place = ? AND message = ?", queue, s.rank, s.place, s.id)
		if err != nil || r.Rows == 0 {
			return err
		}
		_, err = tx.Exec("DELETE FROM broker_message WHERE id = ?", s.id)
		return err
	})
}
