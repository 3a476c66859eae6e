package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// security is TLS as Celery's settings tell of it. Python's client wants ssl_cert_reqs to be given; here certificates
// and host names are verified unless a setting says otherwise.
type security struct {
	on        bool
	skip      bool   // CERT_NONE: anybody may answer
	anyHost   bool   // ssl_check_hostname=false: any host whose certificate is of a trusted authority
	ca        string // PEM file; "": the system's
	cert, key string // PEM files of our own certificate
}

// use reads redis_backend_use_ssl: true, false, or a table.
func (s *security) use(v any) error {
	if v == nil {
		return nil
	}
	if m, err := asMap(v); err == nil {
		s.on = len(m) > 0
		var errs []error
		for _, name := range slices.Sorted(maps.Keys(m)) {
			known, err := s.set(name, m[name])
			if !known {
				err = errors.New("is not known: known are ssl_cert_reqs, ssl_ca_certs, ssl_certfile, ssl_keyfile, ssl_check_hostname")
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
		return errors.Join(errs...)
	}
	on, err := asBool(v)
	if err != nil {
		return errors.New("want true, false or a table with ssl_cert_reqs, ssl_ca_certs, ssl_certfile, ssl_keyfile")
	}
	s.on = on
	return nil
}

// set reads one TLS setting, with or without "ssl_" before its name. It reports whether the name is known.
func (s *security) set(name string, v any) (known bool, err error) {
	var text *string
	switch strings.TrimPrefix(name, "ssl_") {
	case "cert_reqs":
		if v != nil {
			s.skip, err = skipsVerification(v)
		}
		return true, err
	case "check_hostname":
		if v != nil {
			var check bool
			check, err = asBool(v)
			s.anyHost = !check
		}
		return true, err
	case "ca_certs":
		text = &s.ca
	case "certfile":
		text = &s.cert
	case "keyfile":
		text = &s.key
	default:
		return false, nil
	}
	if v != nil {
		*text, err = asText(v)
	}
	return true, err
}

// skipsVerification reads ssl_cert_reqs: a name, with or without CERT_ or ssl., or the number of Python's constant.
// A client that finds a certificate optional still verifies the one it gets.
func skipsVerification(v any) (bool, error) {
	text := strings.ToLower(fmt.Sprint(v))
	text = strings.TrimPrefix(strings.TrimPrefix(text, "ssl."), "cert_")
	switch text {
	case "required", "optional", "2", "1":
		return false, nil
	case "none", "0":
		return true, nil
	}
	return false, fmt.Errorf("want CERT_REQUIRED, CERT_OPTIONAL or CERT_NONE (required, optional, none), got %s", show(v))
}

func (s *security) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.skip}
	if s.ca != "" {
		pem, err := os.ReadFile(s.ca)
		if err != nil {
			return nil, fmt.Errorf("ssl_ca_certs: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ssl_ca_certs: %s holds no PEM certificate", s.ca)
		}
	}
	if s.key != "" && s.cert == "" {
		return nil, errors.New("ssl_keyfile without ssl_certfile")
	}
	if s.cert != "" {
		key := s.key
		if key == "" {
			key = s.cert // one file may hold both
		}
		pair, err := tls.LoadX509KeyPair(s.cert, key)
		if err != nil {
			return nil, fmt.Errorf("ssl_certfile, ssl_keyfile: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if s.anyHost && !s.skip {
		c.InsecureSkipVerify = true // of the name: the chain is verified here
		roots := c.RootCAs
		c.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errors.New("the server shows no certificate")
			}
			between := x509.NewCertPool()
			for _, cert := range state.PeerCertificates[1:] {
				between.AddCert(cert)
			}
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
			return err
		}
	}
	return c, nil
}
