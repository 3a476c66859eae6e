package history

import (
	"context"
	"fmt"
	"time"
)

// An Act is one line of the audit log: who did what, from where, and what came of it. Lines are only ever added; the
// database itself refuses to change or remove them.
type Act struct {
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at"`
	Who     string    `json:"who"`
	From    string    `json:"from"` // address
	Action  string    `json:"action"`
	Target  string    `json:"target"`
	Detail  string    `json:"detail"`
	Outcome string    `json:"outcome"` // "done", "refused: …" or "failed: …"
}

// Note adds a line. It returns once the line is on disk.
func (s *Store) Note(ctx context.Context, a Act) error {
	if a.At.IsZero() {
		a.At = time.Now()
	}
	err := s.db.write(ctx, func(t tx) error {
		var last int64
		if err := t.each(`SELECT coalesce(max(seq), 0) FROM audit`, nil, []any{&last}, nothing); err != nil {
			return err
		}
		_, err := t.exec(`INSERT INTO audit (seq, who, origin, action, target, detail, outcome) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			max(last+1, a.At.UnixMicro()), clean(cut(a.Who, 256)), clean(a.From), clean(a.Action), clean(cut(a.Target, 512)),
			clean(cut(a.Detail, 4096)), clean(cut(a.Outcome, 1024)))
		return err
	})
	if err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

// Acts are the lines before a place (0: the latest), the latest first.
func (s *Store) Acts(ctx context.Context, before int64, limit int) (list []Act, err error) {
	if before <= 0 {
		before = 1 << 62
	}
	err = s.db.read(ctx, func(t tx) error {
		list = nil
		var a Act
		return t.each(`SELECT seq, who, origin, action, target, detail, outcome FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?`,
			[]any{before, limit}, []any{&a.Seq, &a.Who, &a.From, &a.Action, &a.Target, &a.Detail, &a.Outcome}, func() error {
				a.At = time.UnixMicro(a.Seq)
				list = append(list, a)
				return nil
			})
	})
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	return list, nil
}
