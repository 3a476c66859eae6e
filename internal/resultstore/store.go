package resultstore

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/umbel-go/umbel/broker"
)

// A Store is what was learnt; one of its kinds is set.
type Store struct {
	URL     string   // without secrets
	Unknown []string // what could not be asked, and why

	Redis    *Redis
	Postgres *Postgres
	SQLite   *SQLite
}

// String is the store in a line.
func (s *Store) String() string {
	switch {
	case s.Redis != nil:
		return s.Redis.String()
	case s.Postgres != nil:
		return s.Postgres.String()
	case s.SQLite != nil:
		return s.SQLite.String()
	}
	return s.URL
}

// A Line is the connection over which a server was asked.
type Line struct {
	Address string // host:port, or the path of a socket
	Local   bool   // it does not leave this machine

	TLS        string    // version and cipher; "" where it is plain
	Unverified string    // what of the certificate is not verified: "certificate", "host name"; "" where all is
	Ends       time.Time // of the certificate

	Skew      time.Duration // how far the server's clock is ahead of ours
	Uncertain time.Duration // by which Skew may be wrong: half of the round trip
}

// Secure notes what TLS came to, and what of the certificate is not verified.
func (l *Line) Secure(s tls.ConnectionState, unverified string) {
	l.TLS = tls.VersionName(s.Version) + ", " + tls.CipherSuiteName(s.CipherSuite)
	l.Unverified = unverified
	if len(s.PeerCertificates) > 0 {
		l.Ends = s.PeerCertificates[0].NotAfter
	}
}

// Reached notes who answered.
func (l *Line) Reached(at net.Addr) {
	l.Address = at.String()
	switch at := at.(type) {
	case *net.TCPAddr:
		l.Local = at.IP.IsLoopback()
	case *net.UnixAddr:
		l.Local = true
	}
}

// Clock notes what the server's clock said when it was asked from before until after.
func (l *Line) Clock(said, before, after time.Time) {
	half := after.Sub(before) / 2
	l.Skew, l.Uncertain = said.Sub(before.Add(half)), half
}

// way is the line in a few words.
func (l *Line) way() string {
	if l.TLS == "" {
		return "without TLS"
	}
	version, _, _ := strings.Cut(l.TLS, ",")
	return "over " + version
}

// Bytes is a size for people.
func Bytes(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", (n+1023)>>10)
}

// Mask is a URL, or a list of them with semicolons between, without passwords and without its query, which may hold some.
func Mask(text string) string {
	list := strings.Split(text, ";")
	for i, u := range list {
		list[i], _, _ = strings.Cut(broker.MaskURL(u), "?")
	}
	return strings.Join(list, ";")
}
