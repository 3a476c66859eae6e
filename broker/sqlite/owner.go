package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// errPassing marks errors of the file, which may pass, apart from those that will not.
var errPassing = errors.New("the file refused")

// ownerID is what claims, consumers and exclusive queues of this broker are written under; 0 before own.
func (b *Broker) ownerID() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.owner
}

// own registers this broker as an owner, if it is not. Its sign of life is shown before the row can be seen.
func (b *Broker) own(ctx context.Context) error {
	b.owning.Lock()
	defer b.owning.Unlock()
	if b.ownerID() != 0 {
		return nil
	}
	id := sqlitefile.RandomID()
	release, err := b.file.Hold(id)
	if err != nil {
		return err
	}
	if err := b.sweep(ctx); err != nil { // what dead owners left is ours to deliver
		release()
		return closed(err)
	}
	err = b.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		_, err := tx.Exec("INSERT INTO broker_owner (id, pid, lock, beat) VALUES (?, ?, ?, 0)", id, os.Getpid(), b.file.LockID())
		return err
	})
	if err != nil {
		release()
		return closed(err)
	}
	b.mu.Lock()
	b.owner, b.release = id, release
	b.mu.Unlock()
	b.nudge()
	return nil
}

// disown forgets an owner id that others have taken for dead.
func (b *Broker) disown(id int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.owner == id {
		b.release()
		b.owner, b.release = 0, nil
	}
}

// registered reports whether an owner's row is still there. It is read once per transaction.
func (b *Broker) registered(tx *sqlitefile.Tx, owner int64) (bool, error) {
	if b.aliveSeq == tx.Seq() && b.aliveID == owner {
		return true, nil
	}
	var one int
	found, err := tx.Get("SELECT 1 FROM broker_owner WHERE id = ?", []any{owner}, &one)
	if found {
		b.aliveSeq, b.aliveID = tx.Seq(), owner
	}
	return found, err
}

// register declares what a consumer needs and writes it down, as one transaction, and begins a session.
func (b *Broker) register(ctx context.Context, c *consumer) (*session, error) {
	if err := b.own(ctx); err != nil {
		return nil, passing(err)
	}
	owner := b.ownerID()
	var id int64
	err := b.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		if err := b.declare(tx, c.sub.Declare); err != nil {
			return err
		}
		t, err := b.topology(tx)
		if err != nil {
			return err
		}
		q := t.queues[c.sub.Queue]
		switch {
		case q == nil:
			return noQueue(c.sub.Queue)
		case q.owner != 0 && q.owner != owner:
			return lockedQueue(q.name)
		}
		var others, exclusive int
		if _, err := tx.Get("SELECT count(*), coalesce(sum(exclusive), 0) FROM broker_consumer WHERE queue = ?", []any{q.id}, &others, &exclusive); err != nil {
			return err
		}
		if exclusive > 0 || c.sub.Exclusive && others > 0 {
			return fmt.Errorf("queue %q has %d consumers, and one of them or of us wants it alone: close the others first", q.name, others)
		}
		var taken int
		if found, err := tx.Get("SELECT 1 FROM broker_consumer WHERE owner = ? AND tag = ?", []any{owner, c.sub.Tag}, &taken); err != nil {
			return err
		} else if found {
			return fmt.Errorf("consumer tag %q is in use: leave it empty for a name of its own", c.sub.Tag)
		}
		if _, err := tx.Exec("INSERT INTO broker_consumer (owner, tag, queue, exclusive) VALUES (?, ?, ?, ?)",
			owner, c.sub.Tag, q.id, c.sub.Exclusive); err != nil {
			return err
		}
		if q.lapse > 0 {
			if _, err := tx.Exec("UPDATE broker_queue SET lapses = NULL WHERE id = ?", q.id); err != nil {
				return err
			}
		}
		id = q.id
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("consume from queue %q: %w", c.sub.Queue, passing(closed(err)))
	}
	return newSession(c, owner, id), nil
}

// passing marks an error of the file.
func passing(err error) error {
	if sqlitefile.CauseOf(err) != "" {
		return fmt.Errorf("%w: %w", errPassing, err)
	}
	return err
}

// unregister removes a consumer, and its queue when it was the last of an auto-delete one. q is nil when that is gone.
func (b *Broker) unregister(tx *sqlitefile.Tx, owner int64, tag string, q *queue) error {
	r, err := tx.Exec("DELETE FROM broker_consumer WHERE owner = ? AND tag = ?", owner, tag)
	if err != nil || r.Rows == 0 || q == nil {
		return err
	}
	return b.left(tx, q)
}

// left is called when a consumer of q has gone.
func (b *Broker) left(tx *sqlitefile.Tx, q *queue) error {
	if !q.autoDelete && q.lapse == 0 {
		return nil
	}
	var n int
	if _, err := tx.Get("SELECT count(*) FROM broker_consumer WHERE queue = ?", []any{q.id}, &n); err != nil || n > 0 {
		return err
	}
	if q.autoDelete {
		return b.deleteQueue(tx, q)
	}
	_, err := tx.Exec("UPDATE broker_queue SET lapses = ? WHERE id = ?", b.lapseTime(tx, q.limits), q.id)
	return err
}

// evict ends an owner: its row, consumers and exclusive queues at once; its claims follow (recover).
func (b *Broker) evict(tx *sqlitefile.Tx, owner int64) error {
	r, err := tx.Exec("DELETE FROM broker_owner WHERE id = ?", owner)
	if err != nil || r.Rows == 0 {
		return err
	}
	tx.Changed()
	t, err := b.topology(tx)
	if err != nil {
		return err
	}
	ids, err := numbers(tx, "SELECT DISTINCT queue FROM broker_consumer WHERE owner = ?", owner)
	if err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM broker_consumer WHERE owner = ?", owner); err != nil {
		return err
	}
	for _, id := range ids {
		if q := t.byID[id]; q != nil && q.owner != owner {
			if err := b.left(tx, q); err != nil {
				return err
			}
		}
	}
	for _, q := range t.queues {
		if q.owner == owner {
			if err := b.deleteQueue(tx, q); err != nil {
				return err
			}
		}
	}
	return nil
}

func numbers(tx *sqlitefile.Tx, query string, args ...any) ([]int64, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	var list []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, rows.Err()
}

var _ broker.Settler = (*session)(nil)
