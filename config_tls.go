package umbel

import (
	"crypto/tls"

	"github.com/umbel-go/umbel/internal/setting"
)

// TLSOptions say how TLS is done. The zero value verifies the other side against the system's roots, TLS 1.2 or newer.
type TLSOptions struct {
	// CACerts is a PEM file with the authorities to trust instead of the system's. Celery: ca_certs (broker),
	// ssl_ca_certs (Redis).
	CACerts string

	// CertFile and KeyFile are PEM files that show the broker who we are. Celery: certfile, keyfile.
	CertFile, KeyFile string

	// ServerHostname is the name that the certificate must carry; for the broker only. Defaults to the URL's host.
	// Celery: server_hostname.
	ServerHostname string

	// PinSHA256 are public keys of which the broker, or an authority that vouches for it, must have one: the SHA-256 of each in
	// base64 or hexadecimal digits, separated by commas. It is asked for beside all else; for the broker only. Defaults to "":
	// any key. Umbel's own: pin_sha256.
	PinSHA256 string

	// AnyHostname verifies the certificate but not the name in it. Celery: check_hostname = false.
	AnyHostname bool

	// SkipVerify connects to whoever answers: the connection is encrypted, and to an unknown end.
	// Celery: cert_reqs = CERT_NONE.
	SkipVerify bool

	// Off is what false means in a file: no TLS, whatever an earlier source said.
	Off bool
}

// Config reads the files that the options name. It returns nil when TLS is off.
func (t TLSOptions) Config() (*tls.Config, error) { return setting.TLSOptions(t).Config() }
