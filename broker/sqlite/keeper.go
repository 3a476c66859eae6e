// The keeper: what must happen by itself. One goroutine per broker; several processes do the same work harmlessly, since
// whoever comes second finds nothing to do.
//
//	a message is due ─────────┐
//	a message expires ────────┤ alarm ─► tend
//	an unused queue lapses ───┘
//	an owner dies ───────────── departure or missing heartbeat ─► sweep
//	a queue was deleted ─────── its messages are removed bit by bit

package sqlite

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// keeperTopic is rung when a keeper has something to do earlier than it knows.
const keeperTopic = "broker.keeper"

// tendSize bounds the messages that one tending moves, so that others need not wait long for the file.
const tendSize = 500

// never is an alarm that is not set.
const never = math.MaxInt64

// After a process has closed the file, its sign of life goes some microseconds later: the kernel tells of the one before
// it does the other. So owners are looked at now and twice more.
var afterDeparture = []time.Duration{5 * time.Millisecond, 250 * time.Millisecond}

func (b *Broker) nudge() { signal(b.wake) }

// alarm makes sure that some keeper wakes at a time (Unix ms).
func (b *Broker) alarm(tx *sqlitefile.Tx, at int64) {
	if at < b.armed.Load() {
		tx.Ring(keeperTopic)
	}
}

// lapseTime is when an unused queue with these limits is deleted, for its column.
func (b *Broker) lapseTime(tx *sqlitefile.Tx, l limits) any {
	if l.lapse == 0 {
		return nil
	}
	at := nowMillis() + l.lapse
	b.alarm(tx, at)
	return at
}

// postpone begins a queue's time of disuse anew.
func (b *Broker) postpone(tx *sqlitefile.Tx, q *queue) error {
	if q.lapse == 0 {
		return nil
	}
	_, err := tx.Exec("UPDATE broker_queue SET lapses = ? WHERE id = ? AND lapses IS NOT NULL", b.lapseTime(tx, q.limits), q.id)
	return err
}

// startKeeper runs the keeper until the broker closes.
func (b *Broker) startKeeper() {
	hush := b.file.Listen(keeperTopic, b.nudge)
	quiet := b.file.Listen(sqlitefile.Departures, func() { signal(b.departed) })
	go func() {
		defer close(b.kept)
		defer hush()
		defer quiet()
		b.keep()
	}()
}

func (b *Broker) keep() {
	beat := time.NewTicker(b.lease / 3)
	defer beat.Stop()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	look := time.NewTimer(time.Hour)
	look.Stop()
	defer look.Stop()
	looks := len(afterDeparture)
	b.sweepNow() // what died when nobody was there to see it
	for {
		select {
		case <-b.quit:
			return
		case <-beat.C:
			b.beat()
			b.sweepNow()
		case <-b.departed:
			looks = 0
			look.Reset(afterDeparture[0])
			b.sweepNow()
		case <-look.C:
			b.sweepNow()
			if looks++; looks < len(afterDeparture) {
				look.Reset(afterDeparture[looks])
			}
		case <-b.wake:
		case <-alarm.C:
		}
		alarm.Reset(b.tend())
	}
}

// tend moves what is due and tells how long to sleep until the next is.
func (b *Broker) tend() time.Duration {
	var more bool
	next := int64(never)
	err := b.file.Write(context.Background(), func(tx *sqlitefile.Tx) error {
		more, next = false, never
		now := nowMillis()
		for _, work := range [...]func(*sqlitefile.Tx, int64) (bool, error){b.promote, b.expire, b.lapse, b.clear} {
			again, err := work(tx, now)
			if err != nil {
				return err
			}
			more = more || again
		}
		again, err := b.recover(tx, 8, now)
		if err != nil {
			return err
		}
		more = more || again
		for _, query := range [...]string{
			"SELECT min(due) FROM broker_delayed",
			"SELECT min(expires) FROM broker_ready WHERE expires IS NOT NULL",
			"SELECT min(lapses) FROM broker_queue WHERE lapses IS NOT NULL",
		} {
			var at int64
			if _, err := tx.Get(query, nil, &at); err != nil {
				return err
			}
			if at > 0 {
				next = min(next, at)
			}
		}
		b.armed.Store(next)
		return nil
	})
	switch {
	case err != nil:
		if !errors.Is(err, sqlitefile.ErrClosed) {
			b.log.Warn("cannot move messages that are due; trying again", "error", err)
		}
		return lastPause
	case more:
		return 0
	case next == never:
		return time.Hour
	}
	// The wall clock may be set: look at it again before long.
	return max(0, min(time.Duration(next-nowMillis())*time.Millisecond, time.Minute))
}

// promote makes delayed messages ready.
func (b *Broker) promote(tx *sqlitefile.Tx, now int64) (more bool, err error) {
	rows, err := tx.Query("SELECT due, message, queue, rank, expires FROM broker_delayed WHERE due <= ? ORDER BY due, message LIMIT ?", now, tendSize)
	if err != nil {
		return false, err
	}
	type delayed struct {
		due, queue int64
		item
	}
	var list []*delayed
	for rows.Next() {
		d := &delayed{}
		if err := rows.Scan(&d.due, &d.id, &d.queue, &d.rank, &d.expires); err != nil {
			return false, err
		}
		list = append(list, d)
	}
	if err := rows.Err(); err != nil || len(list) == 0 {
		return false, err
	}
	t, err := b.topology(tx)
	if err != nil {
		return false, err
	}
	place, err := places(tx, len(list))
	if err != nil {
		return false, err
	}
	for i, d := range list {
		if q := t.byID[d.queue]; q == nil {
			_, err = tx.Exec("DELETE FROM broker_message WHERE id = ?", d.id)
		} else {
			var expires any
			if d.expires != 0 {
				expires = d.expires
			}
			tx.Ring(q.topic)
			_, err = tx.Exec("INSERT INTO broker_ready (queue, rank, place, message, deliveries, expires) VALUES (?, ?, ?, ?, 0, ?)",
				q.id, d.rank, place+int64(i), d.id, expires)
		}
		if err != nil {
			return false, err
		}
	}
	last := list[len(list)-1]
	_, err = tx.Exec("DELETE FROM broker_delayed WHERE (due, message) <= (?, ?)", last.due, last.id)
	return len(list) == tendSize, err
}

// places draws n places in a row, from the numbers that messages have.
func places(tx *sqlitefile.Tx, n int) (first int64, err error) {
	if _, err := tx.Exec("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'broker_message'", n); err != nil {
		return 0, err
	}
	_, err = tx.Get("SELECT seq - ? + 1 FROM sqlite_sequence WHERE name = 'broker_message'", []any{n}, &first)
	return first, err
}

// expire buries ready messages whose time is over.
func (b *Broker) expire(tx *sqlitefile.Tx, now int64) (more bool, err error) {
	rows, err := tx.Query("SELECT queue, rank, place, message FROM broker_ready WHERE expires IS NOT NULL AND expires <= ? ORDER BY expires, queue, rank, place LIMIT ?",
		now, tendSize)
	if err != nil {
		return false, err
	}
	type dead struct {
		queue int64
		item
	}
	var list []*dead
	for rows.Next() {
		d := &dead{}
		if err := rows.Scan(&d.queue, &d.rank, &d.place, &d.id); err != nil {
			return false, err
		}
		list = append(list, d)
	}
	if err := rows.Err(); err != nil || len(list) == 0 {
		return false, err
	}
	t, err := b.topology(tx)
	if err != nil {
		return false, err
	}
	for _, d := range list {
		if _, err := tx.Exec("DELETE FROM broker_ready WHERE queue = ? AND rank = ? AND place = ?", d.queue, d.rank, d.place); err != nil {
			return false, err
		}
		if q := t.byID[d.queue]; q != nil {
			err = b.bury(tx, q, &d.item, reasonExpired, now)
		} else {
			_, err = tx.Exec("DELETE FROM broker_message WHERE id = ?", d.id)
		}
		if err != nil {
			return false, err
		}
	}
	return len(list) == tendSize, nil
}

// lapse deletes queues that nobody has used for their x-expires.
func (b *Broker) lapse(tx *sqlitefile.Tx, now int64) (more bool, err error) {
	ids, err := numbers(tx, "SELECT id FROM broker_queue WHERE lapses IS NOT NULL AND lapses <= ?", now)
	if err != nil || len(ids) == 0 {
		return false, err
	}
	t, err := b.topology(tx)
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		if q := t.byID[id]; q != nil {
			if err := b.deleteQueue(tx, q); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// clear removes messages of deleted queues.
func (b *Broker) clear(tx *sqlitefile.Tx, _ int64) (more bool, err error) {
	ids, err := numbers(tx, "SELECT queue FROM broker_doomed LIMIT 1")
	if err != nil || len(ids) == 0 {
		return false, err
	}
	n, err := drain(tx, ids[0], tendSize)
	if err != nil {
		return false, err
	}
	if n < tendSize {
		_, err = tx.Exec("DELETE FROM broker_doomed WHERE queue = ?", ids[0])
	}
	return true, err
}

// drain removes up to n ready messages of a queue.
func drain(tx *sqlitefile.Tx, queue, n int64) (removed int64, err error) {
	rows, err := tx.Query("SELECT rank, place, message FROM broker_ready WHERE queue = ? ORDER BY rank, place LIMIT ?", queue, n)
	if err != nil {
		return 0, err
	}
	var ids []int64
	var rank, place, id int64
	for rows.Next() {
		if err := rows.Scan(&rank, &place, &id); err != nil {
			return 0, err
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil || len(ids) == 0 {
		return 0, err
	}
	if _, err := tx.Exec("DELETE FROM broker_ready WHERE queue = ? AND (rank, place) <= (?, ?)", queue, rank, place); err != nil {
		return 0, err
	}
	return int64(len(ids)), deleteMessages(tx, ids)
}
