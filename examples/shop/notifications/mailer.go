package notifications

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// Open makes a mailer of a location: a folder, which is made when it is first needed, or an SMTP server. It connects to nothing.
//
//	smtp://user:password@host:587?from=shop@example.com      STARTTLS, which the server must offer
//	smtps://user:password@host:465?from=shop@example.com     TLS from the first byte
//	…&ca=/etc/ssl/ours.pem                                   trust these authorities instead of the system's
//	smtp://localhost:1025?from=shop@example.com&tls=none     in the clear, for a server on this machine
func Open(location string) (Mailer, error) {
	if !strings.HasPrefix(location, "smtp://") && !strings.HasPrefix(location, "smtps://") {
		return Outbox(filepath.Clean(strings.TrimPrefix(location, "file://"))), nil
	}
	u, err := url.Parse(location)
	if err != nil {
		return nil, errors.New("mail: the URL of the SMTP server cannot be read: is its password percent-encoded?")
	}
	return newServer(u)
}

// sender is who writes the shop's mails, where nothing else is said.
const sender = "shop@example.com"

// message is the mail as RFC 5322 wants it. Its Message-ID is made of its key.
func (m Mail) message(from string) (*mail.Msg, error) {
	_, host, _ := strings.Cut(from, "@")
	msg := mail.NewMsg(mail.WithEncoding(mail.EncodingQP))
	msg.SetMessageIDWithValue(m.Key + "@" + host)
	msg.SetDate()
	msg.Subject(m.Subject)
	msg.SetBodyString(mail.TypeTextPlain, m.Body)
	if err := errors.Join(msg.FromFormat("The Shop", from), msg.To(m.To)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return msg, nil
}

// An Outbox is a folder of mails.
type Outbox string

// Place is the folder's name.
func (o Outbox) Place() string { return string(o) }

// Deliver writes the mail beside its place and gives it its name when it is whole, unless there is one of this key.
func (o Outbox) Deliver(_ context.Context, m Mail) (string, error) {
	msg, err := m.message(sender)
	if err != nil {
		return "", err
	}
	name := m.Key + ".eml"
	if err := os.MkdirAll(string(o), 0o755); err != nil {
		return "", err
	}
	half, err := os.CreateTemp(string(o), "."+m.Key+"-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(half.Name()) // its other name stays
	_, err = msg.WriteTo(half)
	if err := errors.Join(err, half.Sync(), half.Close()); err != nil {
		return "", err
	}
	if err := os.Link(half.Name(), filepath.Join(string(o), name)); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return name, nil
}

// A server is an SMTP server. Each mail takes a connection of its own.
type server struct {
	host    string
	from    string
	options []mail.Option
}

const smtpTimeout = 30 * time.Second // for each step of the conversation

func newServer(u *url.URL) (*server, error) {
	q := u.Query()
	s := &server{host: u.Hostname(), from: cmp.Or(q.Get("from"), sender)}
	fail := func(format string, args ...any) (*server, error) {
		return nil, fmt.Errorf("mail: %s://%s: %s", u.Scheme, u.Host, fmt.Sprintf(format, args...))
	}
	config := &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	if file := q.Get("ca"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return fail("ca: %v", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return fail("ca: %s holds no certificate", file)
		}
	}
	s.options = []mail.Option{mail.WithTimeout(smtpTimeout), mail.WithTLSConfig(config)}
	port := u.Port()
	if u.Scheme == "smtps" {
		s.options = append(s.options, mail.WithSSL())
		port = cmp.Or(port, "465")
	} else {
		policy, ok := map[string]mail.TLSPolicy{"": mail.TLSMandatory, "mandatory": mail.TLSMandatory, "none": mail.NoTLS}[q.Get("tls")]
		if !ok {
			return fail("tls=%s: want mandatory or none", q.Get("tls"))
		}
		s.options = append(s.options, mail.WithTLSPolicy(policy))
		port = cmp.Or(port, "587")
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return fail("port %q is no number", port)
	}
	s.options = append(s.options, mail.WithPort(n))
	if name := u.User.Username(); name != "" {
		password, _ := u.User.Password()
		s.options = append(s.options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(name), mail.WithPassword(password))
	}
	if _, err := mail.NewClient(s.host, s.options...); err != nil {
		return fail("%v", err)
	}
	return s, nil
}

// Place is the server's name.
func (s *server) Place() string { return s.host }

// Deliver hands the mail over. What the server says decides: 4xx is for now, 5xx about this mail for good. A server that cannot
// be reached, or does not like our password, may be mended: that is for now as well. Once it has taken the mail, a connection that is
// lost before both have said goodbye is no failure: trying again would send a second mail.
func (s *server) Deliver(ctx context.Context, m Mail) (string, error) {
	msg, err := m.message(s.from)
	if err != nil {
		return "", err
	}
	client, err := mail.NewClient(s.host, s.options...)
	if err != nil {
		return "", err
	}
	err = client.DialAndSendWithContext(ctx, msg)
	var failed *mail.SendError
	switch {
	case err == nil || msg.IsDelivered():
		return "accepted by " + s.host, nil
	case errors.As(err, &failed) && failed.ErrorCode() >= 500 && !failed.IsTemp():
		return "", fmt.Errorf("%w by %s: %w", ErrRefused, s.host, err)
	}
	return "", fmt.Errorf("hand over to %s: %w", s.host, err)
}
