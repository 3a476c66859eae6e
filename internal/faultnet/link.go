// Package faultnet is a TCP link for tests that fails on request: a loopback proxy in front of a real server that
// cuts, mutes, delays and drops, where a mock would only pretend.
//
//	link := faultnet.To(t, server.Addr())
//	b := open(t, server.URLAt("amqp", link.Addr()))
//	link.DropReplies(faultnet.After(3)) // what the server says after three more replies never arrives
//	link.Cut()                          // every connection is reset
//
//	client ──requests──► link ──► server
//	       ◄──replies───      ◄──
package faultnet

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// dialTimeout bounds a connection to the server behind the link.
const dialTimeout = 5 * time.Second

// A Link is a proxy in front of one server. All methods may be called from many goroutines, and hold for open
// connections as well as for those to come, unless they say otherwise.
type Link struct {
	t        testing.TB
	target   string
	listener net.Listener
	all      sync.WaitGroup

	mu       sync.Mutex // guards everything below
	pairs    map[*pair]struct{}
	refusing bool
	closed   bool
	accepted int
	waiting  map[int][]chan struct{} // closed when accepted reaches the key
	requests way
	replies  way
	tap      func(conn int, sent []byte)
}

// A pair is one client's connection and its continuation to the server.
type pair struct {
	client, server net.Conn
	number         int // of all pairs, from 1
}

// To starts a link to the server at addr, host:port. It ends with the test.
func To(t testing.TB, addr string) *Link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("faultnet: %v", err)
	}
	l := &Link{t: t, target: addr, listener: listener, pairs: make(map[*pair]struct{}), waiting: make(map[int][]chan struct{})}
	l.requests.changed, l.replies.changed = make(chan struct{}), make(chan struct{})
	l.all.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

// Addr is where clients connect, host:port.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Tap calls f with all that clients send from now on, before it goes on to the server: conn is the number of the connection,
// from 1. f must be quick, may be called for several connections at once, and must not keep sent.
func (l *Link) Tap(f func(conn int, sent []byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tap = f
}

// Accepted is how many connections the link has taken so far.
func (l *Link) Accepted() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted
}

// Accepts returns a channel that is closed once n connections have been taken since the link began.
func (l *Link) Accepts(n int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := make(chan struct{})
	if l.accepted >= n {
		close(c)
	} else {
		l.waiting[n] = append(l.waiting[n], c)
	}
	return c
}

// Open is how many connections are open.
func (l *Link) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pairs)
}

// Cut resets every open connection, both sides. New ones are taken. It returns how many there were.
func (l *Link) Cut() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.pairs)
	for p := range l.pairs {
		p.reset()
		delete(l.pairs, p) // its goroutines may end after the next cut
	}
	return n
}

// Say sends every client bytes as if the server had: between two of its replies, if the server is quiet.
func (l *Link) Say(p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for pair := range l.pairs {
		if _, err := pair.client.Write(p); err != nil && !errors.Is(err, net.ErrClosed) {
			l.t.Logf("faultnet: %v", err)
		}
	}
}

// Refuse makes the link reset new connections at once, or take them again.
func (l *Link) Refuse(refuse bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusing = refuse
}

// Down cuts and refuses, as a server that stops.
func (l *Link) Down() {
	l.Refuse(true)
	l.Cut()
}

// Up takes connections again.
func (l *Link) Up() { l.Refuse(false) }

func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return // closed
		}
		l.all.Go(func() { l.join(client) })
	}
}

func (l *Link) join(client net.Conn) {
	l.mu.Lock()
	if l.refusing || l.closed {
		l.mu.Unlock()
		(&pair{client: client}).reset()
		return
	}
	l.mu.Unlock()
	server, err := net.DialTimeout("tcp", l.target, dialTimeout)
	if err != nil {
		(&pair{client: client}).reset()
		return
	}
	p := &pair{client: client, server: server}
	l.mu.Lock()
	if l.refusing || l.closed {
		l.mu.Unlock()
		p.reset()
		return
	}
	l.pairs[p] = struct{}{}
	l.accepted++
	p.number = l.accepted
	for n, waiters := range l.waiting {
		if n <= l.accepted {
			for _, c := range waiters {
				close(c)
			}
			delete(l.waiting, n)
		}
	}
	l.mu.Unlock()

	var both sync.WaitGroup
	both.Go(func() { l.carry(p, &l.requests, p.client, p.server) })
	both.Go(func() { l.carry(p, &l.replies, p.server, p.client) })
	both.Wait()
	l.mu.Lock()
	delete(l.pairs, p)
	l.mu.Unlock()
}

// reset closes both sides with a TCP reset: no buffered byte arrives any more.
func (p *pair) reset() {
	for _, c := range []net.Conn{p.client, p.server} {
		if t, ok := c.(*net.TCPConn); ok && t != nil {
			_ = t.SetLinger(0)
			t.Close()
		}
	}
}

func (l *Link) close() {
	l.mu.Lock()
	l.closed = true
	for p := range l.pairs {
		p.reset()
	}
	l.requests.wakeLocked()
	l.replies.wakeLocked()
	l.mu.Unlock()
	if err := l.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		l.t.Errorf("faultnet: %v", err)
	}
	l.all.Wait()
}
