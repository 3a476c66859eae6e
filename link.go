package umbel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/internal/setting"
)

// publishTimeout bounds a send whose context has no deadline: long enough for a broker's restart, not for ever.
const publishTimeout = 30 * time.Second

// A link is an app's connection: its broker, and its result store once that is needed.
type link struct {
	*plan
	log     *slog.Logger
	broker  broker.Broker
	replyTo string
	sent    *event.Dispatcher // tells of what is sent; nil unless task_send_sent_event

	declared sync.Map // *queue → *atomic.Bool: declared on this link, or being declared

	opening turn // held while the backend is opened
	backend atomic.Pointer[backend.Backend]
}

// open connects on the first call. A failure is not remembered: the next call tries again.
func (a *App) open(ctx context.Context) (*link, error) {
	if l := a.link.Load(); l != nil && !l.gone() {
		return l, nil
	}
	if err := a.opening.lock(ctx); err != nil {
		return nil, fmt.Errorf("connect: another goroutine is trying: %w", err)
	}
	defer a.opening.unlock()
	if l := a.link.Load(); l != nil {
		if !l.gone() {
			return l, nil
		}
		a.link.Store(nil)
		if err := l.close(); err != nil {
			a.Logger().Warn("close what is left of a connection given up", "error", err)
		}
	}
	if a.closed {
		return nil, broker.ErrClosed
	}
	p, err := a.ready()
	if err != nil {
		return nil, err
	}
	bc, err := p.config.BrokerConfig()
	if err != nil {
		return nil, err
	}
	log := a.Logger()
	bc.Log, bc.Name, bc.Changed = log, a.name, a.notifyBroker
	b, err := a.dial(ctx, bc)
	if err != nil {
		return nil, err
	}
	l := &link{plan: p, log: log, broker: b, replyTo: a.oid, opening: newTurn()}
	if strings.HasPrefix(p.config.ResultBackend, "rpc") {
		// Replies come to a queue of this process, which must exist before anything is sent.
		r, err := l.results(ctx, a)
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
		l.replyTo = r.ReplyTo()
	}
	if p.config.TaskSendSentEvent {
		l.sent = event.NewDispatcher(event.DispatcherConfig{Config: p.config.EventConfig(), Broker: b, Hostname: a.origin, Log: log})
		l.sent.Enable()
		go l.sent.Run()
	}
	a.link.Store(l)
	return l, nil
}

// results opens the result store on the first call.
func (l *link) results(ctx context.Context, a *App) (backend.Backend, error) {
	if b := l.backend.Load(); b != nil {
		return *b, nil
	}
	if err := l.opening.lock(ctx); err != nil {
		return nil, fmt.Errorf("connect to the result backend: another goroutine is trying: %w", err)
	}
	defer l.opening.unlock()
	if b := l.backend.Load(); b != nil {
		return *b, nil
	}
	bc, ok, err := l.config.BackendConfig()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrNoBackend
	}
	bc.Log, bc.Broker = l.log, l.broker
	b, err := backend.Open(ctx, bc)
	if err != nil {
		return nil, err
	}
	l.backend.Store(&b)
	return b, nil
}

// declare creates a queue and its way in, once per link. Entities that vanish by themselves are declared each time.
func (l *link) declare(ctx context.Context, q *queue) error {
	if q == nil {
		return nil
	}
	done, ok := l.declared.Load(q)
	if !ok {
		done, _ = l.declared.LoadOrStore(q, new(atomic.Bool))
	}
	if done.(*atomic.Bool).Load() {
		return nil
	}
	err := l.broker.Declare(ctx, q.topology)
	var drift *broker.DriftError
	switch {
	case errors.As(err, &drift):
		// The queue is there, with other arguments: messages reach it, and what is sent is confirmed. It is the worker
		// that must not start on it.
		l.log.Warn("queue exists with other arguments than the settings give it; sending to it as it is", "queue", q.config.Name, "error", err)
	case err != nil:
		return fmt.Errorf("declare queue %q: %w", q.config.Name, err)
	}
	if err := q.plan().DeclareDeadEnd(func(t broker.Topology) error { return l.broker.Declare(ctx, t) }); err != nil {
		l.log.Warn("the queue of dead letters cannot be declared; it is left as it is", "queue", q.config.Name, "dead_letter", q.dead.queue, "error", err)
	}
	if !q.vanishes() {
		done.(*atomic.Bool).Store(true)
	}
	return nil
}

// forget makes the next declare of a queue ask the broker again.
func (l *link) forget(q *queue) { l.declared.Delete(q) }

// gone reports that the broker has given up: it was told not to reconnect, or its retries are used up.
func (l *link) gone() bool {
	select {
	case <-l.broker.Done():
		return true
	default:
		return false
	}
}

// A turn is a lock that can be waited for as long as a context allows.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) lock(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t turn) unlock() { <-t }

func (q *queue) vanishes() bool {
	for _, d := range q.topology.Queues {
		if d.AutoDelete || d.Arguments["x-expires"] != nil {
			return true
		}
	}
	return false
}

// publish sends one message, again where it is certain that it did not leave. Celery: task_publish_retry_policy.
func (l *link) publish(ctx context.Context, m *broker.Message) error {
	err := l.broker.Publish(ctx, m)
	if err == nil || !*l.config.TaskPublishRetry {
		return err
	}
	policy := l.config.TaskPublishRetryPolicy
	wait := policy.IntervalStart
	for n := 0; errors.Is(err, broker.ErrNotSent) && (policy.MaxRetries == NoLimit || n < policy.MaxRetries); n++ {
		if serr := sleep(ctx, wait); serr != nil {
			return err
		}
		wait = min(wait+policy.IntervalStep, policy.IntervalMax)
		err = l.broker.Publish(ctx, m)
	}
	return err
}

func (l *link) publishBatch(ctx context.Context, batch []*broker.Message) []error {
	errs := l.broker.PublishBatch(ctx, batch)
	if !*l.config.TaskPublishRetry {
		return errs
	}
	for i, err := range errs {
		if errors.Is(err, broker.ErrNotSent) {
			errs[i] = l.publish(ctx, batch[i])
		}
	}
	return errs
}

func (l *link) close() error {
	var errs []error
	if l.sent != nil {
		ctx, cancel := context.WithTimeout(context.Background(), sentWait)
		defer cancel()
		l.sent.Close(ctx)
	}
	if b := l.backend.Load(); b != nil {
		errs = append(errs, (*b).Close())
	}
	return errors.Join(append(errs, l.broker.Close())...)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Publish sends a message that is complete: a retry, a callback, a replay. Workers call it. It is confirmed when Publish
// returns nil.
func (a *App) Publish(ctx context.Context, m *broker.Message) error {
	ctx, cancel := bounded(ctx, publishTimeout)
	defer cancel()
	l, err := a.open(ctx)
	if err != nil {
		return notSent(err)
	}
	return l.publish(ctx, m)
}

// BrokerCondition is how this process's link to its broker stands: lost, or not taking messages for now. ok is false before
// anything has been sent or consumed, and with brokers that run inside the process.
func (a *App) BrokerCondition() (c broker.Condition, ok bool) {
	l := a.link.Load()
	if l == nil {
		return c, false
	}
	r, ok := l.broker.(broker.Reporter)
	if !ok {
		return c, false
	}
	return r.Condition(), true
}

// quorumQueues reports whether a configured queue is a quorum queue.
func (c *Config) quorumQueues() bool {
	return c.TaskDefaultQueueType == "quorum" || slices.ContainsFunc(c.TaskQueues, func(q QueueConfig) bool {
		return q.Arguments["x-queue-type"] == "quorum"
	})
}

// BrokerConfig is what the settings say about reaching the broker.
func (c *Config) BrokerConfig() (broker.Config, error) {
	full, err := c.ReadSecrets(context.Background())
	if err != nil {
		return broker.Config{}, err
	}
	c = &full
	urls, err := c.brokerURLs()
	if err != nil {
		return broker.Config{}, err
	}
	reading, err := c.completeURLs("broker_read_url", c.BrokerReadURL)
	if err != nil {
		return broker.Config{}, err
	}
	bc := broker.Config{
		URLs: urls, ReadURLs: reading, Shuffle: c.BrokerFailoverStrategy == "shuffle", ConnectTimeout: c.BrokerConnectionTimeout,
		Heartbeat: c.BrokerHeartbeat, MaxRetries: c.BrokerConnectionMaxRetries, NoReconnect: !deref(c.BrokerConnectionRetry, true),
		Login: c.BrokerLoginMethod, User: c.BrokerUser, Password: c.BrokerPassword, Options: c.BrokerTransportOptions,
		ConsumerCheck: c.BrokerConsumerCheck, DelayQueueType: c.BrokerNativeDelayedDeliveryQueueType,
		QuorumQueues: c.quorumQueues(),
	}
	bc.Credentials = c.brokerCredentials()
	if c.BrokerUseSSL != nil && !c.BrokerUseSSL.Off {
		if bc.TLS, err = c.BrokerUseSSL.Config(); err != nil {
			return broker.Config{}, fmt.Errorf("broker_use_ssl: %w", err)
		}
	}
	return bc, nil
}

// EventConfig is what the settings say about events.
func (c *Config) EventConfig() event.Config {
	return event.Config{Exchange: c.EventExchange, Serializer: c.EventSerializer, QueuePrefix: c.EventQueuePrefix, QueueTTL: c.EventQueueTTL,
		QueueExpires: c.EventQueueExpires, QueueShared: !deref(c.EventQueueExclusive, true), QueueDurable: c.EventQueueDurable}
}

// PidboxExchange is the exchange of remote control that every worker listens to.
func (c *Config) PidboxExchange() string { return cmp.Or(c.ControlExchange, "celery") + ".pidbox" }

// BackendConfig is what the settings say about reaching the result store; ok is false when results are disabled.
func (c *Config) BackendConfig() (bc backend.Config, ok bool, err error) {
	if c.ResultBackend == resultsDisabled || c.ResultBackend == "" {
		return backend.Config{}, false, nil
	}
	full, err := c.ReadSecrets(context.Background())
	if err != nil {
		return backend.Config{}, false, err
	}
	c = &full
	accept, err := codec.NewAccept(c.ResultAcceptContent...)
	if err != nil {
		return backend.Config{}, false, fmt.Errorf("result_accept_content: %w", err)
	}
	bc = backend.Config{URL: c.ResultBackend, Expires: c.ResultExpires, Serializer: c.ResultSerializer, Accept: accept,
		Options: c.ResultBackendTransportOptions, Persistent: c.ResultPersistent, ConnectTimeout: c.RedisSocketConnectTimeout,
		Credentials: c.backendCredentials(),
		Settings:    map[string]any{}}
	c.redisSettings(bc.Settings)
	return bc, true, nil
}

func (c *Config) redisSettings(s map[string]any) {
	put := func(name string, v any, isSet bool) {
		if isSet {
			s[name] = v
		}
	}
	put("host", c.RedisHost, c.RedisHost != "")
	put("port", c.RedisPort, c.RedisPort != 0)
	put("db", c.RedisDB, c.RedisDB != 0)
	put("username", c.RedisUsername, c.RedisUsername != "")
	put("password", c.RedisPassword, c.RedisPassword != "")
	put("max_connections", c.RedisMaxConnections, c.RedisMaxConnections != 0)
	put("socket_timeout", c.RedisSocketTimeout, c.RedisSocketTimeout != 0)
	put("client_name", c.RedisClientName, c.RedisClientName != "")
	if c.RedisBackendUseSSL != nil && !c.RedisBackendUseSSL.Off {
		s["use_ssl"] = setting.TLSOptions(*c.RedisBackendUseSSL).Plain(true)
	}
}

// brokerURLs completes the list: old-style host settings, a virtual host that overrides, TLS asked for by setting.
func (c *Config) brokerURLs() ([]string, error) {
	name, urls := "broker_write_url", c.BrokerWriteURL
	if len(urls) == 0 {
		name, urls = "broker_url", c.BrokerURL
	}
	if len(urls) == 0 {
		u := c.BrokerTransport + "://"
		host := c.BrokerHost
		if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
			host = "[" + host + "]"
		}
		u += host
		if c.BrokerPort != 0 {
			u += fmt.Sprintf(":%d", c.BrokerPort)
		}
		urls = []string{u + "//"}
	}
	return c.completeURLs(name, urls)
}

func (c *Config) completeURLs(name string, urls []string) ([]string, error) {
	out := make([]string, 0, len(urls))
	for _, u := range urls {
		u = strings.TrimSpace(u)
		if u == "" {
			return nil, fmt.Errorf("%s: one of the URLs is empty", name)
		}
		u, err := c.completeURL(u)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

func (c *Config) completeURL(u string) (string, error) {
	if !strings.Contains(u, "://") {
		u = c.BrokerTransport + "://" + u
	}
	scheme, rest, _ := strings.Cut(u, "://")
	if strings.EqualFold(scheme, "amqp") || strings.EqualFold(scheme, "pyamqp") {
		if c.BrokerUseSSL != nil && !c.BrokerUseSSL.Off {
			scheme = "amqps"
		}
	}
	if c.BrokerVHost != "" {
		authority, query := rest, ""
		if i := strings.IndexByte(rest, '?'); i >= 0 {
			authority, query = rest[:i], rest[i:]
		}
		// The path begins after the credentials, which may hold slashes that were not escaped.
		start := strings.LastIndexByte(authority, '@') + 1
		if i := strings.IndexByte(authority[start:], '/'); i >= 0 {
			authority = authority[:start+i]
		}
		rest = authority + "/" + url.PathEscape(c.BrokerVHost) + query
	}
	return scheme + "://" + rest, nil
}
