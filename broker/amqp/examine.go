package amqp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
)

func init() { broker.RegisterExaminer(examine, "amqp", "amqps", "pyamqp") }

const (
	// expiresSoon is how long before its end a certificate is worth a word.
	expiresSoon = 30 * 24 * time.Hour

	// pulse is the heartbeat of the connection that examines, and pulseWait how long one is waited for. The wire counts
	// whole seconds, and the broker sends one every half interval.
	pulse     = time.Second
	pulseWait = 5 * time.Second
)

// An examination is that of one endpoint.
type examination struct {
	ctx    context.Context
	config broker.Config
	*endpoint
	report func(url string, c broker.Check)
	since  time.Time
}

func examine(ctx context.Context, c broker.Config, report func(string, broker.Check)) {
	list, err := endpoints(slices.Concat(c.URLs, c.ReadURLs), c)
	if err != nil {
		var open *broker.OpenError
		url := ""
		if errors.As(err, &open) {
			url, err = open.URL, open.Err
		}
		report(url, broker.Check{Name: "url", Err: err, Hint: "amqps://user:password@host:5671/vhost, special characters percent-encoded"})
		return
	}
	for _, e := range list {
		x := examination{ctx: ctx, config: c, endpoint: e, report: report, since: time.Now()}
		x.whole()
	}
}

// say reports a step and starts the next one's time.
func (x *examination) say(c broker.Check) {
	now := time.Now()
	c.Took, x.since = now.Sub(x.since), now
	x.report(x.masked, c)
}

// fail reports a step that went wrong.
func (x *examination) fail(name string, err error) {
	c := broker.Check{Name: name, Err: err}
	var open *broker.OpenError
	if errors.As(err, &open) {
		c.Err, c.Hint = open.Err, open.Hint
	}
	x.say(c)
}

func (x *examination) whole() {
	current, err := x.current(x.ctx, x.config, false)
	if err != nil {
		x.fail("credentials", err)
		return
	}
	x.endpoint = current
	conn := x.connect()
	if conn == nil {
		return
	}
	watched := &watchedConn{Conn: conn, heard: make(chan struct{}, 1)}
	c, t := x.login(watched)
	if c == nil {
		return
	}
	defer func() {
		late := time.AfterFunc(goodbye, func() { t.Close() }) // whom it does not hear is left without a word
		defer late.Stop()
		_ = c.Close()
		t.Close()
	}()
	x.limits(c)
	x.roundTrip(c, t)
	x.heartbeat(c, watched)
}

// connect resolves, connects and encrypts.
func (x *examination) connect() net.Conn {
	ctx, cancel := context.WithTimeoutCause(x.ctx, x.timeout, errTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, x.host)
	if err != nil {
		x.fail("resolve", diagnoseDial(ctx, x.endpoint, err))
		return nil
	}
	x.say(broker.Check{Name: "resolve", Found: strings.Join(addresses, ", ")})
	var config *tls.Config
	if x.secure.on {
		if config, err = x.secure.clientConfig(x.host); err != nil {
			x.fail("tls", oneLine(err))
			return nil
		}
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", x.address())
	if err != nil {
		x.fail("connect", diagnoseDial(ctx, x.endpoint, err))
		return nil
	}
	x.say(broker.Check{Name: "connect", Found: conn.RemoteAddr().String()})
	if config == nil {
		if ip := net.ParseIP(conn.RemoteAddr().(*net.TCPAddr).IP.String()); !ip.IsLoopback() {
			x.say(broker.Check{Name: "tls", Found: "none", Doubt: "password and tasks travel in clear", Hint: "use the broker's TLS port: amqps://…:5671"})
		}
		return conn
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		x.fail("tls", diagnoseTLS(ctx, x.endpoint, config, err))
		return nil
	}
	x.say(x.tlsCheck(secured.ConnectionState()))
	return secured
}

// tlsCheck tells what was agreed on, and of the certificates.
func (x *examination) tlsCheck(s tls.ConnectionState) broker.Check {
	leaf := s.PeerCertificates[0]
	var chain []string
	for _, cert := range s.PeerCertificates {
		chain = append(chain, subject(cert))
	}
	if len(s.VerifiedChains) > 0 {
		chain = chain[:0]
		for _, cert := range s.VerifiedChains[0] {
			chain = append(chain, subject(cert))
		}
	}
	left := time.Until(leaf.NotAfter)
	c := broker.Check{Name: "tls", Found: fmt.Sprintf("%s, %s; certificate of %s, signed %s, until %s (%d days)", tls.VersionName(s.Version),
		tls.CipherSuiteName(s.CipherSuite), subject(leaf), strings.Join(chain[1:], " ← "), leaf.NotAfter.Format(time.DateOnly), int(left.Hours()/24))}
	if len(chain) == 1 {
		c.Found = strings.Replace(c.Found, "signed ", "signed by itself", 1)
	}
	switch {
	case x.secure.noVerify:
		c.Doubt, c.Hint = "the certificate is not verified: anybody may pose as the broker", "take verify=verify_none or CERT_NONE away"
	case x.secure.anyName:
		c.Doubt, c.Hint = "the host name in the certificate is not verified", "take check_hostname: false away"
	case left < expiresSoon:
		c.Doubt, c.Hint = "the certificate ends soon", "renew it; workers read a new authority at their next attempt to connect"
	}
	return c
}

func subject(cert *x509.Certificate) string {
	if cert.Subject.CommonName != "" {
		return cert.Subject.CommonName
	}
	return strings.TrimSpace(strings.Trim(names(cert), " ()"))
}

// login opens the AMQP connection.
func (x *examination) login(conn net.Conn) (*amqp091.Connection, *transport) {
	ctx, cancel := context.WithTimeoutCause(x.ctx, x.timeout, errTimeout)
	defer cancel()
	t := newTransport(conn)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	client := clientProperties(x.config.Name, "examines")
	c, err := amqp091.Open(t, amqp091.Config{
		SASL: []amqp091.Authentication{newLogin(x.endpoint, client)}, Vhost: x.vhost, Locale: "en_US", FrameSize: frameSize,
		ChannelMax: channelMax, Heartbeat: pulse, Properties: client,
	})
	if err == nil && !stop() {
		err = context.Cause(ctx)
	}
	user := fmt.Sprintf("as %q by %s", x.user, x.endpoint.login)
	if err != nil {
		stop()
		t.Close()
		failed := diagnoseHandshake(ctx, x.endpoint, t, err)
		if strings.HasPrefix(failed.Op, "open ") {
			x.say(broker.Check{Name: "login", Found: user})
			x.fail(strings.Fields(failed.Op)[1], failed)
			return nil, nil
		}
		x.fail("login", failed)
		return nil, nil
	}
	x.say(broker.Check{Name: "login", Found: user})
	x.say(broker.Check{Name: "vhost", Found: fmt.Sprintf("%q of %s %s, %s", x.vhost, text(c.Properties, "product"), text(c.Properties, "version"), text(c.Properties, "cluster_name"))})
	return c, t
}

func text(t amqp091.Table, key string) string {
	s, _ := t[key].(string)
	return s
}

// limits tells what was agreed on.
func (x *examination) limits(c *amqp091.Connection) {
	check := broker.Check{Name: "limits", Found: fmt.Sprintf("%d channels a connection, frames of %d KiB", c.Config.ChannelMax, c.Config.FrameSize>>10)}
	if c.Config.ChannelMax > 0 && c.Config.ChannelMax < 16 {
		check.Doubt, check.Hint = "a worker needs a channel for each queue it takes from, and some more", "raise channel_max at the broker"
	}
	x.say(check)
}

// roundTrip declares a queue that is gone with the connection, publishes to it with a confirm, and takes the message back.
func (x *examination) roundTrip(c *amqp091.Connection, t *transport) {
	ctx, cancel := context.WithTimeoutCause(x.ctx, x.timeout, errTimeout)
	defer cancel()
	blocked := c.NotifyBlocked(make(chan amqp091.Blocking, 1))
	stop := context.AfterFunc(ctx, func() { t.Close() }) // ends every call of the library
	defer stop()
	ch, err := c.Channel()
	if err != nil {
		x.fail("declare", x.denied(ctx, err, "open a channel", ""))
		return
	}
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		x.say(broker.Check{Name: "declare", Err: x.denied(ctx, err, "declare a queue", ""), Hint: "workers declare the queues they take from, and celery.pidbox and celeryev: give the user the permission to configure these (a user that may configure named queues only fails here, and may still do)"})
		return
	}
	x.say(broker.Check{Name: "declare", Found: "a queue that ends with this connection"})
	if err := ch.Confirm(false); err != nil {
		x.fail("publish", x.denied(ctx, err, "ask for confirms", ""))
		return
	}
	returned := ch.NotifyReturn(make(chan amqp091.Return, 1))
	closed := ch.NotifyClose(make(chan *amqp091.Error, 1))
	sent, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", q.Name, true, false, amqp091.Publishing{Body: []byte("umbel doctor")})
	if err != nil {
		x.fail("publish", x.denied(ctx, err, "publish", "write"))
		return
	}
	select {
	case <-sent.Done():
		if !sent.Acked() {
			x.say(broker.Check{Name: "publish", Err: errors.New("the broker refused the message (nack)"), Hint: "the queue or its node is failing: see the broker's log"})
			return
		}
	case b := <-blocked:
		x.say(broker.Check{Name: "publish", Err: fmt.Errorf("the broker takes no messages: %s", b.Reason), Hint: "it has raised an alarm: free memory or disk there; consuming goes on, and senders wait"})
		return
	case <-returned:
		x.say(broker.Check{Name: "publish", Err: errors.New("the message came back unroutable"), Hint: "the queue just declared is gone: is the broker short of resources?"})
		return
	case err := <-closed:
		x.fail("publish", x.denied(ctx, err, "publish", "write"))
		return
	case <-ctx.Done():
		x.say(broker.Check{Name: "publish", Err: fmt.Errorf("no confirm within %v", x.timeout), Hint: "the broker is overloaded, or in an alarm that it has not told"})
		return
	}
	x.say(broker.Check{Name: "publish", Found: "confirmed by the broker"})
	if _, ok, err := ch.Get(q.Name, true); err != nil {
		x.fail("consume", x.denied(ctx, err, "take the message back", "read"))
	} else if !ok {
		x.say(broker.Check{Name: "consume", Err: errors.New("the confirmed message is not in its queue"), Hint: "does a policy expire or drop messages of all queues?"})
	} else {
		x.say(broker.Check{Name: "consume", Found: "the message came back"})
	}
}

// denied says what the broker refused.
func (x *examination) denied(ctx context.Context, err error, what, permission string) *broker.OpenError {
	out := &broker.OpenError{URL: x.masked, Op: what, Err: oneLine(err)}
	var said *amqp091.Error
	switch {
	case ctx.Err() != nil:
		out.Err = fmt.Errorf("%s: no answer within %v", what, x.timeout)
		out.Hint = "the broker is overloaded, or a firewall has cut the connection without a word"
	case errors.As(err, &said) && said.Code == amqp091.AccessRefused:
		out.Err = errors.New(said.Reason)
		if permission != "" {
			out.Hint = fmt.Sprintf("give user %q the permission to %s in virtual host %q", x.user, permission, x.vhost)
		}
	}
	return out
}

// heartbeat waits for one of the broker's.
func (x *examination) heartbeat(c *amqp091.Connection, conn *watchedConn) {
	if x.endpoint.heartbeat < 0 {
		x.say(broker.Check{Name: "heartbeat", Found: "switched off", Doubt: "a connection that is cut without a word is not noticed for hours", Hint: "set broker_heartbeat to 30 or 60"})
		return
	}
	select { // what the round trip left
	case <-conn.heard:
	default:
	}
	conn.listening.Store(true)
	timeout := time.NewTimer(pulseWait)
	defer timeout.Stop()
	select {
	case <-conn.heard:
		x.say(broker.Check{Name: "heartbeat", Found: fmt.Sprintf("heard; workers ask for one every %v", x.endpoint.heartbeat)})
	case <-c.NotifyClose(make(chan *amqp091.Error, 1)):
		x.say(broker.Check{Name: "heartbeat", Err: errors.New("the connection was lost while it was idle"), Hint: "does a proxy or load balancer on the way end idle connections at once?"})
	case <-timeout.C:
		x.say(broker.Check{Name: "heartbeat", Err: fmt.Errorf("none within %v", pulseWait), Hint: "something on the way holds back what the broker sends"})
	case <-x.ctx.Done():
	}
}

// A watchedConn tells when something is heard.
type watchedConn struct {
	net.Conn
	listening atomic.Bool
	heard     chan struct{} // cap 1
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.listening.Load() {
		select {
		case c.heard <- struct{}{}:
		default:
		}
	}
	return n, err
}
