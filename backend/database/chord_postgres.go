package database

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// postgresBatch runs statements in a transaction of its own. A chord's row is locked first, so that its parts are recorded
// one after the other.
type postgresBatch struct {
	ctx   context.Context
	tx    pgx.Tx
	table string // quoted, without its last quote
}

func (d *postgres) transact(ctx context.Context, f func(batch) error) error {
	return d.pool.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return d.explain("write to", pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			return f(postgresBatch{ctx, tx, strings.TrimSuffix(d.table, `"`)})
		}))
	})
}

var postgresNames = []string{"_chords", "_parts", "_groups", "_records", "_schedules", "_timetables", "_ticks"}

// text is a statement in PostgreSQL's words.
func (b postgresBatch) text(s statement) string {
	q := s.query
	for _, name := range postgresNames {
		q = strings.ReplaceAll(q, "{}"+name, b.table+name+`"`)
	}
	return q
}

func (b postgresBatch) exec(s statement) (int64, error) {
	tag, err := b.tx.Exec(b.ctx, b.text(s), s.args...)
	return tag.RowsAffected(), err
}

// now is the server's, whatever the hosts say.
func (b postgresBatch) now() (ms int64, err error) {
	err = b.tx.QueryRow(b.ctx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").Scan(&ms)
	return ms, err
}

func (b postgresBatch) mortal() error {
	_, err := b.tx.Exec(b.ctx, "SET LOCAL idle_in_transaction_session_timeout = '2s'")
	return err
}

func (b postgresBatch) row(s statement, dest ...any) (bool, error) {
	ok := false
	err := b.rows(s, dest, func() error { ok = true; return nil })
	return ok, err
}

func (b postgresBatch) rows(s statement, dest []any, each func() error) error {
	rows, err := b.tx.Query(b.ctx, b.text(s), s.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if err := each(); err != nil {
			return err
		}
	}
	return rows.Err()
}
