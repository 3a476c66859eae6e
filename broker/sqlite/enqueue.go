package sqlite

import (
	"strconv"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/envelope"
	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// maxMessage is the largest body taken, RabbitMQ's own limit.
const maxMessage = 128 << 20

// A parcel is a message ready to be stored: what can be prepared before the writer's goroutine is needed.
type parcel struct {
	m        *broker.Message
	envelope []byte
	ttl      int64 // ms from the expiration property; -1: none
}

func newParcel(m *broker.Message) (parcel, error) {
	p := parcel{m: m, ttl: -1}
	if len(m.Body) > maxMessage {
		return p, &broker.RefusedError{Reason: broker.TooLarge, Exchange: m.Exchange, RoutingKey: m.RoutingKey,
			Detail: strconv.Itoa(len(m.Body)) + " bytes, at most " + strconv.Itoa(maxMessage),
			Hint:   "store large data elsewhere and send its address"}
	}
	if e := m.Properties.Expiration; e != "" {
		ms, err := strconv.ParseInt(e, 10, 64)
		if err != nil || ms < 0 {
			return p, &broker.RefusedError{Reason: broker.Nacked, Exchange: m.Exchange, RoutingKey: m.RoutingKey,
				Detail: "expiration " + strconv.Quote(e) + " is no number of milliseconds"}
		}
		p.ttl = min(ms, maxMillis)
	}
	var err error
	p.envelope, err = envelope.Encode(m)
	return p, err
}

// enqueue stores a message in one queue: ready, or delayed until its time.
func (b *Broker) enqueue(tx *sqlitefile.Tx, q *queue, p parcel, now int64) error {
	if full, err := b.makeRoom(tx, q, now); err != nil || full {
		return err // full: limited checked before; a dead letter that finds no room is dropped, as RabbitMQ does
	}
	r, err := tx.Exec("INSERT INTO broker_message (envelope, body) VALUES (?, ?)", p.envelope, p.m.Body)
	if err != nil {
		return err
	}
	rank := q.rank(p.m)
	var expires any
	if ttl := shorter(p.ttl, q.ttl); ttl >= 0 {
		expires = now + ttl
		b.alarm(tx, now+ttl)
	}
	if due := p.m.NotBefore; !due.IsZero() && due.UnixMilli() > now {
		at := due.UnixMilli()
		if due.Nanosecond()%1e6 != 0 {
			at++ // not before: round up
		}
		b.alarm(tx, at)
		_, err = tx.Exec("INSERT INTO broker_delayed (due, message, queue, rank, expires) VALUES (?, ?, ?, ?, ?)",
			at, r.LastID, q.id, rank, expires)
		return err
	}
	tx.Ring(q.topic)
	_, err = tx.Exec("INSERT INTO broker_ready (queue, rank, place, message, deliveries, expires) VALUES (?, ?, ?, ?, 0, ?)",
		q.id, rank, r.LastID, r.LastID, expires)
	return err
}

// rank orders messages of a queue: lower first.
func (q *queue) rank(m *broker.Message) int64 {
	if !m.Properties.HasPriority {
		return 0
	}
	return -min(int64(m.Properties.Priority), q.maxPriority)
}

func shorter(a, b int64) int64 {
	switch {
	case a < 0:
		return b
	case b < 0:
		return a
	}
	return min(a, b)
}

// full reports whether a queue takes no more messages and says so to the publisher.
func (q *queue) full(tx *sqlitefile.Tx) (bool, error) {
	if q.maxLength < 0 || q.overflow == "drop-head" {
		return false, nil
	}
	n, err := length(tx, q, q.maxLength)
	return n >= q.maxLength, err
}

// length counts the ready messages of a queue, but no further than bound.
func length(tx *sqlitefile.Tx, q *queue, bound int64) (n int64, err error) {
	_, err = tx.Get("SELECT count(*) FROM (SELECT 1 FROM broker_ready WHERE queue = ? LIMIT ?)", []any{q.id, bound}, &n)
	return n, err
}

// makeRoom drops the oldest messages of a queue with a bound, so that one more fits. It reports true when none does.
func (b *Broker) makeRoom(tx *sqlitefile.Tx, q *queue, now int64) (full bool, err error) {
	if q.maxLength < 0 {
		return false, nil
	}
	n, err := length(tx, q, q.maxLength+1)
	if err != nil || n < q.maxLength {
		return false, err
	}
	if q.overflow != "drop-head" || q.maxLength == 0 {
		return true, nil
	}
	taken, err := take(tx, q, n-q.maxLength+1, now)
	if err != nil {
		return false, err
	}
	for _, d := range taken.all() {
		if err := b.bury(tx, q, d, reasonMaxLength, now); err != nil {
			return false, err
		}
	}
	return false, nil
}

func nowMillis() int64 { return time.Now().UnixMilli() }
