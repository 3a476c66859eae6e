// Package web is what people and programs see of the shop: pages, and a JSON API.
//
//	POST /api/orders    202, and the order's id      GET /api/orders/7
//	POST /api/reports   202, and the report's id     GET /api/reports/3, …/events (server-sent), …/file
//	GET  /api/audit     the audit trail              GET /api/articles, /healthz, /readyz
//
// A request that changes something may be repeated under the same Idempotency-Key. Nothing that takes long is done here: a
// request writes down what is wanted, with the task in the outbox, and answers.
package web

import (
	"context"
	"crypto/subtle"
	"embed"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/objects"
	"github.com/umbel-go/umbel/examples/shop/relay"
	"github.com/umbel-go/umbel/examples/shop/store"
)

// Config says what the pages show.
type Config struct {
	App   *umbel.App
	Store *store.Store
	Files objects.Store
	Relay *relay.Relay // is told when something waits in the outbox

	// Password is asked of everybody but for /healthz and /readyz, as that of HTTP's basic authentication with any name, or
	// as a bearer token. "" asks for nothing, and answers only who calls this machine by its own name.
	Password string

	Log *slog.Logger
}

//go:embed page
var files embed.FS

type site struct {
	Config
	pages   pages
	streams atomic.Int64 // of events that are open
}

// maxBody bounds what a request may send.
const maxBody = 64 << 10

// Handler serves the pages and the API.
func Handler(c Config) (http.Handler, error) {
	p, err := readPages()
	if err != nil {
		return nil, err
	}
	s := &site{Config: c, pages: p}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /static/", static())

	mux.HandleFunc("GET /{$}", s.overview)
	mux.HandleFunc("GET /orders", s.ordersPage)
	mux.HandleFunc("POST /orders", s.orderForm)
	mux.HandleFunc("GET /orders/{id}", s.orderPage)
	mux.HandleFunc("GET /reports", s.reportsPage)
	mux.HandleFunc("POST /reports", s.reportForm)
	mux.HandleFunc("GET /reports/{id}", s.reportPage)
	mux.HandleFunc("POST /reports/{id}/cancel", s.cancelForm)
	mux.HandleFunc("GET /audit", s.auditPage)

	mux.HandleFunc("GET /api/articles", s.articles)
	mux.HandleFunc("GET /api/orders", s.listOrders)
	mux.HandleFunc("POST /api/orders", s.placeOrder)
	mux.HandleFunc("GET /api/orders/{id}", s.getOrder)
	mux.HandleFunc("GET /api/reports", s.listReports)
	mux.HandleFunc("POST /api/reports", s.requestReport)
	mux.HandleFunc("GET /api/reports/{id}", s.getReport)
	mux.HandleFunc("POST /api/reports/{id}/cancel", s.cancelReport)
	mux.HandleFunc("GET /api/reports/{id}/events", s.events)
	mux.HandleFunc("GET /api/reports/{id}/file", s.file)
	mux.HandleFunc("GET /api/audit", s.audit)
	mux.HandleFunc("GET /api/audit/export", s.export)
	mux.HandleFunc("/", s.nothing)
	return harden(s.admit(http.NewCrossOriginProtection().Handler(mux))), nil
}

const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// admit lets in whoever knows the password, and puts their name into the audit trail.
func (s *site) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := "web"
		switch name, password, _ := r.BasicAuth(); {
		case r.URL.Path == "/healthz" || r.URL.Path == "/readyz":
		case s.Password == "":
			// Another site's page could have its own name resolved to this machine; it cannot call it by ours.
			if !isLocal(r.Host) {
				s.fail(w, r, http.StatusMisdirectedRequest, "without a password this shop is for localhost alone")
				return
			}
		case same(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), s.Password):
			who = "api"
		case same(password, s.Password):
			who = "web " + name
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="the shop", charset="UTF-8"`)
			s.fail(w, r, http.StatusUnauthorized, "the shop asks for a password")
			return
		}
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		next.ServeHTTP(w, r.WithContext(store.As(r.Context(), store.Actor{Who: who, From: host})))
	})
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func isLocal(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *site) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if err := s.Store.Ping(ctx); err != nil {
		s.log().Error("not ready", "error", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *site) nothing(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, http.StatusNotFound, "there is nothing here")
}

func (s *site) log() *slog.Logger {
	if s.Log != nil {
		return s.Log
	}
	return s.App.Logger()
}

// publish has the relay send what a request has written down. It is told after the commit: if this process dies before, any
// relay finds it.
func (s *site) publish() {
	if s.Relay != nil {
		s.Relay.Nudge()
	}
}
