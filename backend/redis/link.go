package redis

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// links dials for the client and knows every open connection, so that one that has gone silent, or that leads to a
// server which is no longer the master, can be cut: the client then makes a new one.
type links struct {
	socket  string        // dialed instead of any address, when set
	timeout time.Duration // name look-up, TCP and TLS together
	life    context.Context
	end     context.CancelFunc // ends life: dialing fails from then on

	mu      sync.Mutex // guards what follows; not held while dialing
	open    map[*link]struct{}
	refused bool   // a server did not accept our credentials, and they were not asked for since
	last    error  // of the last failed dial: clearer than what the client makes of it
	doing   string // what is waited for, for the error when time runs out
}

// A link is a connection that leaves links when it is closed.
type link struct {
	net.Conn
	of       *links
	sentinel bool // who answers is a sentinel, which has credentials of its own
	heard    int  // bytes read, up to greeting
	once     sync.Once
	err      error
}

// greeting is how much a server says at most, in bytes, before it has answered the login.
const greeting = 1 << 10

// noLogin is how servers begin when they do not accept credentials.
var noLogin = [][]byte{[]byte("-WRONGPASS"), []byte("-NOAUTH"), []byte("-ERR invalid password"), []byte("-ERR invalid username-password")}

// Read notes when the server refuses the login: the client does not tell which of its connections it was.
func (k *link) Read(p []byte) (int, error) {
	n, err := k.Conn.Read(p)
	if k.heard < greeting && !k.sentinel {
		k.heard += n
		if slices.ContainsFunc(noLogin, func(no []byte) bool { return bytes.Contains(p[:n], no) }) {
			k.of.setRefused()
		}
	}
	return n, err
}

// RemoteAddr tells sentinels by their type.
func (k *link) RemoteAddr() net.Addr {
	if k.sentinel {
		return sentinelAddr{k.Conn.RemoteAddr()}
	}
	return k.Conn.RemoteAddr()
}

type sentinelAddr struct{ net.Addr }

// sentinelMark, as the keep-alive of a dialer, says that a sentinel is dialed. Like every negative one it switches off what the
// dialer does by itself.
const sentinelMark time.Duration = -2

var errLinksClosed = errors.New("closed")

// probes find a peer that has vanished within a minute and a half, without a word from us: Redis sees none of them.
var probes = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 3}

func newLinks(socket string, timeout time.Duration) *links {
	l := &links{socket: socket, timeout: timeout, open: make(map[*link]struct{})}
	l.life, l.end = context.WithCancel(context.Background())
	return l
}

func (l *links) dial(ctx context.Context, addr string, d *net.Dialer, c *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	defer context.AfterFunc(l.life, cancel)()
	conn, err := l.connect(ctx, addr, c)
	switch {
	case err == nil:
		l.note("logging in at " + cmp.Or(l.socket, addr))
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = l.late()
	}
	if l.life.Err() != nil {
		if err == nil {
			conn.Close()
		}
		return nil, errLinksClosed
	}
	if err != nil {
		l.mu.Lock()
		l.last = err
		l.mu.Unlock()
		return nil, err
	}
	k := &link{Conn: conn, of: l, sentinel: d != nil && d.KeepAlive == sentinelMark}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.life.Err() != nil {
		conn.Close()
		return nil, errLinksClosed
	}
	l.open[k] = struct{}{}
	return k, nil
}

func (l *links) connect(ctx context.Context, addr string, c *tls.Config) (net.Conn, error) {
	l.note("connecting to " + cmp.Or(l.socket, addr))
	d := net.Dialer{KeepAliveConfig: probes, Control: boundUnacked}
	if l.socket != "" {
		return d.DialContext(ctx, "unix", l.socket)
	}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil || c == nil {
		return conn, err
	}
	if c.ServerName == "" {
		host, _, _ := net.SplitHostPort(addr)
		c = c.Clone()
		c.ServerName = host
	}
	l.note("the TLS handshake with " + addr)
	t := tls.Client(conn, c)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", addr, err)
	}
	return t, nil
}

// cut closes all connections; new ones may be made.
func (l *links) cut() {
	l.mu.Lock()
	open := l.open
	l.open = make(map[*link]struct{})
	l.mu.Unlock()
	for k := range open {
		k.Close()
	}
}

// close closes all connections and refuses new ones.
func (l *links) close() {
	l.end()
	l.cut()
}

// takeRefused reports whether credentials were refused since it was last called.
func (l *links) takeRefused() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.refused
	l.refused = false
	return was
}

func (l *links) setRefused() {
	l.mu.Lock()
	l.refused = true
	l.mu.Unlock()
}

func (l *links) note(doing string) {
	l.mu.Lock()
	l.doing = doing
	l.mu.Unlock()
}

// A lateError says what had no end when the time to connect was up.
type lateError struct {
	doing string
	limit time.Duration
}

func (e *lateError) Error() string { return fmt.Sprintf("%s took longer than %s", e.doing, e.limit) }

func (l *links) late() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &lateError{l.doing, l.timeout}
}

func (l *links) lastError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (k *link) Close() error {
	k.once.Do(func() {
		k.of.mu.Lock()
		delete(k.of.open, k)
		k.of.mu.Unlock()
		k.err = k.Conn.Close()
	})
	return k.err
}
