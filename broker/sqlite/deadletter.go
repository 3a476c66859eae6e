// Dead letters, as RabbitMQ writes them: the x-death header tells of every queue the message died in.

package sqlite

import (
	"maps"
	"slices"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/envelope"
	"github.com/umbel-go/umbel/internal/sqlitefile"
	"github.com/umbel-go/umbel/protocol"
)

// Why a message died, in RabbitMQ's words.
const (
	reasonRejected      = "rejected"
	reasonExpired       = "expired"
	reasonMaxLength     = "maxlen"
	reasonDeliveryLimit = "delivery_limit"
)

// maxBurials bounds how many queues one death may overflow in turn.
const maxBurials = 16

// bury removes a message that died in q, leaving a dead letter if q asks for one.
func (b *Broker) bury(tx *sqlitefile.Tx, q *queue, d *item, reason string, now int64) error {
	if q.deadLetters {
		if d.envelope == nil {
			if _, err := tx.Get("SELECT envelope, body FROM broker_message WHERE id = ?", []any{d.id}, &d.envelope, &d.body); err != nil {
				return err
			}
		}
		var m broker.Message
		if err := envelope.Decode(d.envelope, &m); err != nil {
			b.log.Error("a dead message cannot be read and leaves no dead letter", "queue", q.name, "message", d.id, "error", err)
		} else {
			m.Body = d.body
			if err := b.deadLetter(tx, q, m, reason, now); err != nil {
				return err
			}
		}
	}
	_, err := tx.Exec("DELETE FROM broker_message WHERE id = ?", d.id)
	return err
}

// deadLetter sends m to q's dead-letter exchange. A dead letter that reaches no queue is dropped, as RabbitMQ does, and
// logged.
func (b *Broker) deadLetter(tx *sqlitefile.Tx, q *queue, m broker.Message, reason string, now int64) error {
	if !q.deadLetters {
		return nil
	}
	if b.burials >= maxBurials {
		b.log.Warn("dead letter dropped: too many queues overflow into each other", "queue", q.name, "reason", reason)
		return nil
	}
	b.burials++
	defer func() { b.burials-- }()

	m.Headers = markDeath(m, q.name, reason, now)
	m.Properties.Expiration = "" // else it would die again where it is kept
	m.NotBefore = time.Time{}
	m.Exchange = q.deadExchange
	if q.deadKeySet {
		m.RoutingKey = q.deadKey
	}
	t, err := b.topology(tx)
	if err != nil {
		return err
	}
	targets, ok := t.route(nil, m.Exchange, m.RoutingKey)
	targets = slices.DeleteFunc(targets, func(to *queue) bool { return circles(m.Headers, to.name) })
	if !ok || len(targets) == 0 {
		b.log.Warn("dead letter dropped: its exchange leads to no queue, or in a circle",
			"queue", q.name, "reason", reason, "exchange", m.Exchange, "routing_key", m.RoutingKey)
		return nil
	}
	p, err := newParcel(&m)
	if err != nil {
		b.log.Error("dead letter dropped", "queue", q.name, "reason", reason, "error", err)
		return nil
	}
	for _, to := range targets {
		if err := b.enqueue(tx, to, p, now); err != nil {
			return err
		}
	}
	return nil
}

// markDeath returns the headers of m with its death in a queue written in.
func markDeath(m broker.Message, queue, reason string, now int64) protocol.Table {
	h := maps.Clone(m.Headers)
	if h == nil {
		h = make(protocol.Table)
	}
	old, _ := h["x-death"].([]any)
	death := protocol.Table{
		"count": int64(1), "reason": reason, "queue": queue, "exchange": m.Exchange,
		"routing-keys": []any{m.RoutingKey}, "time": time.UnixMilli(now).UTC().Truncate(time.Second),
	}
	if e := m.Properties.Expiration; e != "" {
		death["original-expiration"] = e
	}
	deaths := []any{death}
	for _, d := range old {
		if t, ok := d.(protocol.Table); ok && t["queue"] == queue && t["reason"] == reason {
			n, _ := toInt(t["count"])
			again := maps.Clone(t) // the first death there keeps its exchange and keys
			again["count"] = n + 1
			again["time"] = death["time"]
			deaths[0] = again
			continue
		}
		deaths = append(deaths, d)
	}
	h["x-death"] = deaths
	if _, ok := h["x-first-death-queue"]; !ok {
		h["x-first-death-queue"], h["x-first-death-reason"], h["x-first-death-exchange"] = queue, reason, m.Exchange
	}
	h["x-last-death-queue"], h["x-last-death-reason"], h["x-last-death-exchange"] = queue, reason, m.Exchange
	return h
}

// circles reports whether the message died in that queue before and nobody has rejected it since: it would go round for
// ever without anybody seeing it.
func circles(h protocol.Table, queue string) bool {
	deaths, _ := h["x-death"].([]any)
	for _, d := range deaths {
		t, _ := d.(protocol.Table)
		if t["reason"] == reasonRejected {
			return false
		}
		if t["queue"] == queue {
			return true
		}
	}
	return false
}
