package database

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

// A pool lends a few connections, opened as they are first needed. What runs on them is safe to repeat, so a connection
// that turns out to be dead (the server was restarted, a firewall forgot it) is replaced and the work done again, once.
type pool struct {
	door  *door
	slots chan struct{} // cap is the most connections; whoever holds a slot may hold one

	ctx    context.Context // ends with close: it interrupts everything under way
	cancel context.CancelFunc

	lines *lines

	mu   sync.Mutex
	idle []*pgx.Conn // the latest used last
}

func newPool(d *door, l *lines, most int) *pool {
	p := &pool{door: d, lines: l, slots: make(chan struct{}, most)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// do runs fn on a connection. fn may be called twice.
func (p *pool) do(ctx context.Context, fn func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(p.ctx, cancel)
	defer stop()
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return p.why(fmt.Errorf("wait for a connection: %w", context.Cause(ctx)))
	}
	defer func() { <-p.slots }()

	conn, used, err := p.take(ctx)
	if err != nil {
		return p.why(err)
	}
	err = fn(ctx, conn)
	if err != nil && used && conn.IsClosed() && ctx.Err() == nil {
		p.give(conn)
		p.forget() // the others have died with it
		if conn, _, err = p.take(ctx); err != nil {
			return p.why(err)
		}
		err = fn(ctx, conn)
	}
	p.give(conn)
	return p.why(err)
}

// why says that the pool was closed, where that is the reason.
func (p *pool) why(err error) error {
	if err != nil && p.ctx.Err() != nil {
		return errClosed
	}
	return err
}

// take returns an idle connection (used), or a new one.
func (p *pool) take(ctx context.Context) (conn *pgx.Conn, used bool, err error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		conn = p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return conn, true, nil
	}
	p.mu.Unlock()
	conn, err = p.door.open(ctx)
	return conn, false, err
}

// give takes a connection back, or sees to the end of a broken one.
func (p *pool) give(conn *pgx.Conn) {
	p.mu.Lock()
	if !conn.IsClosed() && p.ctx.Err() == nil {
		p.idle = append(p.idle, conn)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.lines.hangUp(conn)
}

// forget closes idle connections.
func (p *pool) forget() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		p.lines.hangUp(c)
	}
}

// close interrupts what is under way, waits for it, and hangs up.
func (p *pool) close() {
	p.cancel()
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	p.forget()
}
