package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// The outbox: a task that must be sent because of a change is written in the change's transaction, and sent afterwards by a
// relay. A process that dies between the two leaves the row, and any relay sends it. It is sent at least once, each time
// under the same task id, and the tasks of this shop may run twice.

// An Outgoing is a task that waits to be sent.
type Outgoing struct {
	ID     int64
	Task   string // name
	TaskID string
	Kwargs json.RawMessage
	Made   time.Time
}

// enqueue writes a task into the outbox and returns its id.
func (t *tx) enqueue(ctx context.Context, task string, kwargs any) (string, error) {
	text, err := json.Marshal(kwargs)
	if err != nil {
		return "", err
	}
	id := uuid.NewString()
	return id, t.exec(ctx, `INSERT INTO outbox (task, task_id, kwargs, made) VALUES (?, ?, ?, ?)`, task, id, string(text), time.Now().Unix())
}

// ClaimOutgoing takes up to limit tasks that wait, oldest first, for as long as a lease: nobody else gets them meanwhile.
func (s *Store) ClaimOutgoing(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Outgoing, error) {
	var all []Outgoing
	err := s.change(ctx, func(t *tx) error {
		return t.rows(ctx, func(row scanner) error {
			var o Outgoing
			var made int64
			var kwargs string
			err := row.Scan(&o.ID, &o.Task, &o.TaskID, &kwargs, &made)
			o.Kwargs, o.Made = json.RawMessage(kwargs), time.Unix(made, 0).UTC()
			all = append(all, o)
			return err
		}, `UPDATE outbox SET claimed = ?, attempts = attempts + 1 WHERE sent IS NULL AND claimed <= ?
			AND id IN (SELECT id FROM outbox WHERE sent IS NULL AND claimed <= ? ORDER BY id LIMIT ?)
			RETURNING id, task, task_id, kwargs, made`, now.Add(lease).UnixMilli(), now.UnixMilli(), now.UnixMilli(), limit)
	})
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	slices.SortFunc(all, func(a, b Outgoing) int { return int(a.ID - b.ID) })
	return all, nil
}

// MarkOutgoing notes what became of a claimed task: sent, or to be tried again from a time on.
func (s *Store) MarkOutgoing(ctx context.Context, o Outgoing, failed error, again time.Time) error {
	err := s.change(ctx, func(t *tx) error {
		if failed != nil {
			return t.exec(ctx, `UPDATE outbox SET claimed = ?, error = ? WHERE id = ? AND sent IS NULL`, again.UnixMilli(), failed.Error(), o.ID)
		}
		first, err := t.changes(ctx, `UPDATE outbox SET sent = ?, error = '' WHERE id = ? AND sent IS NULL`, time.Now().Unix(), o.ID)
		if err != nil || !first {
			return err
		}
		return t.note(ctx, TaskPublished, "task/"+o.TaskID, o.Task, Detail{})
	})
	if err != nil {
		return fmt.Errorf("note in the outbox that task %s was sent: %w", o.TaskID, err)
	}
	return nil
}

// Outbox tells how many tasks wait to be sent, and since when the oldest does.
func (s *Store) Outbox(ctx context.Context) (waiting int, oldest time.Time, err error) {
	var made int64
	row, err := s.row(ctx, `SELECT count(*), coalesce(min(made), 0) FROM outbox WHERE sent IS NULL`)
	if err == nil {
		err = row.Scan(&waiting, &made)
	}
	if err != nil {
		return 0, oldest, fmt.Errorf("look into the outbox: %w", err)
	}
	return waiting, time.Unix(made, 0), nil
}

// ForgetOutgoing removes what was sent before a time: rows of the outbox, and the idempotency keys of requests.
func (s *Store) ForgetOutgoing(ctx context.Context, before time.Time) error {
	err := s.change(ctx, func(t *tx) error {
		if err := t.exec(ctx, `DELETE FROM outbox WHERE sent < ?`, before.Unix()); err != nil {
			return err
		}
		return t.exec(ctx, `DELETE FROM requests WHERE at < ?`, before.Unix())
	})
	if err != nil {
		return fmt.Errorf("tidy the outbox: %w", err)
	}
	return nil
}
