package access

import (
	"net"
	"net/http"
	"strings"
)

// MaxBody is the largest body of a request, in bytes.
const MaxBody = 1 << 20

// policy lets the page load what comes from here and nothing else: no inline script, no inline style, no frame around it.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// Harden sets the headers that keep a browser from being tricked, refuses requests that another site makes a browser send, and
// bounds bodies. With loopback only requests to a loopback name are served: a page whose name was made to resolve to 127.0.0.1
// must not read what asks for no password.
func Harden(next http.Handler, loopback bool) http.Handler {
	cross := http.NewCrossOriginProtection()
	safe := cross.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		if loopback && !isLoopback(r.Host) {
			http.Error(w, "this monitor asks for no password and answers to loopback names only", http.StatusMisdirectedRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		safe.ServeHTTP(w, r)
	})
}

// isLoopback reports whether a host, with or without a port, names this machine.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Loopback reports whether an address to listen at is reached from this machine only. An empty host is every interface.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && host != "" && isLoopback(host)
}

// Need lets only those through who may do something; denied answers the others.
func Need(s Scope, next http.HandlerFunc, denied func(w http.ResponseWriter, r *http.Request, status int)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if p := From(r.Context()); p == nil || !p.May(s) {
			denied(w, r, http.StatusForbidden)
			return
		}
		next(w, r)
	}
}
