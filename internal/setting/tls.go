package setting

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

// TLSOptions are broker_use_ssl and redis_backend_use_ssl.
type TLSOptions struct {
	CACerts           string
	CertFile, KeyFile string
	ServerHostname    string
	PinSHA256         string
	AnyHostname       bool
	SkipVerify        bool
	Off               bool
}

// The two spellings: py-amqp's, for broker_use_ssl, and redis-py's, for redis_backend_use_ssl. Each library takes fixed
// names and fails on the other's, so whoever copies one setting to the other has a Celery that never connects.
var amqpSpelling = map[string]string{
	"ca_certs": "ca_certs", "certfile": "certfile", "keyfile": "keyfile", "cert_reqs": "cert_reqs",
	"server_hostname": "server_hostname", "check_hostname": "check_hostname",
	"pin_sha256": "pin_sha256", // Umbel's own
}

var redisSpelling = map[string]string{
	"ssl_ca_certs": "ca_certs", "ssl_certfile": "certfile", "ssl_keyfile": "keyfile", "ssl_cert_reqs": "cert_reqs",
	"ssl_check_hostname": "check_hostname",
}

// ignoredTLS are keys of both libraries that mean nothing here.
var ignoredTLS = map[string]string{
	"ssl_version": "TLS 1.2 or newer is spoken always", "ciphers": "Go's own cipher suites are used",
	"ssl_ciphers": "Go's own cipher suites are used", "ssl_min_version": "TLS 1.2 or newer is spoken always",
	"do_handshake_on_connect": "the handshake is always done on connecting",
	"suppress_ragged_eofs":    "a connection cut without notice is always an error",
}

// tls reads true, false or a map of options.
func (r *reader) tls(n *Node) any {
	if n.scalar() {
		on, ok := r.boolean(n)
		if !ok {
			r.problems = r.problems[:len(r.problems)-1]
			r.want(n, "true, false or a map of TLS options")
			return nil
		}
		return TLSOptions{Off: !on}
	}
	if n.Kind != Mapping {
		r.want(n, "true, false or a map of TLS options")
		return nil
	}
	right, wrong := amqpSpelling, redisSpelling
	if strings.HasPrefix(r.setting.Name, "redis_") {
		right, wrong = redisSpelling, amqpSpelling
	}
	var t TLSOptions
	first := make(map[string]string)
	for _, m := range n.Members {
		key := right[m.Name]
		if meant := spelling(right, wrong[m.Name]); key == "" && meant != "" {
			key = wrong[m.Name]
			r.warn(&Node{Place: m.Place}, "%s is read as %s; Celery itself would fail on it and never connect: write %s",
				m.Name, meant, meant)
		}
		if why := ignoredTLS[m.Name]; why != "" {
			r.warn(&Node{Place: m.Place}, "%s has no effect: %s", m.Name, why)
			continue
		}
		if key == "" {
			text := "unknown TLS option " + m.Name
			if near := Nearest(m.Name, keys(right)); near != "" {
				text += ": did you mean " + near + "?"
			} else {
				text += ": known are " + strings.Join(keys(right), ", ")
			}
			r.fail(&Node{Place: m.Place}, "%s", text)
			continue
		}
		if before := first[key]; before != "" {
			r.fail(&Node{Place: m.Place}, "%s and %s say the same thing: keep one", before, m.Name)
			continue
		}
		first[key] = m.Name
		r.tlsOption(&t, key, m)
	}
	return t
}

func (r *reader) tlsOption(t *TLSOptions, key string, m Member) {
	v := m.Value
	if v.Kind == Null {
		return
	}
	if key == "cert_reqs" {
		if !v.scalar() {
			r.fail(v, "%s: %s is not CERT_REQUIRED, CERT_OPTIONAL or CERT_NONE", m.Name, v.says(false))
			return
		}
		switch strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(strings.ToUpper(v.Text), "SSL."), "CERT_")) {
		case "required", "2", "optional", "1": // a client's "optional" verifies as "required" does
		case "none", "0":
			t.SkipVerify = true
			r.warn(v, "%s switches verification off: the connection is encrypted, but with whoever answers", m.Name)
		default:
			r.fail(v, "%s: %s is not CERT_REQUIRED, CERT_OPTIONAL or CERT_NONE", m.Name, v.says(false))
		}
		return
	}
	if key == "check_hostname" {
		if v.Kind != Boolean {
			r.fail(v, "%s: %s is not true or false", m.Name, v.says(false))
		}
		t.AnyHostname = strings.EqualFold(v.Text, "false")
		if t.AnyHostname {
			r.warn(v, "%s takes every host whose certificate a trusted authority has signed", m.Name)
		}
		return
	}
	if !v.scalar() || v.Kind == Boolean {
		r.fail(v, "%s: %s is not text", m.Name, v.says(false))
		return
	}
	switch key {
	case "ca_certs":
		t.CACerts = v.Text
	case "certfile":
		t.CertFile = v.Text
	case "keyfile":
		t.KeyFile = v.Text
	case "server_hostname":
		t.ServerHostname = v.Text
	case "pin_sha256":
		t.PinSHA256 = v.Text
		if _, err := parsePins(v.Text); err != nil {
			r.fail(v, "%v", err)
		}
	}
}

// spelling is the name of a key, or "" when there is none.
func spelling(m map[string]string, key string) string {
	for name, k := range m {
		if k == key {
			return name
		}
	}
	return ""
}

// Config reads the files that the options name. It returns nil when TLS is off.
func (t TLSOptions) Config() (*tls.Config, error) {
	if t.Off {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerHostname, InsecureSkipVerify: t.SkipVerify}
	if t.CACerts != "" {
		pem, err := os.ReadFile(t.CACerts)
		if err != nil {
			return nil, fmt.Errorf("read authorities to trust: %w: set ca_certs to a PEM file, or leave it out for the system's", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read authorities to trust: %s holds no PEM certificate", t.CACerts)
		}
	}
	if t.AnyHostname && !t.SkipVerify {
		anyHostname(c)
	}
	if t.PinSHA256 != "" {
		pins, err := parsePins(t.PinSHA256)
		if err != nil {
			return nil, err
		}
		holdToPins(c, pins)
	}
	if t.CertFile == "" && t.KeyFile != "" {
		return nil, fmt.Errorf("keyfile %s is set without certfile: set both", t.KeyFile)
	}
	if t.CertFile != "" {
		key := t.KeyFile
		if key == "" {
			key = t.CertFile // Python reads both from one file, too
		}
		cert, err := tls.LoadX509KeyPair(t.CertFile, key)
		if err != nil {
			return nil, fmt.Errorf("read certificate %s and key %s: %w", t.CertFile, key, err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// anyHostname verifies the certificate against the authorities, and not against the name of the host.
func anyHostname(c *tls.Config) {
	c.InsecureSkipVerify = true // the standard check, which includes the name; what follows takes its place
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the server has sent no certificate")
		}
		o := x509.VerifyOptions{Roots: c.RootCAs, Intermediates: x509.NewCertPool()}
		for _, cert := range s.PeerCertificates[1:] {
			o.Intermediates.AddCert(cert)
		}
		_, err := s.PeerCertificates[0].Verify(o)
		return err
	}
}

// Plain is the options as a settings file holds them, in Redis's spelling or AMQP's.
func (t TLSOptions) Plain(redis bool) any {
	if t == (TLSOptions{}) || t.Off {
		return !t.Off
	}
	prefix := ""
	if redis {
		prefix = "ssl_"
	}
	m := make(map[string]any)
	for key, v := range map[string]string{"ca_certs": t.CACerts, "certfile": t.CertFile, "keyfile": t.KeyFile} {
		if v != "" {
			m[prefix+key] = v
		}
	}
	if t.ServerHostname != "" {
		m["server_hostname"] = t.ServerHostname
	}
	if t.PinSHA256 != "" {
		m["pin_sha256"] = t.PinSHA256
	}
	if t.AnyHostname {
		m[prefix+"check_hostname"] = false
	}
	if t.SkipVerify {
		m[prefix+"cert_reqs"] = "CERT_NONE"
	}
	return m
}
