package sqlite

import (
	"context"
	"fmt"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/routing"
	"github.com/umbel-go/umbel/internal/sqlitefile"
)

// Declare implements broker.Broker. It is one transaction: all of it or nothing.
func (b *Broker) Declare(ctx context.Context, t broker.Topology) error {
	if err := b.usable(); err != nil {
		return err
	}
	for _, q := range t.Queues {
		if q.Exclusive {
			if err := b.own(ctx); err != nil {
				return err
			}
			break
		}
	}
	return closed(b.file.Write(ctx, func(tx *sqlitefile.Tx) error { return b.declare(tx, t) }))
}

func (b *Broker) declare(tx *sqlitefile.Tx, t broker.Topology) error {
	for _, x := range t.Exchanges {
		if err := b.declareExchange(tx, x); err != nil {
			return err
		}
	}
	for _, q := range t.Queues {
		if err := b.declareQueue(tx, q); err != nil {
			return err
		}
	}
	for _, e := range t.Bindings {
		if err := b.declareBinding(tx, e); err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) declareExchange(tx *sqlitefile.Tx, x broker.Exchange) error {
	if x.Name == "" {
		return fmt.Errorf("declare exchange: the default exchange, named \"\", is always there and cannot be declared")
	}
	if !routing.Known(x.Type) {
		return fmt.Errorf("declare exchange %q: type %q is not supported by the embedded broker: use direct, topic or fanout", x.Name, x.Type)
	}
	var kind string
	var durable, autoDelete bool
	var raw []byte
	found, err := tx.Get("SELECT type, durable, auto_delete, arguments FROM broker_exchange WHERE name = ?", []any{x.Name},
		&kind, &durable, &autoDelete, &raw)
	if err != nil {
		return err
	}
	if found {
		arguments, err := decodeArguments(raw)
		if err != nil {
			return err
		}
		detail := differ(arguments, x.Arguments)
		switch {
		case kind != x.Type:
			detail = fmt.Sprintf("type is %s, declared as %s", kind, x.Type)
		case durable != x.Durable:
			detail = fmt.Sprintf("durable is %v, declared as %v", durable, x.Durable)
		case autoDelete != x.AutoDelete:
			detail = fmt.Sprintf("auto_delete is %v, declared as %v", autoDelete, x.AutoDelete)
		}
		if detail != "" {
			return &broker.DriftError{Kind: "exchange", Name: x.Name, Detail: detail}
		}
		return nil
	}
	if raw, err = encodeArguments(x.Arguments); err != nil {
		return fmt.Errorf("declare exchange %q: %w", x.Name, err)
	}
	if _, err := tx.Exec("INSERT INTO broker_exchange (name, type, durable, auto_delete, arguments) VALUES (?, ?, ?, ?, ?)",
		x.Name, x.Type, x.Durable, x.AutoDelete, raw); err != nil {
		return err
	}
	return changeTopology(tx)
}

func (b *Broker) declareQueue(tx *sqlitefile.Tx, q broker.Queue) error {
	if q.Name == "" {
		return fmt.Errorf("declare queue: it needs a name")
	}
	l, err := limitsOf(q.Arguments)
	if err != nil {
		return fmt.Errorf("declare queue %q: %w", q.Name, err)
	}
	t, err := b.topology(tx)
	if err != nil {
		return err
	}
	if have := t.queues[q.Name]; have != nil {
		if have.owner != 0 && have.owner != b.ownerID() {
			return lockedQueue(q.Name)
		}
		detail := differ(have.arguments, q.Arguments)
		switch {
		case have.durable != q.Durable:
			detail = fmt.Sprintf("durable is %v, declared as %v", have.durable, q.Durable)
		case have.autoDelete != q.AutoDelete:
			detail = fmt.Sprintf("auto_delete is %v, declared as %v", have.autoDelete, q.AutoDelete)
		case (have.owner != 0) != q.Exclusive:
			detail = fmt.Sprintf("exclusive is %v, declared as %v", have.owner != 0, q.Exclusive)
		}
		if detail != "" {
			return &broker.DriftError{Kind: "queue", Name: q.Name, Detail: detail}
		}
		return b.postpone(tx, have) // a declaration counts as use
	}
	raw, err := encodeArguments(q.Arguments)
	if err != nil {
		return fmt.Errorf("declare queue %q: %w", q.Name, err)
	}
	var owner int64
	if q.Exclusive {
		owner = b.ownerID()
	}
	if _, err := tx.Exec("INSERT INTO broker_queue (name, durable, auto_delete, owner, arguments, lapses) VALUES (?, ?, ?, ?, ?, ?)",
		q.Name, q.Durable, q.AutoDelete, owner, raw, b.lapseTime(tx, l)); err != nil {
		return err
	}
	return changeTopology(tx)
}

// lockedQueue is AMQP's RESOURCE_LOCKED.
func lockedQueue(name string) error {
	return fmt.Errorf("queue %q is exclusive to another connection: wait until that one has closed, or choose another name", name)
}

func (b *Broker) declareBinding(tx *sqlitefile.Tx, e broker.Binding) error {
	t, err := b.topology(tx)
	if err != nil {
		return err
	}
	switch {
	case (e.Queue == "") == (e.Exchange == ""):
		return fmt.Errorf("bind exchange %q: name either a queue or an exchange", e.Source)
	case e.Source == "":
		return fmt.Errorf("bind %q: the default exchange takes no bindings: it reaches every queue by its name", e.Queue+e.Exchange)
	case !t.graph.HasExchange(e.Source):
		return fmt.Errorf("bind exchange %q: no such exchange: declare it first", e.Source)
	case e.Queue != "" && t.queues[e.Queue] == nil:
		return fmt.Errorf("bind exchange %q: %w", e.Source, noQueue(e.Queue))
	case e.Queue != "" && t.queues[e.Queue].owner != 0 && t.queues[e.Queue].owner != b.ownerID():
		return fmt.Errorf("bind exchange %q: %w", e.Source, lockedQueue(e.Queue))
	case e.Exchange != "" && !t.graph.HasExchange(e.Exchange):
		return fmt.Errorf("bind exchange %q to exchange %q: no such exchange: declare it first", e.Source, e.Exchange)
	}
	r, err := tx.Exec("INSERT OR IGNORE INTO broker_binding (source, queue, exchange, routing_key) VALUES (?, ?, ?, ?)",
		e.Source, e.Queue, e.Exchange, e.RoutingKey)
	if err != nil || r.Rows == 0 {
		return err
	}
	return changeTopology(tx)
}

// Delete implements broker.Broker. Messages of deleted queues are gone at once; their rows are removed bit by bit.
func (b *Broker) Delete(ctx context.Context, t broker.Topology) error {
	if err := b.usable(); err != nil {
		return err
	}
	return closed(b.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		for _, q := range t.Queues {
			topo, err := b.topology(tx)
			if err != nil {
				return err
			}
			have := topo.queues[q.Name]
			if have == nil {
				continue
			}
			if have.owner != 0 && have.owner != b.ownerID() {
				return lockedQueue(q.Name)
			}
			if err := b.deleteQueue(tx, have); err != nil {
				return err
			}
		}
		for _, x := range t.Exchanges {
			if err := deleteExchange(tx, x.Name); err != nil {
				return err
			}
		}
		return nil
	}))
}

// deleteQueue takes a queue out of the topology and leaves its messages to the keeper.
func (b *Broker) deleteQueue(tx *sqlitefile.Tx, q *queue) error {
	if _, err := tx.Exec("DELETE FROM broker_queue WHERE id = ?", q.id); err != nil {
		return err
	}
	if _, err := tx.Exec("INSERT OR IGNORE INTO broker_doomed (queue) VALUES (?)", q.id); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM broker_consumer WHERE queue = ?", q.id); err != nil {
		return err
	}
	tx.Ring(goneTopic(q.name))
	tx.Ring(keeperTopic)
	if err := unbind(tx, "queue", q.name); err != nil {
		return err
	}
	return changeTopology(tx)
}

// unbind removes the bindings to a queue or exchange, and auto-delete exchanges that have lost their last binding by it.
func unbind(tx *sqlitefile.Tx, kind, name string) error {
	list, remove := "SELECT DISTINCT source FROM broker_binding WHERE queue = ?", "DELETE FROM broker_binding WHERE queue = ?"
	if kind == "exchange" {
		list, remove = "SELECT DISTINCT source FROM broker_binding WHERE exchange = ?", "DELETE FROM broker_binding WHERE exchange = ?"
	}
	sources, err := column(tx, list, name)
	if err != nil || len(sources) == 0 {
		return err
	}
	if _, err := tx.Exec(remove, name); err != nil {
		return err
	}
	for _, s := range sources {
		var bare int
		if _, err := tx.Get("SELECT count(*) FROM broker_exchange WHERE name = ? AND auto_delete AND NOT EXISTS "+
			"(SELECT 1 FROM broker_binding WHERE source = name)", []any{s}, &bare); err != nil {
			return err
		}
		if bare > 0 {
			if err := deleteExchange(tx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteExchange removes an exchange and its bindings, from it and to it. Each call removes a row, so it ends.
func deleteExchange(tx *sqlitefile.Tx, name string) error {
	r, err := tx.Exec("DELETE FROM broker_exchange WHERE name = ?", name)
	if err != nil || r.Rows == 0 {
		return err
	}
	if _, err := tx.Exec("DELETE FROM broker_binding WHERE source = ?", name); err != nil {
		return err
	}
	if err := unbind(tx, "exchange", name); err != nil {
		return err
	}
	return changeTopology(tx)
}

// column reads a column of text.
func column(tx *sqlitefile.Tx, query string, args ...any) ([]string, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}
