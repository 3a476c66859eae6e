package amqp

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/broker"
)

// An endpoint is one broker URL, taken apart by kombu's rules and completed from the Config.
type endpoint struct {
	masked   string // the URL with its password hidden: the only form that may be shown
	host     string
	port     int
	user     string
	password string
	vhost    string

	secure secure // TLS: off for amqp and pyamqp

	login     string        // SASL mechanism, upper case
	heartbeat time.Duration // negative: none
	timeout   time.Duration // of one attempt

	listed string // the text of Config.URLs or ReadURLs that names it
	part   int    // its place in that, which may hold several
}

func (e *endpoint) address() string { return net.JoinHostPort(e.host, strconv.Itoa(e.port)) }

// endpoints parses every one of these URLs; one may hold several, separated by ";".
func endpoints(urls []string, c broker.Config) ([]*endpoint, error) {
	var all []*endpoint
	for _, list := range urls {
		for part, raw := range splitURLs(list) {
			e, err := parseURL(raw, c)
			if err != nil {
				return nil, &broker.OpenError{URL: broker.MaskURL(raw), Op: "parse URL", Err: err}
			}
			e.listed, e.part = list, part
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("open broker: no URL: set broker_url")
	}
	return all, nil
}

// splitURLs cuts a list separated by ";".
func splitURLs(list string) (urls []string) {
	for raw := range strings.SplitSeq(list, ";") {
		if raw = strings.TrimSpace(raw); raw != "" {
			urls = append(urls, raw)
		}
	}
	return urls
}

// parseURL reads scheme://user:password@host:port/vhost?options as kombu does: every part is percent-decoded, the last
// @ ends the credentials, the first colon in them ends the user name, one leading slash of the path is no part of the
// virtual host, and an empty virtual host is "/". What is missing is guest, guest, localhost and the scheme's port.
//
// kombu: kombu/utils/url.py.
func parseURL(raw string, c broker.Config) (*endpoint, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return nil, fmt.Errorf("no scheme: expected amqp://user:password@host:5672/vhost")
	}
	e := &endpoint{
		masked: broker.MaskURL(raw), host: "localhost", port: 5672, user: "guest", password: "guest", vhost: "/",
		login: "PLAIN", heartbeat: c.Heartbeat, timeout: c.ConnectTimeout,
	}
	switch strings.ToLower(scheme) {
	case "amqp", "pyamqp":
	case "amqps":
		e.secure.on, e.port = true, 5671
	default:
		return nil, fmt.Errorf("scheme %q is none of amqp, amqps and pyamqp", scheme)
	}
	e.secure.config = c.TLS

	rest, query, _ := strings.Cut(rest, "?")
	if strings.Contains(rest, "#") || strings.Contains(query, "#") {
		return nil, fmt.Errorf(`it holds a "#": write it as %%23`)
	}
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i+1:]
		// A slash in the password cuts the authority short, and the rest of the password would become the virtual host.
		if !strings.Contains(authority, "@") && strings.Contains(authority, ":") && strings.Contains(path, "@") {
			return nil, fmt.Errorf(`the credentials hold a "/": write it as %%2F`)
		}
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, password, hasPassword := strings.Cut(authority[:at], ":")
		authority = authority[at+1:]
		var err error
		if user != "" {
			if e.user, err = url.PathUnescape(user); err != nil {
				return nil, fmt.Errorf("user name: broken percent-encoding")
			}
		}
		if hasPassword && password != "" {
			if e.password, err = url.PathUnescape(password); err != nil {
				// The error of url quotes what it could not decode: a piece of the password.
				return nil, fmt.Errorf(`password: broken percent-encoding: write a "%%" as %%25`)
			}
		}
	}
	if c.User != "" {
		e.user = c.User
	}
	if c.Password != "" {
		e.password = c.Password
	}
	if err := e.parseHost(authority); err != nil {
		return nil, err
	}
	if path != "" {
		vhost, err := url.PathUnescape(path)
		if err != nil {
			return nil, fmt.Errorf("virtual host %q: broken percent-encoding", path)
		}
		e.vhost = vhost
	}
	if len(e.vhost) > 255 {
		return nil, fmt.Errorf("virtual host is longer than 255 bytes")
	}
	if c.Login != "" {
		e.login = strings.ToUpper(c.Login)
	}
	if err := e.applyOptions(c.Options); err != nil {
		return nil, err
	}
	if err := e.applyQuery(query); err != nil {
		return nil, err
	}
	switch e.login {
	case "PLAIN", "AMQPLAIN", "EXTERNAL":
	default:
		return nil, fmt.Errorf("login method %q is none of PLAIN, AMQPLAIN and EXTERNAL", e.login)
	}
	return e, nil
}

func (e *endpoint) parseHost(s string) error {
	host, port := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return fmt.Errorf(`host %q: missing "]" after an IPv6 address`, s)
		}
		host, port = s[1:end], s[end+1:]
		if port != "" && !strings.HasPrefix(port, ":") {
			return fmt.Errorf("host %q: only a port may follow an IPv6 address", s)
		}
		port = strings.TrimPrefix(port, ":")
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i+1:]
		if strings.Contains(port, ":") {
			return fmt.Errorf("host %q: write an IPv6 address in brackets: amqp://[::1]:5672", s)
		}
	}
	if host != "" {
		h, err := url.PathUnescape(host)
		if err != nil {
			return fmt.Errorf("host %q: broken percent-encoding", host)
		}
		e.host = strings.ToLower(h)
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("port %q is no number from 1 to 65535", port)
		}
		e.port = int(n)
	}
	return nil
}
