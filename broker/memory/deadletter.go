package memory

import (
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// Dead-lettering as RabbitMQ does it: https://www.rabbitmq.com/docs/dlx. Deaths are gathered while a queue is at work and
// routed at the end of the operation, so that no queue changes under another's hands.

// death is a message that left a queue without being acknowledged.
type death struct {
	queue   *queue
	message *parcel
	reason  string // rejected, expired, maxlen or delivery_limit
}

// die sends a message that has left the queue to its dead-letter exchange, if it has one.
func (q *queue) die(m *parcel, reason string) {
	if q.rules.deadLetters {
		q.space.deaths = append(q.space.deaths, death{queue: q, message: m, reason: reason})
	}
}

// bury routes the deaths that were gathered, and those that follow from them. It ends: a message that comes back to a
// queue it died in, without anybody having rejected it on the way, is dropped.
func (s *space) bury() {
	now := time.Now()
	for i := 0; i < len(s.deaths); i++ {
		d := s.deaths[i]
		s.deaths[i] = death{} // for the collector
		m := d.letter(now)
		queues, _ := s.route(m) // an exchange that is missing, and one that leads nowhere, drop it
		for _, name := range queues {
			if d.reason == "rejected" || !cycle(m, name) {
				s.queues[name].put(m, now)
			}
		}
	}
	s.deaths = s.deaths[:0]
}

// letter is the message that goes on: it has no expiration, lest it die again, and tells its deaths in its headers.
func (d death) letter(now time.Time) *parcel {
	m := *d.message
	m.NotBefore = time.Time{}
	m.Properties.Expiration = ""
	m.Exchange = d.queue.rules.exchange
	if d.queue.rules.rekeyed {
		m.RoutingKey = d.queue.rules.key
	}
	t := m.table()
	t["x-death"] = d.deaths(t["x-death"], now)
	for name, v := range map[string]string{"queue": d.queue.name, "reason": d.reason, "exchange": d.message.Exchange} {
		t["x-last-death-"+name] = v
		if _, dead := t["x-first-death-"+name]; !dead {
			t["x-first-death-"+name] = v
		}
	}
	m.headers = make([]header, 0, len(t))
	for name, v := range t {
		m.headers = append(m.headers, header{name, v})
	}
	return &m
}

// deaths puts this death in front of the earlier ones. Deaths in one queue for one reason are one entry, counted.
func (d death) deaths(header any, now time.Time) []any {
	earlier, _ := header.([]any)
	entry := protocol.Table{
		"count": int64(1), "reason": d.reason, "queue": d.queue.name, "time": seconds(now),
		"exchange": d.message.Exchange, "routing-keys": []any{d.message.RoutingKey},
	}
	if e := d.message.Properties.Expiration; e != "" {
		entry["original-expiration"] = e
	}
	all := []any{entry}
	for _, e := range earlier {
		if t, ok := e.(protocol.Table); ok && t["queue"] == d.queue.name && t["reason"] == d.reason {
			n, _ := t["count"].(int64)
			t["count"] = n + 1
			all[0] = t
			continue
		}
		all = append(all, e)
	}
	return all
}

// cycle tells whether a dead letter has been in the queue before, and nobody has rejected it since.
func cycle(m *parcel, queue string) bool {
	deaths, _ := m.header("x-death").([]any)
	for _, e := range deaths {
		t, _ := e.(protocol.Table)
		if t["reason"] == "rejected" {
			return false
		}
		if t["queue"] == queue {
			return true
		}
	}
	return false
}
