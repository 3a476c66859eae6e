package amqp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
)

// diagnoseDial tells apart why no TCP connection came about.
func diagnoseDial(ctx context.Context, e *endpoint, err error) *broker.OpenError {
	out := &broker.OpenError{URL: e.masked, Op: "dial " + e.address(), Err: err}
	var dns *net.DNSError
	switch {
	case leftEarly(ctx):
		out.Err = context.Cause(ctx)
	case errors.As(err, &dns):
		out.Op = "resolve " + e.host
		out.Err = errors.New(dns.Err)
		out.Hint = "check the host name and the DNS of this machine"
		if dns.IsTimeout {
			out.Hint = "the name server does not answer"
		}
	case errors.Is(err, syscall.ECONNREFUSED):
		out.Err = errors.New("connection refused")
		var op *net.OpError
		if errors.As(err, &op) && op.Addr != nil && op.Addr.String() != e.address() {
			out.Err = fmt.Errorf("connection refused by %s", op.Addr) // as the name was resolved this time
		}
		out.Hint = "nothing listens there: check host and port, and that the broker runs"
	case isTimeout(err):
		out.Err = fmt.Errorf("no answer within %v", e.timeout)
		out.Hint = "a firewall or security group may drop the packets, or the host is down"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		out.Hint = "there is no route to this host"
	}
	return out
}

// diagnoseTLS tells apart why no TLS session came about.
func diagnoseTLS(ctx context.Context, e *endpoint, c *tls.Config, err error) *broker.OpenError {
	out := &broker.OpenError{URL: e.masked, Op: "tls handshake", Err: oneLine(err)}
	var (
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		hostname  x509.HostnameError
		alert     tls.AlertError
	)
	switch {
	case leftEarly(ctx):
		out.Err = context.Cause(ctx)
	case errors.As(err, &record):
		out.Err = errors.New("the server does not speak TLS")
		out.Hint = "this is a plain port: use the scheme amqp, or the broker's TLS port (5671)"
	case errors.As(err, &hostname):
		out.Err = fmt.Errorf("certificate is not valid for %q", c.ServerName)
		out.Hint = "connect by a name the certificate holds" + names(hostname.Certificate) + ", or set server_name_indication"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		out.Err = errors.New("certificate has expired or is not yet valid")
		out.Hint = "renew the broker's certificate, or check this machine's clock"
	case errors.As(err, &authority):
		out.Err = errors.New("certificate is signed by an unknown authority")
		out.Hint = "give the authority's certificate: cacertfile in the URL, or ca_certs in broker_use_ssl"
	case errors.As(err, &alert):
		out.Hint = "the broker may require a client certificate: certfile and keyfile"
	case isTimeout(err):
		out.Err = fmt.Errorf("no answer within %v", e.timeout)
		out.Hint = "the port is open but does not speak TLS, or the broker is overloaded"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		out.Err = errors.New("the server hung up")
		out.Hint = "is this the broker's TLS port (5671)?"
	}
	return out
}

func names(cert *x509.Certificate) string {
	if cert == nil {
		return ""
	}
	all := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return ""
	}
	if len(all) > 5 {
		all = append(all[:5], "…")
	}
	return " (" + strings.Join(all, ", ") + ")"
}

// diagnoseHandshake tells apart why a connected peer did not become an open AMQP connection.
func diagnoseHandshake(ctx context.Context, e *endpoint, t *transport, err error) *broker.OpenError {
	out := &broker.OpenError{URL: e.masked, Op: "amqp handshake", Err: oneLine(err)}
	first := t.first.Load()
	var said *amqp091.Error
	if errors.As(err, &said) && said.Server {
		out.Err = errors.New(said.Reason)
		switch {
		case said.Code == amqp091.AccessRefused && strings.Contains(said.Reason, "Login was refused"):
			out.Op, out.Refused = fmt.Sprintf("authenticate as %q", e.user), true
			out.Hint = "check user and password; the user guest may only log in from the broker's own host"
		case said.Code == amqp091.NotAllowed && strings.Contains(said.Reason, "limit"):
			out.Op = "open connection"
			out.Hint = "the broker's limit of connections or channels is reached"
		case said.Code == amqp091.NotAllowed, said.Code == amqp091.AccessRefused:
			out.Op = fmt.Sprintf("open vhost %q", e.vhost)
			out.Hint = fmt.Sprintf("check the path of the URL, and that user %q has permissions in this virtual host", e.user)
		case said.Code == amqp091.ConnectionForced:
			out.Hint = "the broker is stopping or in maintenance"
		}
		return out
	}
	switch {
	case errors.Is(err, amqp091.ErrSASL):
		out.Op = "authenticate"
		out.Err = fmt.Errorf("the broker does not offer the login method %s", e.login)
		out.Hint = "set broker_login_method to one that it offers"
	case !e.secure.on && (first == 0x15 || first == 0x16):
		out.Err = errors.New("the server speaks TLS")
		out.Hint = "this is a TLS port: use the scheme amqps"
	case first == 'A':
		out.Err = errors.New("the server speaks another version of AMQP than 0-9-1")
	case first == 'H':
		out.Err = errors.New("the server speaks HTTP")
		out.Hint = "this looks like the management port: AMQP listens on 5672, with TLS on 5671"
	case leftEarly(ctx):
		out.Err = context.Cause(ctx)
	case ctx.Err() != nil:
		out.Err = fmt.Errorf("no answer within %v", e.timeout)
		out.Hint = "the port is open but does not speak AMQP, or the broker is starting or overloaded"
		if !e.secure.on {
			out.Hint += ", or it is a TLS port (amqps)"
		}
	case first < 0:
		out.Err = errors.New("the server hung up before a greeting")
		out.Hint = "the broker may be starting or stopping, or this is no AMQP port"
		if !e.secure.on {
			out.Hint += "; a TLS port needs the scheme amqps"
		}
	case errors.Is(err, amqp091.ErrCredentials):
		// Not the broker's word (that was handled above) but the library's guess at a hang-up. RabbitMQ says what it does not
		// accept: a connection that ends here was cut, or its broker is stopping.
		out.Err, out.Refused = fmt.Errorf("the server hung up during the login as %q", e.user), true
		out.Hint = "the connection was cut or the broker is stopping; if it stays so, check user and password, and the broker's log"
	case errors.Is(err, amqp091.ErrVhost):
		out.Err = fmt.Errorf("the server hung up while opening vhost %q", e.vhost)
		out.Hint = "the connection was cut or the broker is stopping; if it stays so, check the broker's log"
	}
	return out
}

// leftEarly reports whether the attempt ended because its caller left, and not because its own time was up.
func leftEarly(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), errTimeout)
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// oneLine keeps an error's chain but not its line breaks.
func oneLine(err error) error {
	if err == nil || !strings.ContainsAny(err.Error(), "\r\n") {
		return err
	}
	return fmt.Errorf("%s", strings.Join(strings.Fields(err.Error()), " "))
}
