package setting

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const somePin = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

func TestTLSOptionsInBothSpellings(t *testing.T) {
	ours := TLSOptions{CACerts: "ca.pem", CertFile: "c.pem", KeyFile: "k.pem"}
	for name, c := range map[string]struct {
		setting, text string
		want          TLSOptions
		warnings      int
	}{
		"true":                         {"broker_use_ssl", "true", TLSOptions{}, 0},
		"false":                        {"broker_use_ssl", "false", TLSOptions{Off: true}, 0},
		"py-amqp's spelling":           {"broker_use_ssl", "{ca_certs: ca.pem, certfile: c.pem, keyfile: k.pem, cert_reqs: CERT_REQUIRED}", ours, 0},
		"Redis's spelling, for AMQP":   {"broker_use_ssl", "{ssl_ca_certs: ca.pem, ssl_certfile: c.pem, ssl_keyfile: k.pem, ssl_cert_reqs: CERT_REQUIRED}", ours, 4},
		"Redis's spelling":             {"redis_backend_use_ssl", "{ssl_ca_certs: ca.pem, ssl_certfile: c.pem, ssl_keyfile: k.pem, ssl_cert_reqs: required}", ours, 0},
		"py-amqp's spelling for Redis": {"redis_backend_use_ssl", "{ca_certs: ca.pem, certfile: c.pem, keyfile: k.pem}", ours, 3},
		"a pin":                        {"broker_use_ssl", "{pin_sha256: " + somePin + "}", TLSOptions{PinSHA256: somePin}, 0},
		"server name":                  {"broker_use_ssl", "{server_hostname: rabbit.example.com}", TLSOptions{ServerHostname: "rabbit.example.com"}, 0},
		"no verification":              {"broker_use_ssl", "{cert_reqs: CERT_NONE}", TLSOptions{SkipVerify: true}, 1},
		"no verification, as a number": {"broker_use_ssl", "{cert_reqs: 0}", TLSOptions{SkipVerify: true}, 1},
		"no verification, in Python":   {"broker_use_ssl", "{cert_reqs: ssl.CERT_NONE}", TLSOptions{SkipVerify: true}, 1},
		"no verification, short":       {"redis_backend_use_ssl", "{ssl_cert_reqs: none}", TLSOptions{SkipVerify: true}, 1},
		"verification, as a number":    {"broker_use_ssl", "{cert_reqs: 2}", TLSOptions{}, 0},
		"null leaves the default":      {"broker_use_ssl", "{cert_reqs: null, ca_certs: null}", TLSOptions{}, 0},
		"any host, AMQP":               {"broker_use_ssl", "{check_hostname: false}", TLSOptions{AnyHostname: true}, 1},
		"any host, Redis":              {"redis_backend_use_ssl", "{ssl_check_hostname: false}", TLSOptions{AnyHostname: true}, 1},
		"the host's name is checked":   {"redis_backend_use_ssl", "{ssl_check_hostname: true}", TLSOptions{}, 0},
		"versions are ours":            {"broker_use_ssl", "{ssl_version: 5, ciphers: HIGH}", TLSOptions{}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			got, r := readOne(t, c.setting, c.text)
			if got != c.want || len(r.problems) != 0 || len(r.warnings) != c.warnings {
				t.Errorf("read %+v, want %+v\n%s", got, c.want, texts(r))
			}
		})
	}
	_, r := readOne(t, "broker_use_ssl", "{ssl_ca_certs: a}")
	if want := "f.yaml:1: broker_use_ssl: ssl_ca_certs is read as ca_certs; Celery itself would fail on it and never connect: write ca_certs"; texts(r) != want {
		t.Errorf("warned %q, want %q", texts(r), want)
	}
	for text, want := range map[string]string{
		"{ca_cert: a}":         "f.yaml:1: broker_use_ssl: unknown TLS option ca_cert: did you mean ca_certs?",
		"{colour: red}":        "f.yaml:1: broker_use_ssl: unknown TLS option colour: known are ca_certs, cert_reqs, certfile, check_hostname, keyfile, pin_sha256, server_hostname",
		"{pin_sha256: abc}":    `f.yaml:1: broker_use_ssl: pin_sha256: "abc" is no SHA-256 in base64 or hexadecimal digits, separated by commas`,
		"{cert_reqs: perhaps}": `f.yaml:1: broker_use_ssl: cert_reqs: "perhaps" is not CERT_REQUIRED, CERT_OPTIONAL or CERT_NONE`,
		"{cert_reqs: [1]}":     `f.yaml:1: broker_use_ssl: cert_reqs: a list is not CERT_REQUIRED, CERT_OPTIONAL or CERT_NONE`,
		"{ca_certs: [a]}":      "f.yaml:1: broker_use_ssl: ca_certs: a list is not text",
		"perhaps":              `f.yaml:1: broker_use_ssl: "perhaps" is not true, false or a map of TLS options`,
		"[a]":                  "f.yaml:1: broker_use_ssl: a list is not true, false or a map of TLS options",
	} {
		if _, r := readOne(t, "broker_use_ssl", text); texts(r) != want {
			t.Errorf("%s: %q, want %q", text, texts(r), want)
		}
	}
	if _, r := readOne(t, "redis_backend_use_ssl", "{server_hostname: h}"); len(r.problems) != 1 {
		t.Errorf("a server name for Redis: %s", texts(r))
	}
	_, r = readOne(t, "broker_use_ssl", "{ca_certs: a, ssl_ca_certs: b}")
	if len(r.problems) != 1 || !strings.HasSuffix(r.problems[0].Text, "ca_certs and ssl_ca_certs say the same thing: keep one") {
		t.Errorf("both spellings: %s", texts(r))
	}
}

func TestPlainTLSOptionsAreReadBack(t *testing.T) {
	for _, o := range []TLSOptions{{}, {Off: true}, {CACerts: "a", CertFile: "b", KeyFile: "c", ServerHostname: "d", PinSHA256: somePin, SkipVerify: true, AnyHostname: true}} {
		for _, name := range []string{"broker_use_ssl", "redis_backend_use_ssl"} {
			if name != "broker_use_ssl" {
				o.ServerHostname, o.PinSHA256 = "", ""
			}
			s, _ := Lookup(name)
			r := &reader{setting: s, spelt: name}
			if got := r.tls(nodeOf(o.Plain(name != "broker_use_ssl"))); got != o || len(r.problems) != 0 {
				t.Errorf("%s: %+v came back as %+v: %s", name, o, got, texts(r))
			}
		}
	}
}

func TestTLSConfig(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir)
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	both := filepath.Join(dir, "both.pem")
	a, _ := os.ReadFile(cert)
	b, _ := os.ReadFile(key)
	if err := os.WriteFile(both, append(a, b...), 0o600); err != nil {
		t.Fatal(err)
	}

	c, err := TLSOptions{}.Config()
	if err != nil || c.MinVersion != tls.VersionTLS12 || c.RootCAs != nil || c.InsecureSkipVerify || c.ServerName != "" {
		t.Errorf("the zero value is %+v, %v", c, err)
	}
	c, err = TLSOptions{CACerts: cert, CertFile: cert, KeyFile: key, ServerHostname: "h", SkipVerify: true}.Config()
	if err != nil || c.RootCAs == nil || len(c.Certificates) != 1 || c.ServerName != "h" || !c.InsecureSkipVerify {
		t.Errorf("all options are %+v, %v", c, err)
	}
	if c, err = (TLSOptions{CertFile: both}).Config(); err != nil || len(c.Certificates) != 1 {
		t.Errorf("certificate and key in one file: %v", err)
	}
	if c, err := (TLSOptions{Off: true, CACerts: "nosuch"}).Config(); c != nil || err != nil {
		t.Errorf("off is %v, %v", c, err)
	}
	for want, o := range map[string]TLSOptions{
		"read authorities to trust: open " + dir + "/nosuch: no such file or directory: set ca_certs to a PEM file": {CACerts: dir + "/nosuch"},
		"read authorities to trust: " + empty + " holds no PEM certificate":                                         {CACerts: empty},
		"keyfile " + key + " is set without certfile: set both":                                                     {KeyFile: key},
		"read certificate " + cert + " and key " + empty:                                                            {CertFile: cert, KeyFile: empty},
	} {
		if _, err := o.Config(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: error %v, want %s", o, err, want)
		}
	}
}

// A real handshake: what is verified, and what not.
func TestTLSConfigVerifies(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir)
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	stranger, _ := writeCertificate(t, other)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o    TLSOptions
		host string
		ok   bool
	}{
		"trusted":                          {TLSOptions{CACerts: cert}, "localhost", true},
		"trusted, another name":            {TLSOptions{CACerts: cert}, "elsewhere", false},
		"trusted, any name":                {TLSOptions{CACerts: cert, AnyHostname: true}, "elsewhere", true},
		"trusted, name by setting":         {TLSOptions{CACerts: cert, ServerHostname: "localhost"}, "", true},
		"unknown authority":                {TLSOptions{CACerts: stranger}, "localhost", false},
		"unknown authority, any name":      {TLSOptions{CACerts: stranger, AnyHostname: true}, "localhost", false},
		"the system's authorities":         {TLSOptions{}, "localhost", false},
		"not verified":                     {TLSOptions{CACerts: stranger, SkipVerify: true}, "elsewhere", true},
		"not verified, whatever the name":  {TLSOptions{SkipVerify: true, AnyHostname: true}, "elsewhere", true},
		"the system's, by any name, still": {TLSOptions{AnyHostname: true}, "localhost", false},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := c.o.Config()
			if err != nil {
				t.Fatal(err)
			}
			if config.ServerName == "" {
				config.ServerName = c.host
			}
			listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan struct{})
			go func() {
				defer close(served)
				if conn, err := listener.Accept(); err == nil {
					conn.(*tls.Conn).Handshake() // its error is the client's, seen from the other side
					conn.Close()
				}
			}()
			conn, err := tls.Dial("tcp", listener.Addr().String(), config)
			if (err == nil) != c.ok {
				t.Errorf("handshake: %v", err)
			}
			if err == nil {
				conn.Close()
			}
			listener.Close()
			<-served
		})
	}
}

func writeCertificate(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
