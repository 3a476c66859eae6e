package database

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/umbel-go/umbel/backend"
)

var _ backend.Pacer = (*store)(nil)

// turnsBook holds the series: the value is the next turn, unix microseconds.
const turnsBook = "umbel-turns"

// Turns: see backend.Pacer. The row is locked before the clock is read, so that turns follow each other.
func (s *store) Turns(ctx context.Context, series string, interval time.Duration, n int) (wait time.Duration, err error) {
	err = s.open()
	if err == nil {
		err = s.transact(ctx, func(b batch) error {
			wait, err = takeTurns(b, series, interval*time.Duration(n))
			return err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("take turns of %q: %w", series, err)
	}
	return wait, nil
}

func takeTurns(b batch, series string, span time.Duration) (time.Duration, error) {
	if _, err := b.exec(statement{`INSERT INTO {}_records (book, name, value, expires) VALUES ($1, $2, '0', $3)
ON CONFLICT (book, name) DO UPDATE SET expires = excluded.expires`, []any{turnsBook, series, int64(0)}}); err != nil {
		return 0, err
	}
	milli, err := b.now()
	if err != nil {
		return 0, err
	}
	now, text := milli*1000, ""
	err = b.rows(statement{`SELECT value FROM {}_records WHERE book = $1 AND name = $2`, []any{turnsBook, series}}, []any{&text}, func() error { return nil })
	if err != nil {
		return 0, err
	}
	first, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, err
	}
	first = max(first, now)
	next := first + span.Microseconds()
	if _, err := b.exec(statement{`UPDATE {}_records SET value = $3, expires = $4 WHERE book = $1 AND name = $2`,
		[]any{turnsBook, series, strconv.FormatInt(next, 10), next/1000 + 1}}); err != nil {
		return 0, err
	}
	// Series that stand still leave nothing behind. 0 is one that another transaction is making.
	_, err = b.exec(statement{`DELETE FROM {}_records WHERE book = $1 AND expires > 0 AND expires <= $2`, []any{turnsBook, milli - 60_000}})
	return time.Duration(first-now) * time.Microsecond, err
}
