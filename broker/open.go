package broker

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config says how to reach a broker. The zero value of every field but URLs works.
type Config struct {
	// URLs are tried in order until one answers. Celery: broker_url (list, or several separated by ";").
	URLs []string

	// ReadURLs are tried for consuming, in place of URLs: other addresses of the same broker. Drivers to files have one address and
	// refuse them. Celery: broker_read_url.
	ReadURLs []string

	// Shuffle tries the URLs in random order. Celery: broker_failover_strategy "shuffle".
	Shuffle bool

	// TLS is used for schemes that ask for it. nil: verified against the system's roots, TLS 1.2 or newer.
	// Celery: broker_use_ssl.
	TLS *tls.Config

	// ConnectTimeout bounds one attempt: name look-up, TCP, TLS and handshake together. Defaults to 4 s.
	// Celery: broker_connection_timeout.
	ConnectTimeout time.Duration

	// Heartbeat is proposed to the broker; the smaller of both sides' is used. Defaults to 60 s; negative: none.
	// Celery: broker_heartbeat.
	Heartbeat time.Duration

	// ConsumerCheck is for how long a consumer may get no delivery before a driver to a remote broker looks whether its queue has
	// messages for it; if so, and there is room for them, the consumer is renewed. While the queue is empty it looks at ever
	// longer intervals, in the end 60 times as long. Defaults to 15 s; negative: never.
	ConsumerCheck time.Duration
	// MaxRetries bounds the attempts to reconnect after a loss. 0: without limit.
	// Celery: broker_connection_max_retries.
	MaxRetries int

	// NoReconnect ends the broker at the first loss. Celery: broker_connection_retry = false.
	NoReconnect bool

	// Name is shown in the broker's list of connections. Defaults to the program's name and pid.
	Name string

	// Login is the SASL mechanism: PLAIN (default), AMQPLAIN or EXTERNAL. Celery: broker_login_method.
	Login string

	// User and Password, when set, override those of the URL. Celery: broker_user, broker_password.
	User, Password string

	// Credentials, when set, is asked before each attempt to connect to a url of URLs or ReadURLs, and wins over what stands here: what
	// has been rotated is used at the next attempt. refused says that the broker did not accept the ones of an earlier attempt, so that
	// what is kept of a secret must be read anew.
	Credentials func(ctx context.Context, url string, refused bool) (Credentials, error)

	// DelayQueueType is the type of the queues in which a driver that needs some keeps delayed messages: "quorum" (the
	// default) or "classic". Celery: broker_native_delayed_delivery_queue_type.
	DelayQueueType string

	// QuorumQueues says that some of the app's queues are quorum queues. Celery's senders then delay whatever goes to a
	// topic exchange, also on its way to a classic queue, by its layout of delay queues (native delayed delivery).
	QuorumQueues bool

	// Options are broker_transport_options that the driver knows; others are refused by name.
	Options map[string]any

	// Changed, when set, is told when a connection was lost or is back, and when the broker takes no messages or takes them
	// again, on the driver's goroutine; it must not block. Drivers that are no Reporter never call it.
	Changed func(Condition)

	// Log is told of losses and recoveries. Defaults to discarding.
	Log *slog.Logger
}

// Credentials are what an attempt to connect logs in with. What is "" stays as it is configured.
type Credentials struct {
	URL            string // in place of the configured one: for secrets that hold a whole URL
	User, Password string // they win over those of the URL
}

// WithDefaults fills what is unset.
func (c Config) WithDefaults() Config {
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = 4 * time.Second
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 60 * time.Second
	}
	if c.ConsumerCheck == 0 {
		c.ConsumerCheck = 15 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// A Driver opens brokers of one URL scheme. It makes one attempt per URL and returns the last *OpenError, within
// ConnectTimeout for each.
type Driver func(ctx context.Context, c Config) (Broker, error)

var drivers struct {
	sync.Mutex
	m map[string]Driver
}

// Register makes a driver known under URL schemes; drivers call it from init.
func Register(d Driver, schemes ...string) {
	drivers.Lock()
	defer drivers.Unlock()
	if drivers.m == nil {
		drivers.m = make(map[string]Driver)
	}
	for _, s := range schemes {
		drivers.m[s] = d
	}
}

// imports names the package to import for each scheme that Umbel has a driver for.
var imports = map[string]string{
	"amqp": "github.com/umbel-go/umbel/broker/amqp", "amqps": "github.com/umbel-go/umbel/broker/amqp",
	"pyamqp": "github.com/umbel-go/umbel/broker/amqp",
	"sqlite": "github.com/umbel-go/umbel/broker/sqlite",
	"memory": "github.com/umbel-go/umbel/broker/memory",
}

// Open connects to the first broker of c.URLs that answers. All URLs must have one scheme's driver.
func Open(ctx context.Context, c Config) (Broker, error) {
	c = c.WithDefaults()
	if len(c.URLs) == 0 {
		return nil, fmt.Errorf("open broker: no URL: set broker_url")
	}
	scheme, _, ok := strings.Cut(c.URLs[0], "://")
	if !ok {
		return nil, fmt.Errorf("open broker: %q is not a URL: it has no scheme such as amqp:// or sqlite://", MaskURL(c.URLs[0]))
	}
	scheme = strings.ToLower(scheme)
	drivers.Lock()
	d := drivers.m[scheme]
	known := make([]string, 0, len(drivers.m))
	for s := range drivers.m {
		known = append(known, s)
	}
	drivers.Unlock()
	if len(c.ReadURLs) > 0 && imports[scheme] != imports["amqp"] {
		return nil, fmt.Errorf("open broker: %s has one address: consuming and publishing can be apart on RabbitMQ only", MaskURL(c.URLs[0]))
	}
	if d != nil {
		return d(ctx, c)
	}
	if p := imports[scheme]; p != "" {
		return nil, fmt.Errorf("open broker: scheme %q is not compiled in: import _ %q", scheme, p)
	}
	slices.Sort(known)
	return nil, fmt.Errorf("open broker: unknown scheme %q in %s: known are %s", scheme, MaskURL(c.URLs[0]), strings.Join(known, ", "))
}

// MaskURL replaces the password of a URL by **, as Celery prints it, whatever else is wrong with the URL.
func MaskURL(u string) string {
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		return u
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		// A password with an unescaped slash: mask up to the last @ of the whole rest.
		end = i
		if j := strings.LastIndexByte(rest, '@'); j > i {
			end = j + 1
		}
	}
	authority, path := rest[:end], rest[end:]
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return u
	}
	user, _, has := strings.Cut(authority[:at], ":")
	if !has {
		return u
	}
	return scheme + "://" + user + ":**@" + authority[at+1:] + path
}
