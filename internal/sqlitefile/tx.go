package sqlitefile

import (
	"database/sql/driver"
	"fmt"
	"io"
)

// A Tx is a caller's share of a transaction. It is valid, and may be used by one goroutine, until the function it was
// given to returns.
type Tx struct {
	c     *conn
	seq   *uint64  // the store's; owned by the writer goroutine
	wrote bool     // since this caller began
	execs int      // statements that write, since the transaction began
	rings []string // topics to ring once committed
	open  []*Rows  // closed for the caller if it forgets

	rung map[string]struct{} // topics already in rings
}

// A Result tells of one statement.
type Result struct {
	Rows   int64 // rows inserted, updated or deleted
	LastID int64 // rowid of the last row inserted on this connection
}

// Seq is a number that differs from one transaction to the next within this process, and changes when a share of the
// transaction is undone: what was read from the file stays true while Seq is the same and nobody called Changed, since
// no other process can write meanwhile.
func (tx *Tx) Seq() uint64 { return *tx.seq }

// Changed gives the transaction a new Seq: something that others may have remembered is no longer true.
func (tx *Tx) Changed() { *tx.seq++ }

// Exec runs a statement that returns no rows. The prepared statement is kept, so query must be a constant. Arguments
// are nil, bool, integers, float64, string or []byte; times are stored as integers of the caller's unit.
func (tx *Tx) Exec(query string, args ...any) (Result, error) {
	tx.wrote = true
	tx.execs++
	return tx.c.exec(query, args)
}

// Script runs several statements without arguments, such as a migration.
func (tx *Tx) Script(text string) error {
	tx.wrote = true
	return tx.c.script(text)
}

// Query runs a statement that returns rows. A statement that writes and returns rows needs ExecQuery.
func (tx *Tx) Query(query string, args ...any) (*Rows, error) {
	r, err := tx.c.query(query, args)
	if err != nil {
		return nil, err
	}
	rows := &Rows{r: r, values: make([]driver.Value, len(r.Columns()))}
	tx.open = append(tx.open, rows)
	return rows, nil
}

// ExecQuery runs a statement that writes and returns rows (… RETURNING). All of it is written once the rows are read to
// their end or closed.
func (tx *Tx) ExecQuery(query string, args ...any) (*Rows, error) {
	tx.wrote = true
	return tx.Query(query, args...)
}

// Get reads the first row into dest and reports whether there was one.
func (tx *Tx) Get(query string, args []any, dest ...any) (bool, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return false, err
	}
	defer tx.release(rows)
	if !rows.Next() {
		return false, rows.Err()
	}
	return true, rows.Scan(dest...)
}

// release closes rows and takes them off the list again.
func (tx *Tx) release(rows *Rows) {
	rows.Close()
	if n := len(tx.open); n > 0 && tx.open[n-1] == rows {
		tx.open = tx.open[:n-1]
	}
}

// Ring tells the listeners of topic, in every process, once the transaction is committed.
func (tx *Tx) Ring(topic string) {
	if _, ok := tx.rung[topic]; ok {
		return
	}
	if tx.rung == nil {
		tx.rung = make(map[string]struct{})
	}
	tx.rung[topic] = struct{}{}
	tx.rings = append(tx.rings, topic)
}

// begin readies tx for a caller; finish closes what it left open.
func (tx *Tx) begin() { tx.wrote = false }

func (tx *Tx) finish() {
	for _, r := range tx.open {
		r.Close()
	}
	clear(tx.open)
	tx.open = tx.open[:0]
}

// Rows are read one by one:
//
//	for rows.Next() {
//		if err := rows.Scan(&id, &body); err != nil { … }
//	}
//	return rows.Err()
type Rows struct {
	r      driver.Rows
	values []driver.Value
	err    error
	closed bool
}

// Next reads the next row, or closes the rows and returns false.
func (r *Rows) Next() bool {
	if r.closed || r.err != nil {
		return false
	}
	if err := r.r.Next(r.values); err != nil {
		if err != io.EOF {
			r.err = err
		}
		r.Close()
		return false
	}
	return true
}

// Scan copies the present row into pointers to int64, int, bool, float64, string, []byte or any. NULL becomes the zero
// value. Byte slices belong to the caller.
func (r *Rows) Scan(dest ...any) error {
	if len(dest) != len(r.values) {
		return fmt.Errorf("scan: %d columns into %d variables", len(r.values), len(dest))
	}
	for i, d := range dest {
		if err := assign(d, r.values[i]); err != nil {
			return fmt.Errorf("scan column %d: %w", i+1, err)
		}
	}
	return nil
}

// Err is what ended the rows before their time.
func (r *Rows) Err() error { return r.err }

// Close ends reading. It may be called again.
func (r *Rows) Close() {
	if r.closed {
		return
	}
	r.closed = true
	if err := r.r.Close(); err != nil && r.err == nil {
		r.err = err
	}
}

func assign(dest any, v driver.Value) error {
	switch d := dest.(type) {
	case *any:
		*d = v
		return nil
	case *int64:
		switch v := v.(type) {
		case nil:
			*d = 0
		case int64:
			*d = v
		default:
			return fmt.Errorf("%T into int64", v)
		}
	case *int:
		switch v := v.(type) {
		case nil:
			*d = 0
		case int64:
			*d = int(v)
		default:
			return fmt.Errorf("%T into int", v)
		}
	case *bool:
		switch v := v.(type) {
		case nil:
			*d = false
		case int64:
			*d = v != 0
		case bool:
			*d = v
		default:
			return fmt.Errorf("%T into bool", v)
		}
	case *float64:
		switch v := v.(type) {
		case nil:
			*d = 0
		case float64:
			*d = v
		case int64:
			*d = float64(v)
		default:
			return fmt.Errorf("%T into float64", v)
		}
	case *string:
		switch v := v.(type) {
		case nil:
			*d = ""
		case string:
			*d = v
		case []byte:
			*d = string(v)
		default:
			return fmt.Errorf("%T into string", v)
		}
	case *[]byte:
		switch v := v.(type) {
		case nil:
			*d = nil
		case []byte:
			*d = v
		case string:
			*d = []byte(v)
		default:
			return fmt.Errorf("%T into []byte", v)
		}
	default:
		return fmt.Errorf("unsupported destination %T", dest)
	}
	return nil
}
