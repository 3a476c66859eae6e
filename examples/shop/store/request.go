package store

import (
	"context"
	"errors"
	"time"
)

// A Key makes a request safe to repeat: the second of one key does nothing and is answered like the first.
type Key struct {
	Text string // of the client's choice; "" for none
	Hash string // of the request, so that a key cannot stand for two different ones
}

// ErrKeyTaken says that an idempotency key was used before for another request.
var ErrKeyTaken = errors.New("this idempotency key belongs to another request")

// once runs make, unless a request of this key was made before: then its result is returned. Of two at the same time one
// waits for the other.
func (t *tx) once(ctx context.Context, scope string, key Key, make func() (int64, error)) (id int64, first bool, err error) {
	if key.Text == "" {
		id, err = make()
		return id, true, err
	}
	first, err = t.changes(ctx, `INSERT INTO requests (scope, key, hash, result, at) VALUES (?, ?, ?, 0, ?) ON CONFLICT DO NOTHING`,
		scope, key.Text, key.Hash, time.Now().Unix())
	if err != nil {
		return 0, false, err
	}
	if !first {
		var hash string
		if err := t.row(ctx, `SELECT result, hash FROM requests WHERE scope = ? AND key = ?`, scope, key.Text).Scan(&id, &hash); err != nil {
			return 0, false, err
		}
		if hash != key.Hash {
			return 0, false, ErrKeyTaken
		}
		return id, false, nil
	}
	if id, err = make(); err != nil {
		return 0, false, err
	}
	return id, true, t.exec(ctx, `UPDATE requests SET result = ? WHERE scope = ? AND key = ?`, id, scope, key.Text)
}
