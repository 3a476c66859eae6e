package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
)

// settings is what URL, redis_* settings and transport options come to.
type settings struct {
	endpoint
	socketTimeout  time.Duration // bounds one exchange. Defaults to 120 s. Celery: redis_socket_timeout
	connectTimeout time.Duration // bounds connecting, TLS and log-in together. Celery: redis_socket_connect_timeout
	clientName     string
	prefix         string // global_keyprefix, with its separator
	master         string // master_name of sentinels
	sentinelUser   string
	sentinelPass   string
	sentinelTLS    *tls.Config
	secure         *security
	tls            *tls.Config // nil: plain
	retry          retryPolicy
	expires        int64 // seconds; 0: for ever
	ask            func(ctx context.Context, refused bool) (broker.Credentials, error)
}

const defaultSocketTimeout = 120 * time.Second

// A problem names one setting that is wrong. All are reported at once.
type problems []error

func (p *problems) add(name string, err error) {
	if err != nil {
		*p = append(*p, fmt.Errorf("%s: %w", name, err))
	}
}

// read is add for a value with its reading: the value is used when it could be read.
func read[T any](p *problems, name string, dst *T, as func(any) (T, error), v any) {
	if v == nil {
		return // Python's None: not set
	}
	got, err := as(v)
	if err != nil {
		p.add(name, err)
		return
	}
	*dst = got
}

func newSettings(c backend.Config) (*settings, error) {
	s := &settings{socketTimeout: defaultSocketTimeout, connectTimeout: c.ConnectTimeout, retry: defaultRetry, secure: &security{}, ask: c.Credentials}
	var p problems
	s.host, s.port = "localhost", 6379
	s.readSettings(&p, c.Settings)
	s.readOptions(&p, c.Options)
	query, err := s.readURL(c.URL)
	if err != nil {
		p = append(p, err)
	}
	s.readQuery(&p, query)
	s.finish(&p, c)
	if len(p) > 0 {
		return nil, fmt.Errorf("open result backend %s: %w", maskURLs(c.URL), errors.Join(p...))
	}
	return s, nil
}

// readSettings reads redis_* settings; the URL overrides them, as in Celery.
func (s *settings) readSettings(p *problems, in map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		v, full := in[name], "redis_"+name
		switch name {
		case "host":
			read(p, full, &s.host, asText, v)
		case "port":
			read(p, full, &s.port, asInt, v)
		case "db":
			read(p, full, &s.db, asDB, v)
		case "username":
			read(p, full, &s.username, asText, v)
		case "password":
			read(p, full, &s.password, asText, v)
		case "use_ssl":
			p.add("redis_backend_use_ssl", s.secure.use(v))
		case "credential_provider", "backend_credential_provider":
			if v != nil {
				p.add("redis_backend_credential_provider", errors.New("is a Python object: use redis_username and redis_password"))
			}
		default:
			if !s.readTuning(p, strings.TrimPrefix(name, "backend_"), full, v) {
				p.add(full, errors.New("is no setting of the Redis result backend"))
			}
		}
	}
}

// readTuning reads what settings, transport options and the URL's query have in common. It reports whether the name is
// known.
func (s *settings) readTuning(p *problems, name, full string, v any) bool {
	var flag bool
	var n int
	var d time.Duration
	switch name {
	case "socket_timeout":
		read(p, full, &s.socketTimeout, asTimeout, v)
	case "socket_connect_timeout":
		read(p, full, &s.connectTimeout, asTimeout, v)
	case "client_name":
		read(p, full, &s.clientName, asText, v)
	case "socket_keepalive", "retry_on_timeout":
		// Both are always so here: the kernel probes idle connections, and retry_policy covers timeouts.
		read(p, full, &flag, asBool, v)
	case "max_connections":
		read(p, full, &n, asInt, v)
		if v != nil && n > 0 && n < 2 {
			p.add(full, fmt.Errorf("want at least 2 (commands, subscriptions), got %d", n))
		}
	case "health_check_interval":
		read(p, full, &d, asDuration, v) // broken connections are found without asking
	default:
		return false
	}
	return true
}

// asTimeout is asDuration for a time that must pass. None and 0, which are "for ever" in Python, are refused: every
// wait is bounded.
func asTimeout(v any) (time.Duration, error) {
	d, err := asDuration(v)
	if err == nil && d <= 0 {
		err = fmt.Errorf("want more than 0 seconds, got %s", show(v))
	}
	return d, err
}

func asDB(v any) (int, error) {
	if s, ok := v.(string); ok {
		v = strings.Trim(s, "/")
		if v == "" {
			return 0, nil
		}
	}
	n, err := asInt(v)
	if err != nil || n < 0 || n > math.MaxInt32 {
		return 0, fmt.Errorf("want a database number such as 0, got %s", show(v))
	}
	return n, nil
}

// Transport options that say nothing to a result backend here, but are often set.
var silentOptions = map[string]string{
	"visibility_timeout":           "of Redis as a broker",
	"result_chord_ordered":         "read by whoever joins chords",
	"result_chord_join_timeout":    "read by whoever joins chords",
	"result_chord_retry_interval":  "read by whoever joins chords",
	"additional_connection_errors": "Python classes",
	"fanout_prefix":                "of Redis as a broker",
	"fanout_patterns":              "of Redis as a broker",
}

func (s *settings) readOptions(p *problems, in map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		v, full := in[name], "result_backend_transport_options."+name
		switch name {
		case "global_keyprefix":
			read(p, full, &s.prefix, asText, v)
		case "master_name", "service_name":
			read(p, full, &s.master, asText, v)
		case "sentinel_kwargs":
			m := map[string]any{}
			read(p, full, &m, asMap, v)
			s.readSentinel(p, full, m)
		case "retry_policy":
			m := map[string]any{}
			read(p, full, &m, asMap, v)
			s.retry.read(p, full, m)
		default:
			_, silent := silentOptions[name]
			if !silent && !s.readTuning(p, name, full, v) {
				p.add(full, errors.New("is no transport option of the Redis result backend: known are global_keyprefix, master_name, "+
					"sentinel_kwargs, retry_policy, socket_timeout, socket_connect_timeout, socket_keepalive, retry_on_timeout, max_connections, "+
					"health_check_interval, client_name"))
			}
		}
	}
	// Celery's rule: a word and what follows it are kept apart.
	if s.prefix != "" && !strings.ContainsAny(s.prefix[len(s.prefix)-1:], ":_-.") {
		s.prefix += "_"
	}
}

func (s *settings) readSentinel(p *problems, full string, in map[string]any) {
	var secure security
	for _, name := range slices.Sorted(maps.Keys(in)) {
		v, full := in[name], full+"."+name
		var d time.Duration
		var flag bool
		switch name {
		case "username":
			read(p, full, &s.sentinelUser, asText, v)
		case "password":
			read(p, full, &s.sentinelPass, asText, v)
		case "ssl":
			read(p, full, &flag, asBool, v)
			secure.on = secure.on || flag
		case "socket_timeout", "socket_connect_timeout":
			read(p, full, &d, asDuration, v) // connecting to a sentinel is bounded like everything else
		case "socket_keepalive":
			read(p, full, &flag, asBool, v)
		default:
			known, err := secure.set(name, v)
			if !known {
				err = errors.New("is no sentinel option: known are username, password, ssl, ssl_*, socket_timeout, socket_keepalive")
			}
			p.add(full, err)
		}
	}
	if secure.on {
		var err error
		s.sentinelTLS, err = secure.config()
		p.add(full, err)
	}
}

func (s *settings) finish(p *problems, c backend.Config) {
	if s.scheme == "rediss" {
		s.secure.on = true
	}
	if s.secure.on && s.socket == "" {
		var err error
		s.tls, err = s.secure.config()
		p.add("TLS", err)
	}
	if s.sentinels != nil && s.master == "" {
		p.add("result_backend_transport_options.master_name", errors.New("sentinel:// needs the name under which sentinels know the master, such as \"mymaster\""))
	}
	if c.Expires > 0 {
		// SETEX refuses 0: what lives less than a second lives one.
		s.expires = max(1, int64(c.Expires/time.Second))
	}
}

// maskURLs is broker.MaskURL for lists of URLs. The query may hold a password, too, and is left out.
func maskURLs(list string) string {
	parts := strings.Split(list, ";")
	for i, u := range parts {
		u = broker.MaskURL(u)
		if q := strings.IndexByte(u, '?'); q >= 0 {
			u = u[:q]
		}
		parts[i] = u
	}
	return strings.Join(parts, ";")
}
