package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// published turns an error of a write into one of Publish's three kinds.
func published(m *broker.Message, err error) error {
	var refused *broker.RefusedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return err
	case errors.Is(err, sqlitefile.ErrOutcome):
		return fmt.Errorf("%w: %w", broker.ErrUnconfirmed, err)
	case errors.Is(err, sqlitefile.ErrClosed):
		return fmt.Errorf("%w: %w", broker.ErrNotSent, broker.ErrClosed)
	}
	var e *sqlitefile.Error
	if errors.As(err, &e) && (e.Cause == sqlitefile.CauseFull || e.Cause == sqlitefile.CauseReadOnly) {
		return &broker.RefusedError{Reason: broker.Full, Exchange: m.Exchange, RoutingKey: m.RoutingKey,
			Detail: "database file " + e.Path + ": " + e.Err.Error(), Hint: e.Hint}
	}
	return fmt.Errorf("%w: %w", broker.ErrNotSent, err)
}

// closed translates the file's word for it.
func closed(err error) error {
	if errors.Is(err, sqlitefile.ErrClosed) {
		return broker.ErrClosed
	}
	return err
}

// opened turns an error of opening into an OpenError.
func opened(url string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &broker.OpenError{URL: url, Op: "open file", Err: err, Hint: "the disk or another process was too slow"}
	}
	var e *sqlitefile.Error
	if errors.As(err, &e) {
		return &broker.OpenError{URL: url, Op: e.Op + " file " + e.Path, Err: e.Err, Hint: e.Hint}
	}
	return &broker.OpenError{URL: url, Op: "open file", Err: err}
}

func noQueue(name string) error { return fmt.Errorf("%w: %q", broker.ErrNoQueue, name) }
