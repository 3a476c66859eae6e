package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
)

// Each row is a way in which opening fails: what was attempted and what the operator reads.
func TestOpenTellsWhatIsWrongAndWhatToDo(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	r.User("nobody-"+r.Vhost(), "sekrit", "", "", "")
	ca, other := testenv.CA(t), testenv.OtherCA(t)
	trusting := func(c *broker.Config) { c.TLS = ca.ClientTLS() }
	frozen := faultnet.To(t, r.Addr())
	frozen.Freeze()
	cut := func(after int) string { // the connection is reset when the server has spoken so often
		link := faultnet.To(t, r.Addr())
		link.CutAfterReplies(faultnet.After(after))
		return r.URLAt("amqp", link.Addr())
	}

	rows := []struct {
		name   string
		url    string
		change func(*broker.Config)
		op     string
		says   []string
	}{
		{"unknown host", "amqp://me:sekrit@no-such-host.invalid/", nil, "resolve no-such-host.invalid", []string{"check the host name"}},
		{"closed port", "amqp://me:sekrit@" + closedPort(t) + "/", nil, "dial", []string{"connection refused", "nothing listens"}},
		{"filtered port", "amqp://me:sekrit@" + filteredPort(t) + "/", nil, "dial", []string{"no answer within 500ms", "firewall"}},
		{"silent port", strings.Replace(r.URLAt("amqp", frozen.Addr()), "guest:guest", "me:sekrit", 1), nil, "amqp handshake", []string{"no answer within 500ms"}},
		{"port that hangs up", "amqp://me:sekrit@" + rudePort(t, "") + "/", nil, "amqp handshake", []string{"hung up before a greeting"}},
		{"cut during the login", cut(1), nil, "amqp handshake", []string{`hung up during the login as "guest"`, "cut or the broker is stopping", "password"}},
		{"management port", "amqp://me:sekrit@" + rudePort(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), nil, "amqp handshake", []string{"speaks HTTP", "management port"}},
		{"other AMQP", "amqp://me:sekrit@" + rudePort(t, "AMQP\x03\x01\x00\x00"), nil, "amqp handshake", []string{"another version of AMQP"}},
		{"plain scheme at a TLS port", strings.Replace(r.URLAt("amqp", r.TLSAddr()), "guest:guest", "me:sekrit", 1), nil, "amqp handshake", []string{"speaks TLS", "amqps"}},
		{"TLS scheme at a plain port", strings.Replace(r.URLAt("amqps", r.Addr()), "guest:guest", "me:sekrit", 1), trusting, "tls handshake", []string{"does not speak TLS", "scheme amqp"}},
		{"unknown authority", r.TLSURL(), nil, "tls handshake", []string{"unknown authority", "cacertfile"}},
		{"another's authority", r.URLAt("amqps", testenv.TLSProxy(t, other.Issue(t), r.Addr())), trusting, "tls handshake", []string{"unknown authority"}},
		{"expired certificate", r.URLAt("amqps", testenv.TLSProxy(t, ca.Issue(t, testenv.Expired()), r.Addr())), trusting, "tls handshake", []string{"expired", "clock"}},
		{"certificate of another host", r.URLAt("amqps", testenv.TLSProxy(t, ca.Issue(t, testenv.ForHost("other.example")), r.Addr())), trusting, "tls handshake", []string{`not valid for "127.0.0.1"`, "other.example"}},
		{"missing CA file", r.TLSURL() + "?cacertfile=/no/such/file", nil, "read TLS settings", []string{"cacertfile", "no such file"}},
		{"key without certificate", r.TLSURL() + "?keyfile=/no/such/file", nil, "read TLS settings", []string{"belong together"}},
		{"wrong password", r.URLFor("guest", "sekrit"), nil, `authenticate as "guest"`, []string{"ACCESS_REFUSED", "password"}},
		{"unknown user", r.URLFor("me", "sekrit"), nil, `authenticate as "me"`, []string{"ACCESS_REFUSED", "password"}},
		{"login method not offered", r.URLFor("me", "sekrit") + "?login_method=EXTERNAL", nil, "authenticate", []string{"EXTERNAL", "broker_login_method"}},
		{"unknown vhost", "amqp://guest:guest@" + r.Addr() + "/nowhere", nil, `open vhost "nowhere"`, []string{"nowhere", "path of the URL"}},
		{"vhost without permission", "amqp://" + url.UserPassword("nobody-"+r.Vhost(), "sekrit").String() + "@" + r.Addr() + "/", nil, `open vhost "/"`, []string{"permissions"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			changes := []func(*broker.Config){func(c *broker.Config) {
				// Generous where an answer is awaited, short where its absence is.
				c.ConnectTimeout = 10 * time.Second
				if strings.Contains(strings.Join(row.says, " "), "no answer") {
					c.ConnectTimeout = 500 * time.Millisecond
				}
			}}
			if row.change != nil {
				changes = append(changes, row.change)
			}
			b, err := tryOpen(row.url, changes...)
			if err == nil {
				b.Close()
				t.Fatal("opened")
			}
			var failed *broker.OpenError
			if !errors.As(err, &failed) {
				t.Fatalf("%T %v, want *broker.OpenError", err, err)
			}
			if !strings.HasPrefix(failed.Op, row.op) {
				t.Errorf("Op is %q, want %q: %v", failed.Op, row.op, err)
			}
			for _, want := range row.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v; want it to say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "sekrit") || strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("a secret or a line break in %q", err)
			}
			t.Log(err)
		})
	}
}

// closedPort is an address where nothing listens.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// filteredPort is an address whose packets go nowhere: the line of a listener that nobody serves, filled up.
func filteredPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fillBacklog(t, l)
	return l.Addr().String()
}

// rudePort says something to whoever connects, and hangs up.
func rudePort(t *testing.T, says string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if says != "" {
				io.ReadFull(c, make([]byte, 8)) // the greeting, or closing would reset what we say
				io.WriteString(c, says)
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func TestOpenOverTLS(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	ca := testenv.CA(t)
	foreign := testenv.TLSProxy(t, ca.Issue(t, testenv.ForHost("other.example")), r.Addr())
	client := ca.Issue(t)
	for name, row := range map[string]struct {
		url    string
		change func(*broker.Config)
	}{
		"authority in Config":        {r.TLSURL(), func(c *broker.Config) { c.TLS = ca.ClientTLS() }},
		"authority in the URL":       {r.TLSURL() + "?cacertfile=" + url.QueryEscape(ca.File), nil},
		"kombu's names":              {r.TLSURL() + "?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=" + url.QueryEscape(ca.File), nil},
		"a client certificate":       {r.TLSURL() + "?cacertfile=" + url.QueryEscape(ca.File) + "&certfile=" + url.QueryEscape(client.CertFile) + "&keyfile=" + url.QueryEscape(client.KeyFile), nil},
		"another name":               {r.URLAt("amqps", foreign) + "?server_name_indication=other.example&cacertfile=" + url.QueryEscape(ca.File), nil},
		"another name in Config":     {r.URLAt("amqps", foreign), func(c *broker.Config) { c.TLS = ca.ClientTLS(); c.TLS.ServerName = "other.example" }},
		"any name":                   {r.URLAt("amqps", foreign) + "?ssl_check_hostname=false&cacertfile=" + url.QueryEscape(ca.File), nil},
		"no verification, asked for": {r.URLAt("amqps", foreign) + "?verify=verify_none", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, row.url, func(c *broker.Config) {
				if row.change != nil {
					row.change(c)
				}
			})
			declareQueue(t, b, name, nil)
			in := consume(t, b, broker.Subscription{Queue: name})
			m := message(name, strings.Repeat("x", 300_000))
			publish(t, b, m)
			if d := in.next(); string(d.Body) != string(m.Body) {
				t.Errorf("%d bytes came as %d", len(m.Body), len(d.Body))
			}
		})
	}
	t.Run("any name, but not any authority", func(t *testing.T) {
		b, err := tryOpen(r.URLAt("amqps", foreign) + "?ssl_check_hostname=false")
		if err == nil {
			b.Close()
			t.Fatal("opened")
		}
		if !strings.Contains(err.Error(), "unknown authority") {
			t.Errorf("%v, want unknown authority", err)
		}
	})
}

func TestTLSIsNeverOlderThan12(t *testing.T) {
	s := secure{on: true, config: &tls.Config{MinVersion: tls.VersionTLS10}}
	c, err := s.clientConfig("h")
	if err != nil {
		t.Fatal(err)
	}
	if c.MinVersion != tls.VersionTLS12 || c.ServerName != "h" || c.InsecureSkipVerify {
		t.Errorf("version %x, server name %q, unverified %v", c.MinVersion, c.ServerName, c.InsecureSkipVerify)
	}
	if s.config.ServerName != "" {
		t.Error("the caller's configuration was changed")
	}
}

func TestEveryLoginMethodButEXTERNALIsAccepted(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	for _, method := range []string{"PLAIN", "AMQPLAIN", "plain"} {
		b := open(t, r.URL(), func(c *broker.Config) { c.Login = method })
		if err := b.Declare(t.Context(), broker.Topology{Exchanges: []broker.Exchange{{Name: "x", Type: broker.Direct}}}); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestEveryURLOfAListIsAccountedFor(t *testing.T) {
	t.Parallel()
	a, b := closedPort(t), closedPort(t)
	_, err := tryOpen("amqp://me:sekrit@" + a + ";amqp://me:sekrit@" + b)
	var failed *broker.OpenError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), a) || !strings.Contains(err.Error(), b) {
		t.Errorf("%v, want an *OpenError that names %s and %s", err, a, b)
	}
	if strings.Contains(err.Error(), "sekrit") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a secret or a line break in %q", err)
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	frozen := faultnet.To(t, testenv.RabbitMQ(t).Addr())
	frozen.Freeze()
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-frozen.Accepts(1)
		cancel(errors.New("the user has left"))
	}()
	_, err := Open(ctx, broker.Config{URLs: []string{"amqp://" + frozen.Addr()}, ConnectTimeout: time.Hour})
	if err == nil || !strings.Contains(err.Error(), "the user has left") {
		t.Errorf("%v, want the context's cause", err)
	}
}

func TestTheBrokerIsToldWhoWeAre(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	b := open(t, r.URL(), func(c *broker.Config) { c.Name = "high@web1"; c.Heartbeat = 7 * time.Second })
	declareQueue(t, b, "q", nil)
	consume(t, b, broker.Subscription{Queue: "q"})
	var seen string
	testenv.Await(t, "both connections", func() bool {
		seen = string(r.API(http.MethodGet, "/api/vhosts/"+url.PathEscape(r.Vhost())+"/connections", nil))
		for _, want := range []string{
			`"high@web1 publish"`, `"high@web1 consume"`, `"product":"umbel"`, `"authentication_failure_close":true`,
			`"consumer_cancel_notify":true`, `"connection.blocked":true`, `"timeout":7`,
		} {
			if !strings.Contains(seen, want) {
				return false
			}
		}
		return true
	}, func() string { return fmt.Sprintf("%.2000s", seen) })
}
