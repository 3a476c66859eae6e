package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// management is RabbitMQ's HTTP API, which knows what AMQP does not tell: bindings, and rates.
type management struct {
	base   *url.URL // without user
	user   *url.Userinfo
	vhost  string
	client *http.Client
}

const (
	managementWait = 20 * time.Second
	managementMost = 64 << 20 // bytes of one answer
)

var errNoManagement = errors.New("your transport cannot list bindings: only RabbitMQ has them, in its management API")

// management finds the API of the configured broker: at address if that is given, else at the broker's host, port 15672,
// or 15671 where the broker is reached over TLS. User and password are the broker's unless address has some.
func (p *program) management(address string) (*management, error) {
	if err := p.prepare(); err != nil {
		return nil, err
	}
	c, err := p.app.Config()
	if err != nil {
		return nil, err
	}
	bc, err := c.BrokerConfig()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(bc.URLs[0])
	if err != nil {
		return nil, &fault{code: exitConfig, err: errors.New("broker_url cannot be read as a URL: give --broker-api")}
	}
	if !strings.Contains(u.Scheme, "amqp") {
		return nil, &fault{code: exitUsage, err: errNoManagement}
	}
	m := &management{user: u.User, vhost: strings.TrimPrefix(u.Path, "/")}
	if m.vhost == "" {
		m.vhost = "/"
	}
	if m.user == nil || m.user.Username() == "" {
		m.user = url.UserPassword("guest", "guest")
	}
	if bc.User != "" {
		m.user = url.UserPassword(bc.User, bc.Password)
	}
	m.base = &url.URL{Scheme: "http", Host: u.Hostname() + ":15672", Path: "/api"}
	if u.Scheme == "amqps" {
		m.base.Scheme, m.base.Host = "https", u.Hostname()+":15671"
	}
	if address != "" {
		a, err := url.Parse(address)
		if err != nil || a.Scheme != "http" && a.Scheme != "https" || a.Host == "" {
			return nil, &fault{code: exitUsage, err: errors.New("--broker-api: want a URL such as http://user:password@host:15672/api")}
		}
		if a.User != nil {
			m.user = a.User
		}
		m.base = &url.URL{Scheme: a.Scheme, Host: a.Host, Path: strings.TrimSuffix(a.Path, "/")}
		if m.base.Path == "" {
			m.base.Path = "/api"
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = bc.TLS
	transport.DisableKeepAlives = true // a few requests, and no connection stays behind
	m.client = &http.Client{Transport: transport, Timeout: managementWait, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // elsewhere the password has no business
	}}
	return m, nil
}

// get asks for what stands at path, below the API and this virtual host.
func (m *management) get(ctx context.Context, what string, into any) error {
	u := *m.base
	u.Path += "/" + what + "/" + m.vhost
	u.RawPath = m.base.EscapedPath() + "/" + what + "/" + url.PathEscape(m.vhost)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	password, _ := m.user.Password()
	r.SetBasicAuth(m.user.Username(), password)
	answer, err := m.client.Do(r)
	if err != nil {
		return &fault{code: exitUnavailable, err: fmt.Errorf("ask RabbitMQ's management API: %w (is the plugin on? --broker-api says where)", err)}
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return &fault{code: exitUnavailable, err: fmt.Errorf("RabbitMQ's management API at %s answers %s", u.Host, answer.Status)}
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, managementMost)).Decode(into); err != nil {
		return fmt.Errorf("read the answer of RabbitMQ's management API: %w", err)
	}
	return nil
}

// A binding is one of RabbitMQ's bindings.
type binding struct {
	Queue      string `json:"destination"`
	Exchange   string `json:"source"`
	RoutingKey string `json:"routing_key"`
	Kind       string `json:"destination_type"`
}

func (m *management) bindings(ctx context.Context) (all []binding, err error) {
	return all, m.get(ctx, "bindings", &all)
}

// queueRates is what the API says of one queue.
type queueRates struct {
	Name  string `json:"name"`
	Stats struct {
		Publish rate `json:"publish_details"`
		Deliver rate `json:"deliver_get_details"`
		Ack     rate `json:"ack_details"`
	} `json:"message_stats"`
	Head *int64 `json:"head_message_timestamp"` // Unix seconds, where the sender said when
}

type rate struct {
	Rate float64 `json:"rate"`
}

func (m *management) queues(ctx context.Context) (map[string]queueRates, error) {
	var all []queueRates
	if err := m.get(ctx, "queues", &all); err != nil {
		return nil, err
	}
	out := make(map[string]queueRates, len(all))
	for _, q := range all {
		out[q.Name] = q
	}
	return out, nil
}
