package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// An Authority is a private certificate authority.
type Authority struct {
	File string         // PEM file of its certificate
	Pool *x509.CertPool // holds its certificate alone
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// A Certificate was signed by an Authority. Its files are PEM.
type Certificate struct {
	CertFile, KeyFile string
	TLS               tls.Certificate
}

// A Flaw makes a certificate differ from a good one for localhost and 127.0.0.1.
type Flaw func(*x509.Certificate)

// Expired makes a certificate that was valid until yesterday.
func Expired() Flaw {
	return func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	}
}

// ForHost makes a certificate for other names than localhost and 127.0.0.1.
func ForHost(names ...string) Flaw {
	return func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = names, nil }
}

// CA is the authority that signed the certificates of the shared servers. It is made once per user.
func CA(t testing.TB) *Authority {
	t.Helper()
	ca, err := userCA()
	if err != nil {
		t.Fatalf("make a certificate authority: %v", err)
	}
	return ca
}

// OtherCA is a new authority that nobody trusts.
func OtherCA(t testing.TB) *Authority {
	t.Helper()
	ca, err := newAuthority(t.TempDir())
	if err != nil {
		t.Fatalf("make a certificate authority: %v", err)
	}
	return ca
}

// Issue signs a certificate that serves and identifies clients. Its files vanish with the test.
func (a *Authority) Issue(t testing.TB, flaws ...Flaw) *Certificate {
	t.Helper()
	c, err := a.issueTo(t.TempDir(), "leaf", flaws...)
	if err != nil {
		t.Fatalf("sign a certificate: %v", err)
	}
	return c
}

// ClientTLS trusts this authority alone.
func (a *Authority) ClientTLS() *tls.Config {
	return &tls.Config{RootCAs: a.Pool, MinVersion: tls.VersionTLS12}
}

var userCA = sync.OnceValues(func() (*Authority, error) {
	base, err := baseFolder()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(base, "ca")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	l, err := lockExclusive(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer l.release()
	if a, err := loadAuthority(dir); err == nil && time.Until(a.cert.NotAfter) > 30*24*time.Hour {
		return a, nil
	}
	return newAuthority(dir)
})

func newAuthority(dir string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Umbel test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(5, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	// The key first: a certificate without its key would be taken for a whole authority.
	if err := errors.Join(writeKey(filepath.Join(dir, "ca.key"), key), writePEM(filepath.Join(dir, "ca.pem"), "CERTIFICATE", der, 0o644)); err != nil {
		return nil, err
	}
	return loadAuthority(dir)
}

func loadAuthority(dir string) (*Authority, error) {
	file := filepath.Join(dir, "ca.pem")
	pair, err := tls.LoadX509KeyPair(file, filepath.Join(dir, "ca.key"))
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: not the key we write", dir)
	}
	a := &Authority{File: file, Pool: x509.NewCertPool(), cert: pair.Leaf, key: key}
	a.Pool.AddCert(pair.Leaf)
	return a, nil
}

func (a *Authority) issueTo(dir, name string, flaws ...Flaw) (*Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := leaf()
	for _, f := range flaws {
		f(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	c := &Certificate{CertFile: filepath.Join(dir, name+".pem"), KeyFile: filepath.Join(dir, name+".key")}
	if err := errors.Join(writeKey(c.KeyFile, key), writePEM(c.CertFile, "CERTIFICATE", der, 0o644)); err != nil {
		return nil, err
	}
	c.TLS, err = tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	return c, err
}

// issueRSA signs a certificate whose key is RSA's, as those of Amazon's brokers are.
func (a *Authority) issueRSA() (tls.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf(), a.cert, &key.PublicKey, a.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// leaf is a certificate for localhost and 127.0.0.1 that is not signed yet.
func leaf() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return n
}

func writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(file, "PRIVATE KEY", der, 0o600)
}

func writePEM(file, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
