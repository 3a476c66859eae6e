// Package store keeps the shop's own data in SQL: orders, reports, what waits to be published, and the audit trail. One
// SQLite file by default, PostgreSQL by URL, with the same statements. It knows nothing of tasks.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// ErrNotFound says that there is no such order or report.
var ErrNotFound = errors.New("not found")

// A Store is the shop's database. It may be used from many goroutines, and by several processes at once.
type Store struct {
	dialect dialect

	mu    sync.Mutex // guards opening
	write *sql.DB
	read  *sql.DB // may be the same
}

// New makes a store of a database: a file of SQLite, which is created when it is first needed, or the URL of a database of
// PostgreSQL, postgres://user:password@host/name. It opens nothing.
func New(location string) *Store { return &Store{dialect: dialectOf(location)} }

// Place is where the data lies, for people: without a password.
func (s *Store) Place() string { return s.dialect.place() }

// open opens the database once. A failure is not remembered: the next call tries again.
func (s *Store) open(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.write != nil {
		return nil
	}
	write, read, err := s.dialect.open()
	if err != nil {
		return fmt.Errorf("open shop database %s: %w", s.Place(), err)
	}
	if err := migrate(ctx, s.dialect, write); err != nil {
		_ = closeAll(write, read)
		return fmt.Errorf("create tables in shop database %s: %w", s.Place(), err)
	}
	s.write, s.read = write, read
	return nil
}

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.read.PingContext(ctx); err != nil {
		return fmt.Errorf("shop database %s: %w", s.Place(), err)
	}
	return nil
}

// Close disconnects.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.write == nil {
		return nil
	}
	err := closeAll(s.write, s.read)
	s.write, s.read = nil, nil
	return err
}

func closeAll(write, read *sql.DB) error {
	if read == write {
		return write.Close()
	}
	return errors.Join(read.Close(), write.Close())
}

// change runs f in a transaction that is committed when f returns nil.
func (s *Store) change(ctx context.Context, f func(t *tx) error) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	return transact(ctx, s.dialect, s.write, f)
}

func transact(ctx context.Context, d dialect, db *sql.DB, f func(t *tx) error) error {
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer t.Rollback() // does nothing after Commit
	if err := f(&tx{tx: t, dialect: d}); err != nil {
		return err
	}
	return t.Commit()
}

// row reads one row outside of a transaction.
func (s *Store) row(ctx context.Context, query string, args ...any) (*sql.Row, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	return s.read.QueryRowContext(ctx, s.dialect.bind(query), args...), nil
}

// rows reads rows outside of a transaction, one by one: each is called with a row to scan.
func (s *Store) rows(ctx context.Context, each func(row scanner) error, query string, args ...any) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	rows, err := s.read.QueryContext(ctx, s.dialect.bind(query), args...)
	if err != nil {
		return err
	}
	return scanAll(ctx, rows, each)
}

// stream reads rows as rows does, when they may be very many.
func (s *Store) stream(ctx context.Context, each func(row scanner) error, query string, args ...any) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	return s.dialect.stream(ctx, s.read, each, query, args...)
}

func scanAll(ctx context.Context, rows *sql.Rows, each func(row scanner) error) error {
	defer rows.Close()
	for rows.Next() {
		if ctx.Err() != nil { // package sql tells of it by and by
			return context.Cause(ctx)
		}
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// A scanner is a row.
type scanner interface{ Scan(...any) error }
