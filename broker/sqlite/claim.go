package sqlite

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// A claim is a row of broker_claim: messages taken together, in one owner's hands. One row for many keeps claiming
// cheap. Its cargo lists what must go back to the queue if the owner dies; messages that were acknowledged meanwhile are
// told by their missing rows, those given back one by one are taken off the list.
//
// Owner: the round of the session it belongs to.
type claim struct {
	id       int64
	items    []*held
	left     int // not settled yet
	settling int // settled by the round that is being written
	returned int // of these, given back: the cargo must be written again
}

// appendCargo writes an item as a claim's cargo holds it.
func appendCargo(dst []byte, d *item) []byte {
	dst = binary.AppendVarint(dst, d.id)
	dst = binary.AppendVarint(dst, d.rank)
	dst = binary.AppendVarint(dst, d.place)
	dst = binary.AppendVarint(dst, d.deliveries)
	return binary.AppendVarint(dst, d.expires)
}

func decodeCargo(b []byte) ([]*item, error) {
	var list []*item
	for len(b) > 0 {
		d := new(item)
		for _, field := range []*int64{&d.id, &d.rank, &d.place, &d.deliveries, &d.expires} {
			v, n := binary.Varint(b)
			if n <= 0 {
				return list, errors.New("a claim's cargo is damaged")
			}
			*field, b = v, b[n:]
		}
		list = append(list, d)
	}
	return list, nil
}

func insertClaim(tx *sqlitefile.Tx, owner, queue int64, items []*item) (int64, error) {
	cargo := make([]byte, 0, 12*len(items))
	for _, d := range items {
		cargo = appendCargo(cargo, d)
	}
	r, err := tx.Exec("INSERT INTO broker_claim (owner, queue, cargo) VALUES (?, ?, ?)", owner, queue, cargo)
	return r.LastID, err
}

// giveBack puts a message at its old place in the queue, marked as handed out once more. A queue with a delivery limit
// buries it instead when that is passed.
func (b *Broker) giveBack(tx *sqlitefile.Tx, q *queue, d *item, deliveries, now int64) error {
	if q.deliveryLimit >= 0 && deliveries > q.deliveryLimit {
		return b.bury(tx, q, d, reasonDeliveryLimit, now)
	}
	var expires any
	if d.expires != 0 {
		expires = d.expires
		b.alarm(tx, d.expires)
	}
	tx.Ring(q.topic)
	_, err := tx.Exec("INSERT OR IGNORE INTO broker_ready (queue, rank, place, message, deliveries, expires) VALUES (?, ?, ?, ?, ?, ?)",
		q.id, d.rank, d.place, d.id, deliveries, expires)
	return err
}

// deleteMessages removes messages by id. Ids in a row, which is what consumers of a queue mostly hold, go in one
// statement: all of a run are ours, so nothing lies between them.
func deleteMessages(tx *sqlitefile.Tx, ids []int64) error {
	slices.Sort(ids)
	for len(ids) > 0 {
		n := 1
		for n < len(ids) && ids[n] == ids[n-1]+1 {
			n++
		}
		var err error
		if n == 1 {
			_, err = tx.Exec("DELETE FROM broker_message WHERE id = ?", ids[0])
		} else {
			_, err = tx.Exec("DELETE FROM broker_message WHERE id BETWEEN ? AND ?", ids[0], ids[n-1])
		}
		if err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// recover ends claims whose owner is gone: their messages go back to the queue, or with it. It takes up to n claims and
// reports whether there may be more.
func (b *Broker) recover(tx *sqlitefile.Tx, n int, now int64) (more bool, err error) {
	return b.endClaims(tx, n, now, "SELECT id, queue, cargo FROM broker_claim WHERE owner NOT IN (SELECT id FROM broker_owner) LIMIT ?", n)
}

func (b *Broker) endClaims(tx *sqlitefile.Tx, n int, now int64, query string, args ...any) (more bool, err error) {
	t, err := b.topology(tx)
	if err != nil {
		return false, err
	}
	rows, err := tx.Query(query, args...)
	if err != nil {
		return false, err
	}
	type row struct {
		id, queue int64
		cargo     []byte
	}
	var list []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.queue, &r.cargo); err != nil {
			return false, err
		}
		list = append(list, r)
	}
	if rows.Err() != nil {
		return false, rows.Err()
	}
	for _, r := range list {
		items, err := decodeCargo(r.cargo)
		if err != nil {
			b.log.Error("a claim cannot be read: what it held may not come back", "claim", r.id, "error", err)
		}
		q := t.byID[r.queue]
		for _, d := range items {
			if q == nil {
				if _, err := tx.Exec("DELETE FROM broker_message WHERE id = ?", d.id); err != nil {
					return false, err
				}
				continue
			}
			var there int
			found, err := tx.Get("SELECT 1 FROM broker_message WHERE id = ?", []any{d.id}, &there)
			if err != nil {
				return false, err
			}
			if !found {
				continue // acknowledged
			}
			if err := b.giveBack(tx, q, d, d.deliveries+1, now); err != nil {
				return false, err
			}
		}
		if _, err := tx.Exec("DELETE FROM broker_claim WHERE id = ?", r.id); err != nil {
			return false, err
		}
	}
	return len(list) == n, nil
}
