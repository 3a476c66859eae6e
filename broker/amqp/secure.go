package amqp

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// secure says how an endpoint is reached over TLS. Files are read at every dial, so that renewed certificates are
// picked up by the next reconnect.
type secure struct {
	on     bool
	config *tls.Config // of broker.Config; options of the URL come on top

	caFile, certFile, keyFile string
	serverName                string
	noVerify                  bool // any certificate: asked for by name only
	anyName                   bool // the chain is verified, the host name is not
}

// clientConfig builds the TLS configuration for host: verified, and TLS 1.2 or newer, whatever it starts from.
func (s *secure) clientConfig(host string) (*tls.Config, error) {
	c := &tls.Config{}
	if s.config != nil {
		c = s.config.Clone()
	}
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	if s.caFile != "" {
		pem, err := os.ReadFile(s.caFile)
		if err != nil {
			return nil, fmt.Errorf("cacertfile: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cacertfile %s: no certificate in it", s.caFile)
		}
	}
	if (s.certFile == "") != (s.keyFile == "") {
		return nil, fmt.Errorf("certfile and keyfile belong together: one of them is missing")
	}
	if s.certFile != "" {
		pair, err := tls.LoadX509KeyPair(s.certFile, s.keyFile)
		if err != nil {
			return nil, fmt.Errorf("certfile and keyfile: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if s.serverName != "" {
		c.ServerName = s.serverName
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	if s.noVerify {
		c.InsecureSkipVerify = true
	}
	if s.anyName && !c.InsecureSkipVerify {
		verifyChainOnly(c)
	}
	return c, nil
}

// verifyChainOnly makes c check everything but the host name. crypto/tls has no such switch: its own verification is
// turned off and the chain verified here.
func verifyChainOnly(c *tls.Config) {
	roots, before := c.RootCAs, c.VerifyConnection
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if len(cs.PeerCertificates) == 0 {
			return fmt.Errorf("the server sent no certificate")
		}
		intermediates := x509.NewCertPool()
		for _, cert := range cs.PeerCertificates[1:] {
			intermediates.AddCert(cert)
		}
		if _, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates}); err != nil || before == nil {
			return err
		}
		return before(cs)
	}
}
