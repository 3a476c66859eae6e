package monitor_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/access"
)

// overTLS makes a rig's client one that trusts the tests' authority, and shows these certificates.
func (r *rig) overTLS(shown ...tls.Certificate) {
	c := testenv.CA(r.t).ClientTLS()
	c.Certificates = shown
	r.client.CloseIdleConnections()
	r.client.Transport = &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}
}

func TestPagesAreServedOverTLS(t *testing.T) {
	t.Parallel()
	cert := testenv.CA(t).Issue(t)
	r := start(t, monitor.Config{TLS: access.TLS{CertFile: cert.CertFile, KeyFile: cert.KeyFile}, Access: access.Config{Users: users}})
	r.overTLS()
	a := r.send("POST", "/api/v1/login", map[string]string{"name": "ann", "password": "ann's password"}, nil)
	if a.StatusCode != http.StatusNoContent || len(a.Cookies()) != 1 || !a.Cookies()[0].Secure {
		t.Fatalf("login: %s, %v", a.Status, a.Cookies())
	}
	with := func(req *http.Request) { req.AddCookie(a.Cookies()[0]) }
	if a := r.send("GET", "/api/v1/me", nil, with); a.StatusCode != http.StatusOK || a.ProtoMajor != 2 {
		t.Errorf("%s %s", a.Proto, a.Status)
	}
	if a, err := http.Get("http" + strings.TrimPrefix(r.url, "https") + "/"); err == nil {
		a.Body.Close()
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS: %s", a.Status)
		}
	}
	if _, err := tls.Dial("tcp", strings.TrimPrefix(r.url, "https://"), &tls.Config{MaxVersion: tls.VersionTLS11, RootCAs: testenv.CA(t).Pool}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestARenewedCertificateIsShownWithoutARestart(t *testing.T) {
	t.Parallel()
	cert, renewed := testenv.CA(t).Issue(t), testenv.CA(t).Issue(t)
	r := start(t, monitor.Config{TLS: access.TLS{CertFile: cert.CertFile, KeyFile: cert.KeyFile}, Access: access.Config{Users: users}})
	serial := func() string {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(r.url, "https://"), testenv.CA(t).ClientTLS())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	replace := func(file, with string, at time.Time) {
		text, err := os.ReadFile(with)
		if err == nil {
			err = os.WriteFile(file, text, 0o600)
		}
		if err == nil {
			err = os.Chtimes(file, at, at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	replace(cert.CertFile, renewed.CertFile, time.Now().Add(time.Hour))
	if got := serial(); got != first {
		t.Errorf("a certificate without its key is shown: %s, want %s", got, first)
	}
	replace(cert.KeyFile, renewed.KeyFile, time.Now().Add(time.Hour))
	if serial() == first {
		t.Error("the renewed certificate is not shown")
	}
}

func TestOnlyClientsOfTheAuthorityAreServed(t *testing.T) {
	t.Parallel()
	ca := testenv.CA(t)
	cert := ca.Issue(t)
	r := start(t, monitor.Config{TLS: access.TLS{CertFile: cert.CertFile, KeyFile: cert.KeyFile, ClientCAs: ca.File}, Access: access.Config{Users: users}})
	for what, c := range map[string]struct {
		shown  []tls.Certificate
		served bool
	}{
		"none":              {nil, false},
		"another's":         {[]tls.Certificate{testenv.OtherCA(t).Issue(t).TLS}, false},
		"its own":           {[]tls.Certificate{ca.Issue(t).TLS}, true},
		"its own, too late": {[]tls.Certificate{ca.Issue(t, testenv.Expired()).TLS}, false},
	} {
		r.overTLS(c.shown...)
		a, err := r.client.Get(r.url + "/api/v1/me")
		if err == nil {
			a.Body.Close()
		}
		if served := err == nil; served != c.served {
			t.Errorf("a client with a certificate, %s: served %v, %v", what, served, err)
		}
		if err == nil && a.StatusCode != http.StatusUnauthorized {
			t.Errorf("a certificate stands for a password: %s", a.Status)
		}
	}
}

func TestTLSThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	cert, other := testenv.CA(t).Issue(t), testenv.CA(t).Issue(t)
	for want, c := range map[string]access.TLS{
		"both a certificate":    {CertFile: cert.CertFile},
		"needs both":            {KeyFile: cert.KeyFile},
		"no such file":          {CertFile: cert.CertFile + "x", KeyFile: cert.KeyFile},
		"does not match":        {CertFile: cert.CertFile, KeyFile: other.KeyFile},
		"holds no certificate":  {CertFile: cert.CertFile, KeyFile: cert.KeyFile, ClientCAs: cert.KeyFile},
		"authorities of client": {CertFile: cert.CertFile, KeyFile: cert.KeyFile, ClientCAs: cert.KeyFile + "x"},
	} {
		if _, err := monitor.New(umbel.New("refused"), monitor.Config{TLS: c}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q in it", c, err, want)
		}
	}
}
