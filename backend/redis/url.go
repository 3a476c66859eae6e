package redis

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// An endpoint is where Redis is and who asks.
type endpoint struct {
	scheme    string
	host      string
	port      int
	socket    string   // path of a Unix socket; "" for TCP
	sentinels []string // host:port of each
	db        int
	username  string
	password  string
}

const sentinelPort = 26379

// errUnreadable never quotes the URL: what is wrong with it may be the password.
var errUnreadable = errors.New("this is not a readable URL: write redis://[user:password@]host:port/db, with special characters of " +
	"user and password percent-encoded (@ is %40, / is %2F, # is %23)")

// readURL reads result_backend and returns its query.
func (e *endpoint) readURL(text string) (url.Values, error) {
	scheme, _, _ := strings.Cut(text, "://")
	e.scheme = strings.ToLower(scheme)
	if e.scheme == "sentinel" {
		return e.readSentinels(text)
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errUnreadable
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errUnreadable
	}
	e.readUser(u)
	switch e.scheme {
	case "socket", "redis+socket", "unix":
		e.socket = u.Host + u.Path // socket://tmp/x has its first folder where a host would be
		if !strings.HasPrefix(e.socket, "/") {
			e.socket = "/" + e.socket
		}
		if e.socket == "/" {
			return nil, fmt.Errorf("%s:// needs the path of the socket, such as %s:///run/redis/redis.sock", e.scheme, e.scheme)
		}
		return query, nil
	}
	if u.Hostname() != "" {
		e.host = u.Hostname()
	}
	if err := readPort(u, &e.port); err != nil {
		return nil, err
	}
	return query, e.readDB(u.Path)
}

// readSentinels reads "sentinel://[:password@]host:port/db;sentinel://host:port/db": password and database are those of
// the master, and the first URL that has them decides.
func (e *endpoint) readSentinels(text string) (url.Values, error) {
	all := url.Values{}
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if !strings.Contains(part, "://") {
			part = "sentinel://" + part
		}
		u, err := url.Parse(part)
		if err != nil {
			return nil, errUnreadable
		}
		if u.Scheme != "sentinel" {
			return nil, fmt.Errorf("a list of sentinels cannot hold %s://", u.Scheme)
		}
		query, err := url.ParseQuery(u.RawQuery)
		if err != nil {
			return nil, errUnreadable
		}
		maps.Copy(all, query)
		if e.username == "" && e.password == "" {
			e.readUser(u)
		}
		if e.db == 0 {
			if err := e.readDB(u.Path); err != nil {
				return nil, err
			}
		}
		port := sentinelPort
		if err := readPort(u, &port); err != nil {
			return nil, err
		}
		host := u.Hostname()
		if host == "" {
			host = "localhost"
		}
		e.sentinels = append(e.sentinels, net.JoinHostPort(host, strconv.Itoa(port)))
	}
	if e.sentinels == nil {
		return nil, errors.New("no sentinel is named: write sentinel://host:26379;sentinel://host:26379")
	}
	return all, nil
}

func (e *endpoint) readUser(u *url.URL) {
	if u.User == nil {
		return
	}
	if name := u.User.Username(); name != "" {
		e.username = name
	}
	if password, ok := u.User.Password(); ok && password != "" {
		e.password = password
	}
}

func (e *endpoint) readDB(path string) error {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	n, err := asDB(path)
	if err != nil {
		return fmt.Errorf("the path of a Redis URL is a database number such as /0, not %q", path)
	}
	e.db = n
	return nil
}

func readPort(u *url.URL, port *int) error {
	text := u.Port()
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("port %s is not between 1 and 65535", text)
	}
	*port = n
	return nil
}

// readQuery reads the URL's query, which overrides everything else.
func (s *settings) readQuery(p *problems, query url.Values) {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		v, full := any(query.Get(name)), "query parameter "+name
		switch name {
		case "db", "virtual_host":
			read(p, full, &s.db, asDB, v)
		case "username":
			read(p, full, &s.username, asText, v)
		case "password":
			read(p, full, &s.password, asText, v)
		default:
			known, err := s.secure.set(name, v)
			if known {
				p.add(full, err)
			} else if !s.readTuning(p, name, full, v) {
				p.add(full, errors.New("is not known: known are db, virtual_host, username, password, ssl_cert_reqs, ssl_ca_certs, ssl_certfile, "+
					"ssl_keyfile, ssl_check_hostname, socket_timeout, socket_connect_timeout, socket_keepalive, retry_on_timeout, max_connections, "+
					"health_check_interval, client_name"))
			}
		}
	}
}

// addresses are what is dialed: the server, its socket, or the sentinels.
func (e *endpoint) addresses() []string {
	switch {
	case e.socket != "":
		return []string{e.socket}
	case e.sentinels != nil:
		return e.sentinels
	}
	return []string{net.JoinHostPort(e.host, strconv.Itoa(e.port))}
}

// String names the endpoint in errors and logs, without secrets.
func (e *endpoint) String() string {
	user := ""
	if e.username != "" || e.password != "" {
		user = e.username
		if e.password != "" {
			user += ":**"
		}
		user += "@"
	}
	if e.socket != "" {
		return fmt.Sprintf("%s://%s%s?virtual_host=%d", e.scheme, user, e.socket, e.db)
	}
	return fmt.Sprintf("%s://%s%s/%d", e.scheme, user, strings.Join(e.addresses(), ";"), e.db)
}
