package sqlite

import (
	"slices"

	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// maxHaul bounds the bytes of the bodies taken at once, beyond the first.
const maxHaul = 8 << 20

// An item is a message out of its queue.
type item struct {
	id         int64
	rank       int64
	place      int64 // within its rank
	deliveries int64 // handed out before
	expires    int64 // 0: never
	envelope   []byte
	body       []byte
}

// A haul is what was taken from the front of a queue.
type haul struct {
	live    []*item
	expired []*item
	more    bool // there may be more
}

func (h haul) all() []*item { return slices.Concat(h.expired, h.live) }

// take removes up to n messages from the front of a queue: one read along the primary key, and one delete of the same
// range. Their message rows stay.
func take(tx *sqlitefile.Tx, q *queue, n, now int64) (haul, error) {
	var h haul
	rows, err := tx.Query("SELECT r.rank, r.place, r.message, r.deliveries, r.expires, m.envelope, m.body "+
		"FROM broker_ready r CROSS JOIN broker_message m ON m.id = r.message "+
		"WHERE r.queue = ? ORDER BY r.rank, r.place LIMIT ?", q.id, n)
	if err != nil {
		return h, err
	}
	var last *item
	size, count := 0, int64(0)
	for rows.Next() {
		d := &item{}
		if err := rows.Scan(&d.rank, &d.place, &d.id, &d.deliveries, &d.expires, &d.envelope, &d.body); err != nil {
			return h, err
		}
		last = d
		count++
		if d.expires != 0 && d.expires <= now {
			h.expired = append(h.expired, d)
		} else {
			h.live = append(h.live, d)
		}
		if size += len(d.body); size > maxHaul {
			h.more = true
			break
		}
	}
	rows.Close()
	if err := rows.Err(); err != nil || last == nil {
		return h, err
	}
	h.more = h.more || count == n
	_, err = tx.Exec("DELETE FROM broker_ready WHERE queue = ? AND (rank, place) <= (?, ?)", q.id, last.rank, last.place)
	return h, err
}
