package testenv

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
)

func TestSharedServersShowACertificateOfCA(t *testing.T) {
	for name, addr := range map[string]string{"RabbitMQ": RabbitMQ(t).TLSAddr(), "Redis": Redis(t).TLSAddr()} {
		c, err := tls.Dial("tcp", addr, CA(t).ClientTLS())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c.Close()
	}
}

func TestATLSProxyServesWhatItDecrypts(t *testing.T) {
	r := Redis(t)
	addr := TLSProxy(t, CA(t).Issue(t), r.Addr())
	got, err := redisDo(addr, CA(t).ClientTLS(), []string{"ECHO", "through"})
	if err != nil || got != "through" {
		t.Errorf("ECHO = %v, %v", got, err)
	}
}

func TestFlawedCertificatesAreRefused(t *testing.T) {
	r := Redis(t)
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	for _, c := range []struct {
		name string
		cert *Certificate
		want any
	}{
		{"another authority", OtherCA(t).Issue(t), &authority},
		{"expired", CA(t).Issue(t, Expired()), &invalid},
		{"another host", CA(t).Issue(t, ForHost("example.com")), &host},
	} {
		_, err := redisDo(TLSProxy(t, c.cert, r.Addr()), CA(t).ClientTLS(), []string{"PING"})
		if !errors.As(err, c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}
