package database

// Chords and saved groups in tables of their own. Both dialects understand the same statements, but for the sign of their
// parameters.

import (
	"context"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

var _ backend.Chords = (*store)(nil)

// A statement is one line of a transaction: with rows, each takes the columns of every row into dest.
type statement struct {
	query string
	args  []any
}

// A batch runs in one transaction.
type batch interface {
	exec(s statement) (rows int64, err error)

	// row reads the first row of a statement that may write; ok is false when there is none.
	row(s statement, dest ...any) (ok bool, err error)

	// now is the time by the clock that all who use the store share, in unix milliseconds.
	now() (int64, error)

	// mortal lets the transaction go when its process is heard of no more between two statements: one that was frozen would
	// hold its locks for as long as it is.
	mortal() error

	// rows reads all rows of a statement that does not write.
	rows(s statement, dest []any, each func() error) error
}

// chordSteps add the tables to those of an earlier version. blob is the dialect's type of bytes.
func chordSteps(table, blob string) string {
	return `CREATE TABLE ` + table + `_chords (
	id       TEXT PRIMARY KEY,
	expected BIGINT NOT NULL DEFAULT 0, -- parts that complete it; 0: not known yet
	added    BIGINT NOT NULL DEFAULT 0,
	recorded BIGINT NOT NULL DEFAULT 0,
	last     TEXT NOT NULL DEFAULT '',  -- task that recorded the last part missing
	expires  BIGINT                     -- unix milliseconds; NULL is never
);
CREATE TABLE ` + table + `_parts (
	chord  TEXT NOT NULL,
	task   TEXT NOT NULL,
	place  BIGINT,
	state  TEXT NOT NULL,
	result ` + blob + ` NOT NULL,
	PRIMARY KEY (chord, task)
);
CREATE TABLE ` + table + `_groups (
	id      TEXT PRIMARY KEY,
	tuple   ` + blob + ` NOT NULL,
	expires BIGINT
)`
}

// touch makes a chord's row, or locks it and prolongs its life; one that has expired begins anew.
func (s *store) touch(b batch, group string) error {
	now := time.Now().UnixMilli()
	gone, err := b.exec(statement{`DELETE FROM {}_chords WHERE id = $1 AND expires <= $2`, []any{group, now}})
	if err == nil && gone > 0 {
		_, err = b.exec(statement{`DELETE FROM {}_parts WHERE chord = $1`, []any{group}})
	}
	if err == nil {
		_, err = b.exec(statement{`INSERT INTO {}_chords (id, expires) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET expires = excluded.expires`,
			[]any{group, s.until(now)}})
	}
	return err
}

// until is when what is written now expires, nil for never.
func (s *store) until(now int64) any {
	if ms := s.life; ms > 0 {
		return now + ms
	}
	return nil
}

func (s *store) chord(ctx context.Context, what, group string, f func(batch) error) error {
	err := s.open()
	if err == nil {
		err = s.transact(ctx, f)
	}
	if err != nil {
		return fmt.Errorf("%s chord %q: %w", what, group, err)
	}
	return nil
}

// ExpectParts: see backend.Chords.
func (s *store) ExpectParts(ctx context.Context, group string, parts int) error {
	return s.chord(ctx, "begin", group, func(b batch) error {
		if err := s.touch(b, group); err != nil {
			return err
		}
		_, err := b.exec(statement{`UPDATE {}_chords SET expected = $2 WHERE id = $1`, []any{group, int64(parts)}})
		return err
	})
}

// AddParts: see backend.Chords.
func (s *store) AddParts(ctx context.Context, group string, parts int) error {
	return s.chord(ctx, "add to", group, func(b batch) error {
		if err := s.touch(b, group); err != nil {
			return err
		}
		_, err := b.exec(statement{`UPDATE {}_chords SET added = added + $2 WHERE id = $1`, []any{group, int64(parts)}})
		return err
	})
}

// RecordPart: see backend.Chords.
func (s *store) RecordPart(ctx context.Context, p backend.ChordPart) (complete bool, err error) {
	result, err := p.Result.AppendJSON(nil)
	if err != nil {
		return false, fmt.Errorf("record part %q of chord %q: %w", p.TaskID, p.Group, err)
	}
	var place any
	if p.HasIndex {
		place = int64(p.Index)
	}
	err = s.chord(ctx, "record a part of", p.Group, func(b batch) error {
		if err := s.touch(b, p.Group); err != nil {
			return err
		}
		fresh, err := b.exec(statement{`INSERT INTO {}_parts (chord, task, place, state, result) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			[]any{p.Group, p.TaskID, place, string(p.State), result}})
		if err != nil {
			return err
		}
		var done int64
		_, err = b.row(statement{`UPDATE {}_chords SET recorded = recorded + $2,
	last = CASE WHEN $2 = 1 AND expected > 0 AND recorded + $2 = expected + added THEN $3 ELSE last END
WHERE id = $1 RETURNING CASE WHEN expected > 0 AND recorded = expected + added AND last = $3 THEN 1 ELSE 0 END`,
			[]any{p.Group, fresh, p.TaskID}}, &done)
		complete = done == 1
		return err
	})
	return complete, err
}

// ChordParts: see backend.Chords.
func (s *store) ChordParts(ctx context.Context, group string, each func(backend.ChordPart) error) error {
	var parts []backend.ChordPart // told after the transaction, so that it is short
	err := s.chord(ctx, "read", group, func(b batch) error {
		parts = parts[:0]
		var task, state string
		var place int64
		var result []byte
		return b.rows(statement{`SELECT task, coalesce(place, -1), state, result FROM {}_parts WHERE chord = $1 ORDER BY place IS NULL, place, task`, []any{group}},
			[]any{&task, &place, &state, &result}, func() error {
				parts = append(parts, backend.ChordPart{Group: group, TaskID: task, Index: max(0, int(place)), HasIndex: place >= 0,
					State: protocol.State(state), Result: codec.JSON(append([]byte(nil), result...))})
				return nil
			})
	})
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

// ForgetChord: see backend.Chords.
func (s *store) ForgetChord(ctx context.Context, group string) error {
	return s.chord(ctx, "forget", group, func(b batch) error {
		_, err := b.exec(statement{`DELETE FROM {}_chords WHERE id = $1`, []any{group}})
		if err == nil {
			_, err = b.exec(statement{`DELETE FROM {}_parts WHERE chord = $1`, []any{group}})
		}
		return err
	})
}

// SaveGroup: see backend.Chords.
func (s *store) SaveGroup(ctx context.Context, t protocol.ResultTuple) error {
	text, err := t.AppendJSON(nil)
	if err != nil {
		return fmt.Errorf("save group %q: %w", t.ID, err)
	}
	return s.chord(ctx, "save the group of", t.ID, func(b batch) error {
		_, err := b.exec(statement{`INSERT INTO {}_groups (id, tuple, expires) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET tuple = excluded.tuple, expires = excluded.expires`, []any{t.ID, text, s.until(time.Now().UnixMilli())}})
		return err
	})
}

// LoadGroup: see backend.Chords.
func (s *store) LoadGroup(ctx context.Context, id string) (t protocol.ResultTuple, err error) {
	var text []byte
	err = s.chord(ctx, "read the group of", id, func(b batch) error {
		text = nil
		var found []byte
		return b.rows(statement{`SELECT tuple FROM {}_groups WHERE id = $1 AND (expires IS NULL OR expires > $2)`, []any{id, time.Now().UnixMilli()}},
			[]any{&found}, func() error {
				text = append([]byte(nil), found...)
				return nil
			})
	})
	if err == nil && text == nil {
		err = fmt.Errorf("group %q: %w", id, backend.ErrNotFound)
	}
	if err != nil {
		return t, err
	}
	return protocol.DecodeResultTuple(codec.JSON(text))
}

// ForgetGroup: see backend.Chords.
func (s *store) ForgetGroup(ctx context.Context, id string) error {
	return s.chord(ctx, "forget the group of", id, func(b batch) error {
		_, err := b.exec(statement{`DELETE FROM {}_groups WHERE id = $1`, []any{id}})
		return err
	})
}

// tidy removes expired chords and groups, and returns their number.
func (s *store) tidy(ctx context.Context) (n int64, err error) {
	now := time.Now().UnixMilli()
	err = s.transact(ctx, func(b batch) error {
		if _, err := b.exec(statement{`DELETE FROM {}_parts WHERE chord IN (SELECT id FROM {}_chords WHERE expires <= $1)`, []any{now}}); err != nil {
			return err
		}
		chords, err := b.exec(statement{`DELETE FROM {}_chords WHERE expires <= $1`, []any{now}})
		if err != nil {
			return err
		}
		if _, err := b.exec(statement{`DELETE FROM {}_ticks WHERE expires <= $1`, []any{now}}); err != nil {
			return err
		}
		groups, err := b.exec(statement{`DELETE FROM {}_groups WHERE expires <= $1`, []any{now}})
		n = chords + groups
		return err
	})
	return n, err
}
