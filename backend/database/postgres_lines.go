package database

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// grace is how long a server has to take leave: to hear that a query is given up, and a goodbye.
const grace = time.Second

// lines are all network connections of a store. pgx cleans up behind a broken connection on goroutines of its own, for
// up to 15 s when the server is silent; lines let nobody wait for that but Close, and Close not long.
type lines struct {
	dialer net.Dialer

	mu      sync.Mutex
	open    map[*line]struct{}
	leaving []*pgx.Conn // closed; pgx may not be done with them
}

func newLines() *lines {
	// The kernel finds out that the other end is gone, within about a minute; nothing else is sent to keep a
	// connection busy.
	keep := net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}
	return &lines{dialer: net.Dialer{KeepAliveConfig: keep}, open: make(map[*line]struct{})}
}

// A line is one network connection, which leaves the list as it closes.
type line struct {
	net.Conn
	all *lines
}

func (l *line) Close() error {
	l.all.mu.Lock()
	delete(l.all.open, l)
	l.all.mu.Unlock()
	return l.Conn.Close()
}

func (ls *lines) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := ls.dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l := &line{Conn: conn, all: ls}
	ls.mu.Lock()
	ls.open[l] = struct{}{}
	ls.mu.Unlock()
	return l, nil
}

// hangUp closes a connection, broken or not, without waiting for the other end.
func (ls *lines) hangUp(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	c.Close(ctx)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.leaving = slices.DeleteFunc(append(ls.leaving, c), func(c *pgx.Conn) bool {
		select {
		case <-c.PgConn().CleanupDone():
			return true
		default:
			return false
		}
	})
}

// end waits until nothing is left of any connection; those that have not ended within the grace are cut.
func (ls *lines) end() {
	ls.mu.Lock()
	leaving := ls.leaving
	ls.leaving = nil
	ls.mu.Unlock()
	cut := time.AfterFunc(grace, ls.cut)
	defer cut.Stop()
	for _, c := range leaving {
		<-c.PgConn().CleanupDone()
	}
}

func (ls *lines) cut() {
	ls.mu.Lock()
	open := make([]*line, 0, len(ls.open))
	for l := range ls.open {
		open = append(open, l)
	}
	ls.mu.Unlock()
	for _, l := range open {
		l.Close()
	}
}
