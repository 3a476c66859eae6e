// Package once makes what a task changes in a database happen once, however often the task is run.
//
// A task that is acknowledged late may run again: its worker died after the work and before the acknowledgement. Where the
// work is not the same when it is done twice, the task notes its id in the transaction that does the work:
//
//	done, err := once.Do(ctx, db, umbel.RequestFrom(ctx).ID, func(tx *sql.Tx) error {
//		_, err := tx.ExecContext(ctx, "UPDATE accounts SET balance = balance + $1 WHERE id = $2", in.Amount, in.Account)
//		return err
//	})
//
// Both are committed, or neither. It works on PostgreSQL and on SQLite, with any driver of database/sql. What leaves the
// database, such as a payment or a mail, is not covered: give the other side the same id to tell repetitions by.
package once

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// The table, for those who make their tables by migrations of their own; Prepare makes it otherwise.
const Table = `CREATE TABLE IF NOT EXISTS umbel_once (
	name  TEXT PRIMARY KEY,
	noted BIGINT NOT NULL -- unix seconds
)`

// Prepare makes the table umbel_once if it is not there. Call it before the worker starts.
func Prepare(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, Table); err != nil {
		return fmt.Errorf("make table umbel_once: %w", err)
	}
	return nil
}

// Do runs change in a transaction that also notes name, and commits both. done is false, and change is not called, when name
// was noted before. When change fails nothing is noted, and Do returns its error as it is.
//
// Whoever comes with the same name meanwhile waits until the first has ended. The name is a task's id where a task does one
// thing; one that does several appends what it is about: id + ":refund".
func Do(ctx context.Context, db *sql.DB, name string, change func(tx *sql.Tx) error) (done bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("begin what is done once: %w", err)
	}
	defer func() { err = errors.Join(err, rolledBack(tx)) }()
	first, err := Note(ctx, tx, name)
	if err != nil || !first {
		return false, err
	}
	if err := change(tx); err != nil {
		return false, err
	}
	if err := tx.Commit(); err != nil {
		return false, fmt.Errorf("commit what is done once: %w", err)
	}
	return true, nil
}

// rolledBack undoes what was not committed.
func rolledBack(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return nil
}

// Note notes name in a transaction of the caller's and reports whether it is the first to do so: if not, the work was done
// before, and the transaction should change nothing.
func Note(ctx context.Context, tx *sql.Tx, name string) (first bool, err error) {
	if name == "" {
		return false, errors.New("note what is done once: it has no name")
	}
	r, err := tx.ExecContext(ctx, `INSERT INTO umbel_once (name, noted) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, time.Now().Unix())
	if err != nil {
		return false, fmt.Errorf("note %q in umbel_once: %w", name, err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("note %q in umbel_once: %w", name, err)
	}
	return n == 1, nil
}

// Forget removes names that were noted before a time, and returns how many. A message that comes again later is run again, so
// leave it longer than a message can stay in a queue, in a dead-letter queue too.
func Forget(ctx context.Context, db *sql.DB, before time.Time) (int64, error) {
	r, err := db.ExecContext(ctx, `DELETE FROM umbel_once WHERE noted < $1`, before.Unix())
	if err != nil {
		return 0, fmt.Errorf("forget names in umbel_once: %w", err)
	}
	return r.RowsAffected()
}
