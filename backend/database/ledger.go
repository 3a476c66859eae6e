package database

import (
	"context"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/backend"
)

var _ backend.Ledger = (*store)(nil)

// ledgerStep adds the table of records to those of an earlier version.
func ledgerStep(table string) string {
	return `CREATE TABLE ` + table + `_records (
	book    TEXT NOT NULL,
	name    TEXT NOT NULL,
	value   TEXT NOT NULL,
	expires BIGINT NOT NULL, -- unix milliseconds
	PRIMARY KEY (book, name)
)`
}

// Record: see backend.Ledger.
func (s *store) Record(ctx context.Context, book string, records []backend.Record, most int) error {
	return s.ledger(ctx, "write into", book, func(b batch) error {
		if _, err := b.exec(statement{`DELETE FROM {}_records WHERE book = $1 AND expires <= $2`, []any{book, time.Now().UnixMilli()}}); err != nil {
			return err
		}
		for _, r := range records {
			_, err := b.exec(statement{`INSERT INTO {}_records (book, name, value, expires) VALUES ($1, $2, $3, $4)
ON CONFLICT (book, name) DO UPDATE SET value = excluded.value, expires = excluded.expires`, []any{book, r.Name, r.Value, r.Expires.UnixMilli()}})
			if err != nil {
				return err
			}
		}
		_, err := b.exec(statement{`DELETE FROM {}_records WHERE book = $1 AND name IN
(SELECT name FROM {}_records WHERE book = $1 ORDER BY expires DESC, name DESC LIMIT 1000000 OFFSET $2)`, []any{book, int64(most)}})
		return err
	})
}

// Erase: see backend.Ledger.
func (s *store) Erase(ctx context.Context, book string, names []string) error {
	return s.ledger(ctx, "erase from", book, func(b batch) error {
		for _, n := range names {
			if _, err := b.exec(statement{`DELETE FROM {}_records WHERE book = $1 AND name = $2`, []any{book, n}}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Records: see backend.Ledger.
func (s *store) Records(ctx context.Context, book string) (all []backend.Record, err error) {
	err = s.ledger(ctx, "read", book, func(b batch) error {
		all = nil
		var r backend.Record
		var expires int64
		return b.rows(statement{`SELECT name, value, expires FROM {}_records WHERE book = $1 AND expires > $2 ORDER BY expires, name`,
			[]any{book, time.Now().UnixMilli()}}, []any{&r.Name, &r.Value, &expires}, func() error {
			r.Expires = time.UnixMilli(expires)
			all = append(all, r)
			return nil
		})
	})
	return all, err
}

func (s *store) ledger(ctx context.Context, what, book string, f func(batch) error) error {
	err := s.open()
	if err == nil {
		err = s.transact(ctx, f)
	}
	if err != nil {
		return fmt.Errorf("%s book %q: %w", what, book, err)
	}
	return nil
}
