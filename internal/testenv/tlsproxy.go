package testenv

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
)

// TLSProxy listens with the certificate c and hands what it decrypts to the plain server at target. It returns its own
// address. With an expired certificate, one for another host or of another authority, it is the server that a client
// must refuse, without the time to start one.
func TLSProxy(t testing.TB, c *Certificate, target string) (addr string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c.TLS}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	p := &tlsProxy{open: make(map[net.Conn]bool), target: target}
	p.all.Go(func() { p.serve(l) })
	t.Cleanup(func() {
		l.Close()
		p.closeAll()
		p.all.Wait()
	})
	return l.Addr().String()
}

type tlsProxy struct {
	target string
	all    sync.WaitGroup

	mu     sync.Mutex // guards open and closed
	open   map[net.Conn]bool
	closed bool
}

func (p *tlsProxy) serve(l net.Listener) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		p.all.Go(func() { p.join(in) })
	}
}

func (p *tlsProxy) join(in net.Conn) {
	defer in.Close()
	if !p.keep(in) {
		return
	}
	defer p.drop(in)
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer out.Close()
	if !p.keep(out) {
		return
	}
	defer p.drop(out)
	p.all.Go(func() {
		io.Copy(out, in)
		out.Close()
	})
	io.Copy(in, out)
}

func (p *tlsProxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.open[c] = true
	}
	return !p.closed
}

func (p *tlsProxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

func (p *tlsProxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c := range p.open {
		c.Close()
	}
}
