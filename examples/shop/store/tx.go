package store

import (
	"context"
	"database/sql"
)

// A tx is a transaction that speaks the database's dialect: statements have ? for values.
type tx struct {
	tx      *sql.Tx
	dialect dialect
}

func (t *tx) exec(ctx context.Context, query string, args ...any) error {
	_, err := t.tx.ExecContext(ctx, t.dialect.bind(query), args...)
	return err
}

// changes runs a statement and tells whether it changed a row.
func (t *tx) changes(ctx context.Context, query string, args ...any) (bool, error) {
	r, err := t.tx.ExecContext(ctx, t.dialect.bind(query), args...)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

func (t *tx) row(ctx context.Context, query string, args ...any) *sql.Row {
	return t.tx.QueryRowContext(ctx, t.dialect.bind(query), args...)
}

// rows reads all rows before it returns, so that the transaction may go on.
func (t *tx) rows(ctx context.Context, each func(row scanner) error, query string, args ...any) error {
	rows, err := t.tx.QueryContext(ctx, t.dialect.bind(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (t *tx) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	return t.tx.PrepareContext(ctx, t.dialect.bind(query))
}
