package database

import (
	"context"
	"strings"
	"time"

	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// sqliteBatch runs statements in a transaction of the file, which others may share.
type sqliteBatch struct {
	tx *sqlitefile.Tx
	d  *sqlite
}

func (d *sqlite) transact(ctx context.Context, f func(batch) error) error {
	return d.file.Write(ctx, func(tx *sqlitefile.Tx) error { return f(sqliteBatch{tx, d}) })
}

// text is a statement in SQLite's words. There are a dozen of them, so that prepared ones are few.
func (b sqliteBatch) text(s statement) string {
	return strings.NewReplacer("{}", b.d.table, "$", "?").Replace(s.query)
}

func (b sqliteBatch) exec(s statement) (int64, error) {
	r, err := b.tx.Exec(b.text(s), s.args...)
	return r.Rows, err
}

// now is the host's: the file is not shared with others.
func (b sqliteBatch) now() (int64, error) { return time.Now().UnixMilli(), nil }

// mortal can do nothing: a file's lock is its process's until that ends.
func (b sqliteBatch) mortal() error { return nil }

func (b sqliteBatch) row(s statement, dest ...any) (bool, error) {
	rows, err := b.tx.ExecQuery(b.text(s), s.args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	ok := false
	for rows.Next() {
		ok = true
		if err := rows.Scan(dest...); err != nil {
			return false, err
		}
	}
	return ok, rows.Err()
}

func (b sqliteBatch) rows(s statement, dest []any, each func() error) error {
	rows, err := b.tx.Query(b.text(s), s.args...)
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
