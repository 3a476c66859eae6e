package sqlitefile

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net/url"
	"time"

	"modernc.org/sqlite"
)

// maxStatements bounds the prepared statements kept per connection. Queries are constants of the program, so the bound
// is a guard against a caller that builds text.
const maxStatements = 256

// A conn is one SQLite connection used by one goroutine at a time, below database/sql: its locks, contexts and
// conversions would cost as much as a small statement.
type conn struct {
	raw   driver.Conn
	stmts map[string]driver.Stmt
	args  []driver.NamedValue // scratch of one call
}

// dial opens a connection. Settings that must hold for every connection are in the DSN.
func dial(path string, busy time.Duration, pragmas ...string) (*conn, error) {
	q := url.Values{}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()))
	q.Add("_error_rc", "true")
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	c, err := sqlite.NewConnector("file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode())
	if err != nil {
		return nil, err
	}
	raw, err := c.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	return &conn{raw: raw, stmts: make(map[string]driver.Stmt)}, nil
}

func (c *conn) prepare(query string) (driver.Stmt, error) {
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	s, err := c.raw.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	if len(c.stmts) >= maxStatements {
		c.forget()
	}
	c.stmts[query] = s
	return s, nil
}

func (c *conn) forget() {
	for _, s := range c.stmts {
		s.Close()
	}
	clear(c.stmts)
}

// bind turns Go values into the driver's few.
func (c *conn) bind(args []any) ([]driver.NamedValue, error) {
	c.args = c.args[:0]
	for i, a := range args {
		v := driver.NamedValue{Ordinal: i + 1}
		switch a := a.(type) {
		case nil, int64, float64, bool, string, []byte:
			v.Value = a
		case int:
			v.Value = int64(a)
		case int32:
			v.Value = int64(a)
		case uint8:
			v.Value = int64(a)
		case uint32:
			v.Value = int64(a)
		case time.Time:
			return nil, fmt.Errorf("argument %d is a time: store UnixMilli or UnixNano", i+1)
		default:
			return nil, fmt.Errorf("argument %d has unsupported type %T", i+1, a)
		}
		c.args = append(c.args, v)
	}
	return c.args, nil
}

func (c *conn) exec(query string, args []any) (Result, error) {
	s, err := c.prepare(query)
	if err != nil {
		return Result{}, err
	}
	bound, err := c.bind(args)
	if err != nil {
		return Result{}, fmt.Errorf("%q: %w", query, err)
	}
	r, err := s.(driver.StmtExecContext).ExecContext(context.Background(), bound)
	if err != nil {
		return Result{}, err
	}
	var out Result
	out.Rows, _ = r.RowsAffected()
	out.LastID, _ = r.LastInsertId()
	return out, nil
}

func (c *conn) query(query string, args []any) (driver.Rows, error) {
	s, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	bound, err := c.bind(args)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", query, err)
	}
	return s.(driver.StmtQueryContext).QueryContext(context.Background(), bound)
}

// script runs several statements that are not worth keeping.
func (c *conn) script(text string) error {
	_, err := c.raw.(driver.ExecerContext).ExecContext(context.Background(), text, nil)
	return err
}

func (c *conn) close() error {
	c.forget()
	return c.raw.Close()
}
