package access

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A TLS says how pages are served over TLS. The zero value serves them without.
type TLS struct {
	// CertFile and KeyFile are the monitor's certificate, with those that lead to its authority, and its key, both PEM. They
	// are read again when they have changed, so that a renewed one needs no restart. Flower: certfile, keyfile.
	CertFile, KeyFile string

	// ClientCAs is a PEM file of authorities: only clients are served that show a certificate of one of them, and then show a
	// password or token all the same. Defaults to none. Flower: ca_certs.
	ClientCAs string
}

// Config is what a server needs, nil for one without TLS.
func (t TLS) Config(log *slog.Logger) (*tls.Config, error) {
	switch {
	case t == TLS{}:
		return nil, nil
	case t.CertFile == "" || t.KeyFile == "":
		return nil, errors.New("TLS needs both a certificate (certfile) and its key (keyfile)")
	}
	c := &certificate{files: t, log: log}
	if err := c.read(); err != nil {
		return nil, err
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now(), nil }}
	if t.ClientCAs != "" {
		pem, err := os.ReadFile(t.ClientCAs)
		if err != nil {
			return nil, fmt.Errorf("read the authorities of clients: %w", err)
		}
		out.ClientCAs, out.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !out.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the authorities of clients from %s: it holds no certificate", t.ClientCAs)
		}
	}
	return out, nil
}

// A certificate is read again when one of its files has changed.
type certificate struct {
	files TLS
	log   *slog.Logger

	mu      sync.Mutex // guards what follows
	pair    *tls.Certificate
	changed [2]time.Time // the files, when they were read last, or could not be
}

// now is the certificate as it is in the files, or was before these could no longer be read. Its two files are never written at
// once: until both fit, the one before stands.
func (c *certificate) now() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.read(); err != nil {
		c.log.Error("cannot read the certificate anew; the one before is shown", "error", err)
	}
	return c.pair
}

func (c *certificate) read() error {
	var changed [2]time.Time
	for i, name := range []string{c.files.CertFile, c.files.KeyFile} {
		st, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("read the certificate: %w", err)
		}
		changed[i] = st.ModTime()
	}
	if changed == c.changed {
		return nil
	}
	c.changed = changed
	pair, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return fmt.Errorf("read the certificate %s with its key: %w", c.files.CertFile, err)
	}
	c.pair = &pair
	return nil
}
