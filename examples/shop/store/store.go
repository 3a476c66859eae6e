// Package store keeps the shop's own data, orders and reports, in one SQLite file. It knows nothing of tasks.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"sync"

	_ "modernc.org/sqlite" // driver "sqlite"
)

// ErrNotFound says that there is no such order or report.
var ErrNotFound = errors.New("not found")

// A Store is the shop's database. It may be used from many goroutines, and several processes may share the file.
type Store struct {
	path string

	mu    sync.Mutex // guards opening
	write *sql.DB    // one connection: SQLite has one writer at a time, and waiting for it in Go is fair
	read  *sql.DB
}

// New makes a store of a file, which is created when it is first needed.
func New(path string) *Store { return &Store{path: path} }

// open opens the file once. A failure is not remembered: the next call tries again.
func (s *Store) open(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.write != nil {
		return nil
	}
	// WAL lets readers go on while one writes; busy_timeout (ms) waits for a writer in another process.
	query := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)"}, "_txlock": {"immediate"}}
	dsn := (&url.URL{Scheme: "file", Opaque: url.PathEscape(s.path), RawQuery: query.Encode()}).String()
	write, err := sql.Open("sqlite", dsn)
	if err != nil {
		return fmt.Errorf("open shop database %s: %w", s.path, err)
	}
	write.SetMaxOpenConns(1)
	if _, err := write.ExecContext(ctx, schema); err != nil {
		_ = write.Close()
		return fmt.Errorf("create tables in shop database %s: %w", s.path, err)
	}
	read, err := sql.Open("sqlite", dsn)
	if err != nil {
		_ = write.Close()
		return fmt.Errorf("open shop database %s: %w", s.path, err)
	}
	read.SetMaxOpenConns(8) // more would only wait for the same file
	s.write, s.read = write, read
	return nil
}

// Close closes the file.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.write == nil {
		return nil
	}
	err := errors.Join(s.read.Close(), s.write.Close())
	s.write, s.read = nil, nil
	return err
}

// change runs f in a transaction that is committed when f returns nil.
func (s *Store) change(ctx context.Context, f func(tx *sql.Tx) error) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// changed tells whether a statement changed a row.
func changed(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
