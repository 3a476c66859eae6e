package setting

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// A pin is the SHA-256 of a public key, as it stands in a certificate (SubjectPublicKeyInfo). It outlives the certificate
// when that is renewed for the same key.
type pin [sha256.Size]byte

func pinOf(c *x509.Certificate) pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

func (p pin) String() string { return base64.StdEncoding.EncodeToString(p[:]) }

// parsePins reads pins in base64, as curl and browsers write them, or in hexadecimal digits, separated by commas.
func parsePins(text string) (map[pin]bool, error) {
	pins := make(map[pin]bool)
	for one := range strings.SplitSeq(text, ",") {
		one = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(one), "sha256/"), "/")
		sum, err := base64.StdEncoding.DecodeString(one)
		if len(one) == 2*sha256.Size {
			sum, err = hex.DecodeString(one)
		}
		if err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("pin_sha256: %q is no SHA-256 in base64 or hexadecimal digits, separated by commas", one)
		}
		pins[pin(sum)] = true
	}
	return pins, nil
}

// holdToPins lets c take only servers with one of these keys, in the certificate or in one that vouches for it.
func holdToPins(c *tls.Config, pins map[pin]bool) {
	before := c.VerifyConnection
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if before != nil {
			if err := before(s); err != nil {
				return err
			}
		}
		for _, chain := range s.VerifiedChains {
			for _, cert := range chain {
				if pins[pinOf(cert)] {
					return nil
				}
			}
		}
		if len(s.PeerCertificates) == 0 {
			return fmt.Errorf("pin_sha256: the server has sent no certificate")
		}
		// Where no chain was verified the rest of what the server sent is mere words: only its own key is proven.
		own := pinOf(s.PeerCertificates[0])
		if pins[own] {
			return nil
		}
		return fmt.Errorf("the server's public key is not one of pin_sha256: its own is %s", own)
	}
}
