package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ErrMailBusy says that another task is sending this mail right now.
var ErrMailBusy = errors.New("another task is sending this mail")

// ClaimMail takes the right to send the mail of a key, for as long as a lease. proof is "" then, else what was noted of a mail
// that is sent already. The task that holds a claim gets it again: it was cut short. Another one gets it when the lease is over,
// and ErrMailBusy until then.
func (s *Store) ClaimMail(ctx context.Context, key, task string, now time.Time, lease time.Duration) (proof string, err error) {
	err = s.change(ctx, func(t *tx) error {
		mine, err := t.changes(ctx, `INSERT INTO mails (key, task, claimed) VALUES (?, ?, ?)
			ON CONFLICT (key) DO UPDATE SET task = excluded.task, claimed = excluded.claimed
			WHERE mails.sent IS NULL AND (mails.task = excluded.task OR mails.claimed <= ?)`,
			key, task, now.Add(lease).UnixMilli(), now.UnixMilli())
		if err != nil || mine {
			return err
		}
		var sent sql.NullInt64
		if err := t.row(ctx, `SELECT sent, proof FROM mails WHERE key = ?`, key).Scan(&sent, &proof); err != nil {
			return err
		}
		if !sent.Valid {
			return ErrMailBusy
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("mail %s: %w", key, err)
	}
	return proof, nil
}

// MarkMail notes, once, that the mail of a key was sent. proof is what the mail server said, or a file's name.
func (s *Store) MarkMail(ctx context.Context, key, proof string) error {
	err := s.change(ctx, func(t *tx) error {
		first, err := t.changes(ctx, `UPDATE mails SET sent = ?, proof = ? WHERE key = ? AND sent IS NULL`, time.Now().Unix(), proof, key)
		if err != nil || !first {
			return err
		}
		return t.note(ctx, MailSent, "mail/"+key, proof, Detail{})
	})
	if err != nil {
		return fmt.Errorf("note that mail %s was sent: %w", key, err)
	}
	return nil
}
