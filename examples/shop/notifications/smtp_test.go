package notifications_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/umbel-go/umbel/examples/shop/notifications"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/internal/testenv/mailserver"
)

var hello = notifications.Mail{Key: "order-7", To: "Ada <ada@example.com>", Subject: "Grüße", Body: "Danke\n"}

func TestAMailGoesOutByTLSAndWithThePassword(t *testing.T) {
	p := mailserver.Start(t)
	m, err := notifications.Open(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	proof, err := m.Deliver(t.Context(), hello)
	if err != nil || !strings.Contains(proof, "127.0.0.1") {
		t.Fatalf("%q, %v", proof, err)
	}
	mails := p.Mails()
	if len(mails) != 1 || !strings.HasPrefix(mails[0].Body, "Danke") {
		t.Fatalf("mails: %v", mails)
	}
	h := mails[0].Header
	if h.Get("Message-ID") != "<order-7@shop.example>" || !strings.Contains(h.Get("From"), "orders@shop.example") || !strings.Contains(h.Get("To"), "ada@example.com") {
		t.Errorf("header: %v", h)
	}
}

// What the server says decides whether trying again makes sense.
func TestTheServerDecidesAboutARetry(t *testing.T) {
	p := mailserver.Start(t)
	for _, c := range []struct {
		name, password string
		answer         error
		refused        bool
	}{
		{"no such mailbox", mailserver.Password, &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "who?"}, true},
		{"come back later", mailserver.Password, &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted"}, false},
		{"our password is wrong", "wrong", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.Answer(func(string) error { return c.answer })
			m, err := notifications.Open(p.URLWith(c.password))
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

// A mail that was taken is sent, however the conversation ends: who tried again would send a second one.
func TestAServerThatHangsUpAfterItTookAMailHasTakenIt(t *testing.T) {
	p := mailserver.Start(t)
	p.HangUp()
	m, err := notifications.Open(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	if proof, err := m.Deliver(t.Context(), hello); err != nil || proof == "" || len(p.Mails()) != 1 {
		t.Errorf("%q, %v, %d mails; want one, and no error", proof, err, len(p.Mails()))
	}
}

func TestAServerThatNobodyVouchesForGetsNoMail(t *testing.T) {
	p := mailserver.Start(t)
	for _, location := range []string{
		"smtp://shop:sesame%3F%2F%40@" + p.Addr(), // the system's authorities
		strings.Replace(p.URL(), url.QueryEscape(testenv.CA(t).File), url.QueryEscape(testenv.OtherCA(t).File), 1),
	} {
		m, err := notifications.Open(location)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Deliver(t.Context(), hello); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v", location, err)
		}
	}
	if len(p.Mails()) != 0 {
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
