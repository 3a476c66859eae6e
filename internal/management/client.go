// Package management asks RabbitMQ's management API, which knows what AMQP does not tell (bindings, rates, users, policies), and
// makes what AMQP cannot.
//
//	m, err := management.New(management.Config{URL: "https://ann:secret@host:15671/api", Vhost: "shop"})
//	queues, err := m.Queues(ctx)
//
// A client keeps no connection between two calls, and starts no goroutine that outlives one.
package management

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says which API is asked, and as whom.
type Config struct {
	// URL is such as http://user:password@host:15672/api; the path may be left out. Required.
	URL string

	// User and Password are used where the URL has none. Default to RabbitMQ's guest.
	User, Password string

	// Vhost is the virtual host that is spoken of. Defaults to "/".
	Vhost string

	// TLS is used with https. nil: verified against the system's roots.
	TLS *tls.Config

	// Timeout bounds one call. Defaults to 20 s.
	Timeout time.Duration
}

// A Client asks one API about one virtual host. It is safe for many goroutines.
type Client struct {
	base   *url.URL // without user, without a slash at its end
	vhost  string
	client *http.Client

	login login
}

const (
	// answerMost bounds what is read of an answer: a thousand queues are about 2 MB.
	answerMost = 64 << 20

	// reasonMost bounds what is read of a refusal.
	reasonMost = 4 << 10

	defaultTimeout = 20 * time.Second
)

// ErrURL says that a URL cannot be that of a management API.
var ErrURL = errors.New("the URL of the management API is not like http://user:password@host:15672/api")

// New makes a client. It connects to nothing.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, ErrURL
	}
	m := &Client{vhost: c.Vhost}
	m.login.take(u.User, c.User, c.Password)
	if m.vhost == "" {
		m.vhost = "/"
	}
	m.base = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	if m.base.Path == "" {
		m.base.Path = "/api"
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = c.TLS
	transport.DisableKeepAlives = true
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	m.client = &http.Client{Transport: transport, Timeout: c.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // elsewhere the password has no business
	}}
	return m, nil
}

// Beside is where the API of a broker is looked for when nobody says: at the broker's host, port 15672, or 15671 where the broker
// is reached over TLS; Amazon MQ has it on 443.
func Beside(broker *url.URL) string {
	host := broker.Hostname()
	switch {
	case strings.HasSuffix(host, ".amazonaws.com"), strings.HasSuffix(host, ".amazonaws.com.cn"), strings.HasSuffix(host, ".on.aws"):
		return "https://" + bracketed(host) + "/api"
	case broker.Scheme == "amqps":
		return "https://" + bracketed(host) + ":15671/api"
	}
	return "http://" + bracketed(host) + ":15672/api"
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// Host is where the API answers.
func (m *Client) Host() string { return m.base.Host }

// User is who asks.
func (m *Client) User() string {
	user, _ := m.login.get()
	return user
}

// Vhost is what is asked about.
func (m *Client) Vhost() string { return m.vhost }

// An Error is an answer that is a refusal.
type Error struct {
	Host   string
	What   string // the call: GET queues/shop
	Status int
	Reason string // the broker's own words, if it had some
}

func (e *Error) Error() string {
	text := fmt.Sprintf("RabbitMQ's management API at %s answers %d %s to %s", e.Host, e.Status, http.StatusText(e.Status), e.What)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// IsMissing reports that what was asked for does not exist.
func IsMissing(err error) bool { return status(err) == http.StatusNotFound }

// IsDenied reports that the user is not known, or may not do this.
func IsDenied(err error) bool {
	s := status(err)
	return s == http.StatusUnauthorized || s == http.StatusForbidden
}

func status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// Get decodes what stands at a path, whose parts are escaped: Get(ctx, &list, "queues", "/").
func (m *Client) Get(ctx context.Context, into any, path ...string) error {
	return m.call(ctx, http.MethodGet, nil, into, path)
}

// Put makes or replaces what stands at a path.
func (m *Client) Put(ctx context.Context, body any, path ...string) error {
	return m.call(ctx, http.MethodPut, body, nil, path)
}

// Post adds to what stands at a path.
func (m *Client) Post(ctx context.Context, body any, path ...string) error {
	return m.call(ctx, http.MethodPost, body, nil, path)
}

// Delete removes what stands at a path. What does not exist is no error.
func (m *Client) Delete(ctx context.Context, path ...string) error {
	if err := m.call(ctx, http.MethodDelete, nil, nil, path); err != nil && !IsMissing(err) {
		return err
	}
	return nil
}

// DeleteQueue deletes a queue; spared is true where the broker shall refuse (400) if it is not empty or has consumers, which it
// can of classic queues only.
func (m *Client) DeleteQueue(ctx context.Context, name string, spared bool) error {
	q := ""
	if spared {
		q = "if-empty=true&if-unused=true"
	}
	if err := m.ask(ctx, http.MethodDelete, nil, nil, []string{"queues", m.vhost, name}, q); err != nil && !IsMissing(err) {
		return err
	}
	return nil
}

func (m *Client) call(ctx context.Context, method string, body, into any, path []string) error {
	return m.ask(ctx, method, body, into, path, "")
}

func (m *Client) ask(ctx context.Context, method string, body, into any, path []string, query string) error {
	escaped := make([]string, len(path))
	for i, part := range path {
		escaped[i] = url.PathEscape(part)
	}
	u := *m.base
	u.RawQuery = query
	u.Path += "/" + strings.Join(path, "/")
	u.RawPath = m.base.EscapedPath() + "/" + strings.Join(escaped, "/")
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("%s %s: %w", method, strings.Join(path, "/"), err)
		}
	}
	answer, err := m.send(ctx, method, u.String(), text)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return &Error{Host: u.Host, What: method + " " + strings.Join(path, "/"), Status: answer.StatusCode, Reason: reason(answer.Body)}
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, answerMost)).Decode(into); err != nil {
		return fmt.Errorf("read what RabbitMQ's management API answers to %s: %w", strings.Join(path, "/"), err)
	}
	return nil
}

// send asks once, and once more if the user is refused and has another password by now.
func (m *Client) send(ctx context.Context, method, address string, body []byte) (*http.Response, error) {
	for again := false; ; again = true {
		r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		user, password := m.login.get()
		r.SetBasicAuth(user, password)
		r.Header.Set("Content-Type", "application/json")
		answer, err := m.client.Do(r)
		if err != nil {
			return nil, fmt.Errorf("ask RabbitMQ's management API: %w", err)
		}
		if answer.StatusCode != http.StatusUnauthorized || again || !m.login.renew(ctx, password) {
			return answer, nil
		}
		_ = answer.Body.Close() // the answer to the next one counts
	}
}

// reason is what the broker says of a refusal.
func reason(body io.Reader) string {
	text, err := io.ReadAll(io.LimitReader(body, reasonMost))
	if err != nil {
		return ""
	}
	var said struct {
		Error  string `json:"error"`
		Reason any    `json:"reason"`
	}
	if json.Unmarshal(text, &said) != nil {
		return ""
	}
	if why, ok := said.Reason.(string); ok && why != "" {
		return why
	}
	return said.Error
}
