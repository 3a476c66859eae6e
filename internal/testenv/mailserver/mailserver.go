// Package mailserver is an SMTP server for tests, within their process: STARTTLS with a certificate of testenv.CA, and a password.
package mailserver

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/url"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/umbel-go/umbel/internal/testenv"
)

// A Server takes mails and keeps them.
type Server struct {
	t    testing.TB
	addr string

	mu     sync.Mutex // guards what follows
	mails  []Mail
	answer func(to string) error
	hangUp bool
}

// A Mail is one that was taken.
type Mail struct {
	Header mail.Header
	Body   string
}

// The only user.
const (
	User     = "shop"
	Password = "sesame?/@"
)

// Start starts a server; it ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{server: s, conn: c}, nil }))
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{testenv.CA(t).Issue(t).TLS}}
	server.Domain = "localhost"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return s
}

// Addr is host:port.
func (s *Server) Addr() string { return s.addr }

// URL is the smtp:// URL of the server.
func (s *Server) URL() string { return s.URLWith(Password) }

// URLWith is URL with another password.
func (s *Server) URLWith(password string) string {
	return fmt.Sprintf("smtp://%s@%s?from=orders@shop.example&ca=%s", url.UserPassword(User, password), s.addr, url.QueryEscape(testenv.CA(s.t).File))
}

// Answer decides about each recipient from now on: nil takes the mail, a *smtp.SMTPError is told to the client.
func (s *Server) Answer(f func(to string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// HangUp makes the server end each conversation from now on as soon as it has said that it takes a mail.
func (s *Server) HangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangUp = true
}

// Mails are those taken so far.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails[:len(s.mails):len(s.mails)]
}

type session struct {
	server *Server
	conn   *smtp.Conn
	logged bool
	took   bool // a mail
}

// AuthMechanisms is what the server offers.
func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth checks the password.
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, name, password string) error {
		if name != User || password != Password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no"}
		}
		s.logged = true
		return nil
	}), nil
}

// Mail begins a mail.
func (s *session) Mail(string, *smtp.MailOptions) error {
	if !s.logged {
		return smtp.ErrAuthRequired
	}
	return nil
}

// Rcpt asks about a recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.answer != nil {
		return s.server.answer(to)
	}
	return nil
}

// Data takes the mail.
func (s *session) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.took = true
	s.server.mails = append(s.server.mails, Mail{Header: m.Header, Body: string(body)})
	return nil
}

// Reset comes after the answer to a mail, or when one that was begun is forgotten.
func (s *session) Reset() {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.took && s.server.hangUp {
		_ = s.conn.Conn().Close()
	}
}

// Logout ends the session.
func (s *session) Logout() error { return nil }
