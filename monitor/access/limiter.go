package access

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// failuresMost wrong passwords or tokens within failuresIn from one address, or for one name, and no more are looked at
	// until some time has passed.
	failuresMost = 10
	failuresIn   = 5 * time.Minute
	failersMost  = 10_000
)

// A limiter counts failures. Its memory is bounded: when it is full, those who failed longest ago are forgotten.
type limiter struct {
	mu      sync.Mutex // guards failers
	failers map[string]failer
}

type failer struct {
	n     int
	since time.Time
}

func newLimiter() *limiter { return &limiter{failers: make(map[string]failer)} }

func (l *limiter) blocked(who string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.failers[who]
	return ok && f.n >= failuresMost && now.Sub(f.since) < failuresIn
}

func (l *limiter) failed(who string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.failers[who]
	if !ok || now.Sub(f.since) >= failuresIn {
		f = failer{since: now}
	}
	f.n++
	if !ok && len(l.failers) >= failersMost {
		for k, old := range l.failers {
			if now.Sub(old.since) >= failuresIn || len(l.failers) >= failersMost {
				delete(l.failers, k)
			}
		}
	}
	l.failers[who] = f
}

// Addr is the address that a request comes from. Of X-Forwarded-For only the last entry counts, which the proxy wrote.
func (g *Guard) Addr(r *http.Request) string {
	if g.config.Proxy {
		list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if a := strings.TrimSpace(list[len(list)-1]); net.ParseIP(a) != nil {
			return a
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
