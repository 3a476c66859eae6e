package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
)

// dial makes one attempt at one endpoint, and another one where credentials were refused that have been rotated since they were read.
func (l *link) dial(ctx context.Context, listed *endpoint) (*session, error) {
	e, err := listed.current(ctx, l.broker.config, false)
	if err != nil {
		return nil, err
	}
	s, err := l.attempt(ctx, e, listed)
	if err != nil {
		if fresh, rotated := e.anew(ctx, l.broker.config, listed, err); rotated {
			l.log.Info("the broker refuses the credentials, and others are there: trying those", "role", l.role, "broker", e.masked)
			return l.attempt(ctx, fresh, listed)
		}
	}
	return s, err
}

// attempt does name look-up, TCP, TLS, AMQP handshake, and open, all within the endpoint's timeout. open makes the session ready to
// use, with the deadline still standing. e is listed with the credentials of this attempt.
func (l *link) attempt(ctx context.Context, e, listed *endpoint) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, e.timeout, errTimeout)
	defer cancel()
	conn, fail := connect(ctx, &l.broker.dialer, e)
	if fail != nil {
		return nil, fail
	}
	t := newTransport(conn)
	// The end of ctx cuts the handshake: the library has no other way to be interrupted. No deadline is set beside it,
	// or either could come first and be taken for a server that hung up.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })

	client := clientProperties(l.broker.config.Name, l.role)
	heartbeat := max(e.heartbeat, 0)
	if heartbeat > 0 {
		heartbeat = max(heartbeat, time.Second) // the wire counts whole seconds, and 0 would be the broker's
	}
	c, err := amqp091.Open(t, amqp091.Config{
		SASL:       []amqp091.Authentication{newLogin(e, client)},
		Vhost:      e.vhost,
		Locale:     "en_US",
		FrameSize:  frameSize,
		ChannelMax: channelMax,
		Heartbeat:  heartbeat,
		Properties: client,
	})
	if err != nil {
		stop()
		t.Close()
		return nil, diagnoseHandshake(ctx, e, t, err)
	}
	s := newSession(l, listed, c, t)
	if err := l.open(ctx, s); err != nil {
		stop()
		s.abort()
		return nil, diagnoseHandshake(ctx, e, t, err)
	}
	if !stop() {
		s.abort()
		return nil, diagnoseHandshake(ctx, e, t, context.Cause(ctx))
	}
	_ = conn.SetDeadline(time.Time{})
	if e.heartbeat > 0 && c.Config.Heartbeat > 0 {
		// The broker sends a heartbeat every half interval: three in a row are missing then.
		t.silence.Store(int64(c.Config.Heartbeat + c.Config.Heartbeat/2))
		// The reader may be inside a read that began without a deadline.
		_ = conn.SetReadDeadline(time.Now().Add(c.Config.Heartbeat + c.Config.Heartbeat/2))
	}
	return s, nil
}

var errTimeout = errors.New("timed out")

// connect returns a connected, and for amqps encrypted, socket.
func connect(ctx context.Context, d *net.Dialer, e *endpoint) (net.Conn, *broker.OpenError) {
	var config *tls.Config
	if e.secure.on {
		var err error
		if config, err = e.secure.clientConfig(e.host); err != nil {
			return nil, &broker.OpenError{URL: e.masked, Op: "read TLS settings", Err: err}
		}
	}
	conn, err := d.DialContext(ctx, "tcp", e.address())
	if err != nil {
		return nil, diagnoseDial(ctx, e, err)
	}
	if config == nil {
		return conn, nil
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, diagnoseTLS(ctx, e, config, err)
	}
	return secured, nil
}
