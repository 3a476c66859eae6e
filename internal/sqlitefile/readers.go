package sqlitefile

import (
	"context"
	"errors"
	"fmt"
)

// maxReaders bounds the connections that read at once: more would only share the same two or four cores.
const maxReaders = 4

// readers is a pool of read-only connections, opened as they are first needed.
type readers struct {
	path  string
	o     Options
	slots chan *conn // cap maxReaders; nil stands for a connection not opened yet
}

func newReaders(path string, o Options) *readers {
	r := &readers{path: path, o: o, slots: make(chan *conn, maxReaders)}
	for range maxReaders {
		r.slots <- nil
	}
	return r
}

func (p *readers) read(ctx context.Context, gone <-chan struct{}, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	var c *conn
	select {
	case c = <-p.slots:
	case <-ctx.Done():
		return fmt.Errorf("read: %w", ctx.Err())
	case <-gone:
		return fmt.Errorf("read: %w", ErrClosed)
	}
	if c == nil {
		var err error
		if c, err = dial(p.path, p.o.LockTimeout, "query_only(1)", "temp_store(memory)", "cache_size(-8192)"); err != nil {
			p.slots <- nil
			return explain("read", p.path, err)
		}
	}
	err := snapshot(c, fn)
	p.slots <- c
	return explain("read", p.path, err)
}

func snapshot(c *conn, fn func(*Tx) error) error {
	if _, err := c.exec("BEGIN", nil); err != nil {
		return err
	}
	tx := &Tx{c: c, seq: new(uint64)}
	err := fn(tx)
	tx.finish()
	if _, end := c.exec("ROLLBACK", nil); err == nil {
		err = end
	}
	return err
}

// close waits for those who read and closes their connections.
func (p *readers) close() error {
	var errs []error
	for range maxReaders {
		if c := <-p.slots; c != nil {
			errs = append(errs, c.close())
		}
	}
	return errors.Join(errs...)
}
