package vitals

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/umbel-go/umbel/internal/metric"
)

// A Source is one part of a process that has something to tell. Its methods are called by any goroutine, and must not wait for
// another machine.
type Source interface {
	// Metrics puts what it counts on a page. names are the vocabularies asked for besides our own.
	Metrics(p *metric.Page, names []string)

	// Live says why the process should be killed and started anew; nil: it should not.
	Live() error

	// Ready says why the process does not do its work now; nil: it does.
	Ready() error
}

const (
	patience    = 10 * time.Second // of one request
	idle        = 2 * time.Minute
	headersMost = 16 << 10
	atOnce      = 16 // connections that are served; further ones wait
	goodbye     = 2 * time.Second
)

// A server is the one listener of an address.
type server struct {
	config Config
	token  *[sha256.Size]byte // nil: none is wanted
	http   *http.Server
	addr   string
	local  bool // only this machine can reach it
	served chan struct{}

	mu      sync.Mutex // guards sources
	sources []Source
}

// open are the listeners of this process by address.
var open struct {
	sync.Mutex
	servers map[string]*server
}

// Join shows a source until leave is called. addr is where, with the port that was chosen if the address has port 0. Without an address
// nothing is shown, and leave does nothing.
func Join(c Config, s Source) (leave func(), addr string, err error) {
	if c.Address == "" {
		return func() {}, "", nil
	}
	token, err := c.Check()
	if err != nil {
		return nil, "", err
	}
	open.Lock()
	defer open.Unlock()
	shared := !strings.HasSuffix(c.Address, ":0") && c.Address != "0" // each gets a port of its own there
	v := open.servers[c.Address]
	if v == nil || !shared {
		if v, err = listen(c, token); err != nil {
			return nil, "", err
		}
		if open.servers == nil {
			open.servers = make(map[string]*server)
		}
		if shared {
			open.servers[c.Address] = v
		}
	}
	v.mu.Lock()
	v.sources = append(v.sources, s)
	v.mu.Unlock()
	return sync.OnceFunc(func() { v.drop(s, shared) }), v.addr, nil
}

func (v *server) drop(s Source, shared bool) {
	open.Lock()
	defer open.Unlock()
	v.mu.Lock()
	v.sources = slices.DeleteFunc(v.sources, func(o Source) bool { return o == s })
	last := len(v.sources) == 0
	v.mu.Unlock()
	if !last {
		return
	}
	if shared {
		delete(open.servers, v.config.Address)
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	if err := v.http.Shutdown(ctx); err != nil {
		_ = v.http.Close()
	}
	<-v.served
}

func listen(c Config, token string) (*server, error) {
	network, at, err := Endpoint(c.Address)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		if st, err := os.Stat(at); err == nil && st.Mode().Type() == os.ModeSocket {
			if conn, err := net.DialTimeout("unix", at, time.Second); err == nil {
				_ = conn.Close()
				return nil, fmt.Errorf("metrics_address %s: another process listens there", c.Address)
			}
			_ = os.Remove(at) // of one that was killed
		}
	}
	l, err := net.Listen(network, at)
	if err != nil {
		return nil, fmt.Errorf("metrics_address %s: %w", c.Address, err)
	}
	v := &server{config: c, addr: l.Addr().String(), local: network == "tcp" && local(network, at), served: make(chan struct{})}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		v.token = &sum
	}
	v.http = &http.Server{Handler: v.handler(), ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: idle, MaxHeaderBytes: headersMost}
	go func() {
		defer close(v.served)
		if err := v.http.Serve(&narrow{Listener: l, room: make(chan struct{}, atOnce)}); !errors.Is(err, http.ErrServerClosed) && c.Log != nil {
			c.Log.Error("metrics are no longer served", "address", c.Address, "error", err)
		}
	}()
	if c.Log != nil {
		c.Log.Info("metrics and health are served", "at", v.addr)
	}
	return v, nil
}

func (v *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", v.metrics)
	mux.HandleFunc("GET /livez", v.health(Source.Live))
	mux.HandleFunc("GET /readyz", v.health(Source.Ready))
	return mux
}

func (v *server) list() []Source {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.sources)
}

func (v *server) metrics(w http.ResponseWriter, r *http.Request) {
	if v.token == nil && v.local && !ownName(r.Host) { // a page of the web that has its name lead here would read it
		http.Error(w, "this address answers to names of this machine only", http.StatusForbidden)
		return
	}
	if v.token != nil {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
		if !strings.EqualFold(scheme, "bearer") || subtle.ConstantTimeCompare(sum[:], v.token[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "/metrics wants the token of metrics_token_file as Authorization: Bearer …", http.StatusUnauthorized)
			return
		}
	}
	Show(w, r, v.config.Names, v.list()...)
}

// Show answers a request for metrics.
func Show(w http.ResponseWriter, r *http.Request, names []string, sources ...Source) {
	p := metric.NewPage()
	for _, s := range sources {
		s.Metrics(p, names)
	}
	p.AddProcess()
	w.Header().Set("Content-Type", metric.ContentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	var out io.Writer = w
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		out = z
	}
	_, _ = p.WriteTo(out)
}

// health answers 200 "ok", or 503 with the reasons.
func (v *server) health(ask func(Source) error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		Health(w, ask, v.list()...)
	}
}

// Health answers whether all sources are well.
func Health(w http.ResponseWriter, ask func(Source) error, sources ...Source) {
	var errs []error
	for _, s := range sources {
		errs = append(errs, ask(s))
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := errors.Join(errs...); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, err.Error()+"\n")
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// narrow serves so many connections at once, so that nobody can make the process hold thousands.
type narrow struct {
	net.Listener
	room chan struct{}
}

func (l *narrow) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.room <- struct{}{}:
			return &counted{Conn: c, leave: sync.OnceFunc(func() { <-l.room })}, nil
		default:
			_ = c.Close() // who asks again finds room
		}
	}
}

type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
