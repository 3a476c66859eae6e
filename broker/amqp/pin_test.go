package amqp

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/setting"
	"github.com/umbel-go/umbel/internal/testenv"
)

// A certificate of a trusted authority is not enough where a key is pinned.
func TestAPinHoldsTheBrokerToItsKey(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	ca, other := testenv.CA(t), testenv.OtherCA(t)
	own := ca.Issue(t)
	addr := testenv.TLSProxy(t, own, r.Addr())
	foreign := testenv.TLSProxy(t, ca.Issue(t, testenv.ForHost("other.example")), r.Addr())
	sum := sha256.Sum256(own.TLS.Leaf.RawSubjectPublicKeyInfo)
	pin, digits := base64.StdEncoding.EncodeToString(sum[:]), hex.EncodeToString(sum[:])
	nobodys := base64.StdEncoding.EncodeToString(make([]byte, sha256.Size))
	authority := sha256.Sum256(authorityOf(t, ca).RawSubjectPublicKeyInfo)
	for _, row := range []struct {
		about, addr string
		options     setting.TLSOptions
		says        string // "" when it opens
	}{
		{"the broker's key", addr, setting.TLSOptions{CACerts: ca.File, PinSHA256: pin}, ""},
		{"in hexadecimal digits", addr, setting.TLSOptions{CACerts: ca.File, PinSHA256: digits}, ""},
		{"as curl writes it, beside the next one", addr, setting.TLSOptions{CACerts: ca.File, PinSHA256: nobodys + ", sha256//" + pin}, ""},
		{"the authority's key", addr, setting.TLSOptions{CACerts: ca.File, PinSHA256: base64.StdEncoding.EncodeToString(authority[:])}, ""},
		{"another key", addr, setting.TLSOptions{CACerts: ca.File, PinSHA256: nobodys}, "not one of pin_sha256: its own is " + pin},
		{"the key, and another authority", addr, setting.TLSOptions{CACerts: other.File, PinSHA256: pin}, "unknown authority"},
		{"the key alone", addr, setting.TLSOptions{SkipVerify: true, PinSHA256: pin}, ""},
		{"another key alone", addr, setting.TLSOptions{SkipVerify: true, PinSHA256: nobodys}, "not one of pin_sha256"},
		{"any name, another key", foreign, setting.TLSOptions{CACerts: ca.File, AnyHostname: true, PinSHA256: pin}, "not one of pin_sha256"},
	} {
		t.Run(row.about, func(t *testing.T) {
			t.Parallel()
			config, err := row.options.Config()
			if err != nil {
				t.Fatal(err)
			}
			b, err := tryOpen(r.URLAt("amqps", row.addr), func(c *broker.Config) { c.TLS = config })
			if err == nil {
				b.Close()
			}
			if (err == nil) != (row.says == "") || err != nil && !strings.Contains(err.Error(), row.says) {
				t.Errorf("%v, want %q", err, row.says)
			}
		})
	}
	t.Run("a URL that asks for any name keeps the pin", func(t *testing.T) {
		config, err := setting.TLSOptions{CACerts: ca.File, PinSHA256: nobodys}.Config()
		if err != nil {
			t.Fatal(err)
		}
		b, err := tryOpen(r.URLAt("amqps", foreign)+"?ssl_check_hostname=false", func(c *broker.Config) { c.TLS = config })
		if err == nil {
			b.Close()
			t.Fatal("opened")
		}
		if !strings.Contains(err.Error(), "not one of pin_sha256") {
			t.Error(err)
		}
	})
}

// authorityOf is an authority's certificate, as a chain that ends in it shows it.
func authorityOf(t *testing.T, ca *testenv.Authority) *x509.Certificate {
	t.Helper()
	chains, err := ca.Issue(t).TLS.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool})
	if err != nil {
		t.Fatal(err)
	}
	return chains[0][len(chains[0])-1]
}
