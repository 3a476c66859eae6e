package notifications_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/umbel-go/umbel/examples/shop/notifications"
	"github.com/umbel-go/umbel/internal/testenv"
)

// A post is an SMTP server in this process, with STARTTLS and a password.
type post struct {
	addr string

	mu     sync.Mutex // guards what follows
	mails  []*mail.Message
	bodies []string
	answer func(to string) error // to RCPT
}

func openPost(t *testing.T) *post {
	t.Helper()
	p := &post{}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{post: p}, nil }))
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{testenv.CA(t).Issue(t).TLS}}
	server.Domain = "localhost"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return p
}

type session struct {
	post   *post
	logged bool
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, name, password string) error {
		if name != "shop" || password != "sesame?/@" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no"}
		}
		s.logged = true
		return nil
	}), nil
}

func (s *session) Mail(string, *smtp.MailOptions) error {
	if !s.logged {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	if s.post.answer != nil {
		return s.post.answer(to)
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		return err
	}
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	s.post.mails, s.post.bodies = append(s.post.mails, m), append(s.post.bodies, string(body))
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func (p *post) url(t *testing.T, password string) string {
	return fmt.Sprintf("smtp://shop:%s@%s?from=orders@shop.example&ca=%s", password, p.addr, testenv.CA(t).File)
}

var hello = notifications.Mail{Key: "order-7", To: "Ada <ada@example.com>", Subject: "Grüße", Body: "Danke\n"}

func TestAMailGoesOutByTLSAndWithThePassword(t *testing.T) {
	p := openPost(t)
	m, err := notifications.Open(p.url(t, "sesame%3F%2F%40"))
	if err != nil {
		t.Fatal(err)
	}
	proof, err := m.Deliver(t.Context(), hello)
	if err != nil || !strings.Contains(proof, "127.0.0.1") {
		t.Fatalf("%q, %v", proof, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mails) != 1 || !strings.HasPrefix(p.bodies[0], "Danke") {
		t.Fatalf("mails: %v", p.bodies)
	}
	h := p.mails[0].Header
	if h.Get("Message-ID") != "<order-7@shop.example>" || !strings.Contains(h.Get("From"), "orders@shop.example") || !strings.Contains(h.Get("To"), "ada@example.com") {
		t.Errorf("header: %v", h)
	}
}

// What the server says decides whether trying again makes sense.
func TestTheServerDecidesAboutARetry(t *testing.T) {
	p := openPost(t)
	for _, c := range []struct {
		name, password string
		answer         error
		refused        bool
	}{
		{"no such mailbox", "sesame%3F%2F%40", &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "who?"}, true},
		{"come back later", "sesame%3F%2F%40", &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted"}, false},
		{"our password is wrong", "wrong", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.mu.Lock()
			p.answer = func(string) error { return c.answer }
			p.mu.Unlock()
			m, err := notifications.Open(p.url(t, c.password))
			if err != nil {
				t.Fatal(err)
			}
			_, err = m.Deliver(t.Context(), hello)
			if err == nil || errors.Is(err, notifications.ErrRefused) != c.refused {
				t.Errorf("got %v, want it refused for good: %t", err, c.refused)
			}
			if err != nil && strings.Contains(err.Error(), "sesame") {
				t.Errorf("the password is in %v", err)
			}
		})
	}
	m, err := notifications.Open("smtp://127.0.0.1:1?tls=none")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Deliver(t.Context(), hello); err == nil || errors.Is(err, notifications.ErrRefused) {
		t.Errorf("no server: %v", err)
	}
}

func TestAServerThatNobodyVouchesForGetsNoMail(t *testing.T) {
	p := openPost(t)
	for _, location := range []string{
		"smtp://shop:sesame%3F%2F%40@" + p.addr, // the system's authorities
		strings.Replace(p.url(t, "sesame%3F%2F%40"), testenv.CA(t).File, testenv.OtherCA(t).File, 1),
	} {
		m, err := notifications.Open(location)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Deliver(t.Context(), hello); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v", location, err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mails) != 0 {
		t.Error("a mail went out")
	}
}

func TestLocationsOfMailThatMakeNoSense(t *testing.T) {
	for location, want := range map[string]string{
		"smtp://u:p%zz@h": "percent-encoded", "smtp://h?tls=maybe": "tls=maybe", "smtp://h?ca=/no/such.pem": "ca:", "smtp://u:hunter2@h:99999": "port"} {
		_, err := notifications.Open(location)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", location, err, want)
		}
	}
}
