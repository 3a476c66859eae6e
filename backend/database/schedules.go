package database

// Schedules in tables of their own; see chord.go for the statements.

import (
	"context"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/backend"
)

var _ backend.Schedules = (*store)(nil)

// scheduleSteps add the tables to those of an earlier version. blob is the dialect's type of bytes.
func scheduleSteps(table, blob string) string {
	return `CREATE TABLE ` + table + `_schedules (
	id       TEXT PRIMARY KEY,
	holder   TEXT NOT NULL DEFAULT '',
	token    BIGINT NOT NULL DEFAULT 0,
	until    BIGINT NOT NULL DEFAULT 0, -- unix milliseconds
	revision BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE ` + table + `_timetables (
	schedule TEXT NOT NULL,
	kind     TEXT NOT NULL,
	name     TEXT NOT NULL,
	value    ` + blob + ` NOT NULL,
	PRIMARY KEY (schedule, kind, name)
);
CREATE TABLE ` + table + `_ticks (
	id      TEXT PRIMARY KEY,
	message TEXT NOT NULL,
	expires BIGINT NOT NULL
)`
}

func (s *store) schedule(ctx context.Context, what, schedule string, f func(batch) error) error {
	err := s.open()
	if err == nil {
		err = s.transact(ctx, func(b batch) error {
			if err := b.mortal(); err != nil {
				return err
			}
			return f(b)
		})
	}
	if err != nil {
		return fmt.Errorf("%s schedule %q: %w", what, schedule, err)
	}
	return nil
}

// hold makes a schedule's row, or locks it, and reads its lease by the store's clock.
func hold(b batch, schedule string) (l backend.Lease, now int64, err error) {
	if _, err = b.exec(statement{`INSERT INTO {}_schedules (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET token = {}_schedules.token`, []any{schedule}}); err != nil {
		return l, 0, err
	}
	if now, err = b.now(); err != nil { // after the lock, which may have been waited for
		return l, 0, err
	}
	l, err = readLease(b, schedule, now)
	return l, now, err
}

func readLease(b batch, schedule string, now int64) (l backend.Lease, err error) {
	var until int64
	err = b.rows(statement{`SELECT holder, token, until FROM {}_schedules WHERE id = $1`, []any{schedule}}, []any{&l.Holder, &l.Token, &until}, func() error { return nil })
	if until <= now {
		l.Holder = ""
	}
	if l.Holder != "" {
		l.Left = time.Duration(until-now) * time.Millisecond
	}
	return l, err
}

// Lead: see backend.Schedules.
func (s *store) Lead(ctx context.Context, schedule, holder string, ttl time.Duration) (l backend.Lease, err error) {
	err = s.schedule(ctx, "lead", schedule, func(b batch) error {
		// Who stands by asks again and again: that must not write.
		now, err := b.now()
		if err == nil {
			l, err = readLease(b, schedule, now)
		}
		if err != nil || l.Holder != "" && l.Holder != holder {
			return err
		}
		if l, now, err = hold(b, schedule); err != nil {
			return err
		}
		switch l.Holder {
		case "":
			l.Token++
		case holder:
		default:
			return nil
		}
		l.Holder, l.Left = holder, ttl
		_, err = b.exec(statement{`UPDATE {}_schedules SET holder = $2, token = $3, until = $4 WHERE id = $1`,
			[]any{schedule, holder, l.Token, now + ttl.Milliseconds()}})
		return err
	})
	return l, err
}

// Leader: see backend.Schedules.
func (s *store) Leader(ctx context.Context, schedule string) (l backend.Lease, err error) {
	err = s.schedule(ctx, "read the leader of", schedule, func(b batch) error {
		now, err := b.now()
		if err == nil {
			l, err = readLease(b, schedule, now)
		}
		return err
	})
	return l, err
}

// Resign: see backend.Schedules.
func (s *store) Resign(ctx context.Context, schedule, holder string) error {
	return s.schedule(ctx, "resign from", schedule, func(b batch) error {
		_, err := b.exec(statement{`UPDATE {}_schedules SET holder = '', until = 0 WHERE id = $1 AND holder = $2`, []any{schedule, holder}})
		return err
	})
}

// WriteSchedule: see backend.Schedules.
func (s *store) WriteSchedule(ctx context.Context, schedule string, kind backend.ScheduleKind, token int64, records map[string][]byte) error {
	return s.schedule(ctx, "write", schedule, func(b batch) error {
		l, _, err := hold(b, schedule)
		if err != nil {
			return err
		}
		if token != 0 && (l.Holder == "" || l.Token != token) {
			return backend.ErrFenced
		}
		for name, v := range records {
			if v == nil {
				_, err = b.exec(statement{`DELETE FROM {}_timetables WHERE schedule = $1 AND kind = $2 AND name = $3`, []any{schedule, string(kind), name}})
			} else {
				_, err = b.exec(statement{`INSERT INTO {}_timetables (schedule, kind, name, value) VALUES ($1, $2, $3, $4)
ON CONFLICT (schedule, kind, name) DO UPDATE SET value = excluded.value`, []any{schedule, string(kind), name, v}})
			}
			if err != nil {
				return err
			}
		}
		if kind == backend.ScheduleEntries {
			_, err = b.exec(statement{`UPDATE {}_schedules SET revision = revision + 1 WHERE id = $1`, []any{schedule}})
		}
		return err
	})
}

// ReadSchedule: see backend.Schedules.
func (s *store) ReadSchedule(ctx context.Context, schedule string, kind backend.ScheduleKind) (records map[string][]byte, err error) {
	err = s.schedule(ctx, "read", schedule, func(b batch) error {
		records = make(map[string][]byte)
		var name string
		var value []byte
		return b.rows(statement{`SELECT name, value FROM {}_timetables WHERE schedule = $1 AND kind = $2`, []any{schedule, string(kind)}},
			[]any{&name, &value}, func() error {
				records[name] = append([]byte{}, value...)
				return nil
			})
	})
	return records, err
}

// ScheduleRevision: see backend.Schedules.
func (s *store) ScheduleRevision(ctx context.Context, schedule string) (revision int64, err error) {
	err = s.schedule(ctx, "read the revision of", schedule, func(b batch) error {
		revision = 0
		return b.rows(statement{`SELECT revision FROM {}_schedules WHERE id = $1`, []any{schedule}}, []any{&revision}, func() error { return nil })
	})
	return revision, err
}

// ClaimTick: see backend.Schedules.
func (s *store) ClaimTick(ctx context.Context, id, message string, keep time.Duration) (first string, err error) {
	err = s.open()
	if err == nil {
		err = s.transact(ctx, func(b batch) error {
			now, err := b.now()
			if err != nil {
				return err
			}
			_, err = b.row(statement{`INSERT INTO {}_ticks (id, message, expires) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE
SET message = CASE WHEN {}_ticks.expires <= $4 THEN excluded.message ELSE {}_ticks.message END,
	expires = CASE WHEN {}_ticks.expires <= $4 THEN excluded.expires ELSE {}_ticks.expires END RETURNING message`,
				[]any{id, message, now + max(keep.Milliseconds(), 1), now}}, &first)
			return err
		})
	}
	if err != nil {
		return "", fmt.Errorf("claim task %q: %w", id, err)
	}
	return first, nil
}
