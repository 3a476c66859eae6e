// The topology in memory: what a publish needs to know, so that it reads nothing from the file but one number.
//
// Owner: the file's writer goroutine. It is used inside writes only, where nobody else can change it. The token in the
// file tells whether this copy is still true; it is read once per transaction.

package sqlite

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/umbel-go/umbel/internal/envelope"
	"github.com/umbel-go/umbel/internal/routing"
	"github.com/umbel-go/umbel/internal/sqlitefile"
	"github.com/umbel-go/umbel/protocol"
)

type topology struct {
	token  int64
	graph  *routing.Graph
	queues map[string]*queue
	byID   map[int64]*queue
}

// A queue as declared, with those of its arguments that mean something here.
type queue struct {
	id         int64
	name       string
	durable    bool
	autoDelete bool
	owner      int64 // of an exclusive queue
	arguments  protocol.Table
	limits
}

// limits are the arguments of a queue that this broker honours.
type limits struct {
	maxPriority   int64
	ttl           int64 // ms; -1: none
	lapse         int64 // x-expires in ms; 0: never
	maxLength     int64 // -1: none
	overflow      string
	deliveryLimit int64 // -1: none
	deadExchange  string
	deadKey       string
	deadLetters   bool // deadExchange is set: it may be "", the default exchange
	deadKeySet    bool
	topic         string // what is rung when a message becomes ready
}

// topology returns the present topology.
func (b *Broker) topology(tx *sqlitefile.Tx) (*topology, error) {
	if b.topo != nil && b.topoSeq == tx.Seq() {
		return b.topo, nil
	}
	var token int64
	if _, err := tx.Get("SELECT token FROM broker_topology", nil, &token); err != nil {
		return nil, err
	}
	if b.topo == nil || b.topo.token != token {
		t, err := readTopology(tx)
		if err != nil {
			return nil, err
		}
		t.token = token
		b.topo = t
	}
	b.topoSeq = tx.Seq()
	return b.topo, nil
}

// changeTopology makes every copy, ours included, be read again. A random token rather than a count: a transaction that
// is undone must not leave a copy that another process's change could be taken for.
func changeTopology(tx *sqlitefile.Tx) error {
	var b [8]byte
	rand.Read(b[:])
	tx.Changed()
	_, err := tx.Exec("UPDATE broker_topology SET token = ?", int64(binary.LittleEndian.Uint64(b[:])))
	return err
}

func readTopology(tx *sqlitefile.Tx) (*topology, error) {
	t := &topology{graph: routing.New(), queues: make(map[string]*queue), byID: make(map[int64]*queue)}
	rows, err := tx.Query("SELECT name, type, arguments FROM broker_exchange")
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var name, kind string
		var raw []byte
		if err := rows.Scan(&name, &kind, &raw); err != nil {
			return nil, err
		}
		arguments, err := decodeArguments(raw)
		if err != nil {
			return nil, err
		}
		alternate, _ := arguments["alternate-exchange"].(string)
		t.graph.AddExchange(name, kind, alternate)
	}
	if rows.Err() != nil {
		return nil, rows.Err()
	}
	rows, err = tx.Query("SELECT id, name, durable, auto_delete, owner, arguments FROM broker_queue")
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		q := &queue{}
		var raw []byte
		if err := rows.Scan(&q.id, &q.name, &q.durable, &q.autoDelete, &q.owner, &raw); err != nil {
			return nil, err
		}
		if q.arguments, err = decodeArguments(raw); err != nil {
			return nil, err
		}
		if q.limits, err = limitsOf(q.arguments); err != nil {
			return nil, err
		}
		q.topic = queueTopic(q.name)
		t.queues[q.name] = q
		t.byID[q.id] = q
	}
	if rows.Err() != nil {
		return nil, rows.Err()
	}
	rows, err = tx.Query("SELECT source, queue, exchange, routing_key FROM broker_binding ORDER BY id")
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var e routing.Binding
		if err := rows.Scan(&e.Source, &e.Queue, &e.Exchange, &e.Key); err != nil {
			return nil, err
		}
		t.graph.Bind(e)
	}
	return t, rows.Err()
}

// route appends the queues that a message reaches. ok is false when the exchange does not exist.
func (t *topology) route(dst []*queue, exchange, key string) (_ []*queue, ok bool) {
	if exchange == "" {
		if q := t.queues[key]; q != nil {
			dst = append(dst, q)
		}
		return dst, true
	}
	names, ok := t.graph.Route(nil, exchange, key)
	for _, n := range names {
		if q := t.queues[n]; q != nil {
			dst = append(dst, q)
		}
	}
	return dst, ok
}

// queueTopic is the bell's topic of a queue.
func queueTopic(name string) string { return "broker.queue." + name }

// goneTopic is rung when the queue is deleted.
func goneTopic(name string) string { return "broker.gone." + name }

func encodeArguments(t protocol.Table) ([]byte, error) {
	if len(t) == 0 {
		return nil, nil
	}
	return envelope.AppendTable(nil, t)
}

func decodeArguments(b []byte) (protocol.Table, error) {
	if len(b) == 0 {
		return nil, nil
	}
	return envelope.ReadTable(b)
}
