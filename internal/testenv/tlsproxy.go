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
	return tlsFront(t, &tls.Config{Certificates: []tls.Certificate{c.TLS}, MinVersion: tls.VersionTLS12}, target)
}

// AmazonMQ listens as brokers on Amazon MQ do, with a certificate of CA: TLS 1.2 and no other, an RSA key, and two cipher
// suites. What it decrypts goes to the plain server at target. It returns its own address.
func AmazonMQ(t testing.TB, target string) (addr string) {
	t.Helper()
	c, err := CA(t).issueRSA()
	if err != nil {
		t.Fatalf("sign a certificate: %v", err)
	}
	return tlsFront(t, &tls.Config{
		Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
	}, target)
}

func tlsFront(t testing.TB, c *tls.Config, target string) (addr string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
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
