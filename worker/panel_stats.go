package worker

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
)

// stats is Celery's, key by key. What does not exist here says so: pool writes are "N/A", as in Celery's other pools.
func (p *panel) stats(context.Context, arguments) (any, error) {
	w := p.worker
	total := []codec.NamedValue{}
	for name, k := range w.tasks {
		if n := k.starts.Load(); n > 0 {
			total = append(total, codec.NamedValue{Name: name, Value: codec.Of(n)})
		}
	}
	slices.SortFunc(total, func(a, b codec.NamedValue) int { return strings.Compare(a.Name, b.Name) })
	out := object("total", total, "pid", pid, "clock", strconv.FormatInt(p.clockNow(), 10),
		"uptime", int64(time.Since(w.started).Seconds()), "pool", p.poolInfo())
	if info := p.autoscaleInfo(); info != nil {
		out = append(out, codec.NamedValue{Name: "autoscaler", Value: codec.Of(info)})
	}
	if info := p.blockedInfo(); info != nil {
		out = append(out, codec.NamedValue{Name: "blocked", Value: codec.Of(info)})
	}
	return append(out, object("broker", p.brokerInfo(), "prefetch_count", w.prefetchCount(), "rusage", resourceUsage())...), nil
}

// blockedInfo is how often the broker has refused messages of this worker for a while; nil when it never has.
func (p *panel) blockedInfo() []codec.NamedValue {
	c, ok := p.worker.app.BrokerCondition()
	if !ok || c.Blocks == 0 {
		return nil
	}
	if c.Blocked == "" {
		return object("now", false, "times", c.Blocks)
	}
	return object("now", true, "times", c.Blocks, "reason", c.Blocked, "seconds", int64(time.Since(c.Since).Seconds()))
}

// brokerInfo is how the broker is reached, without the password.
func (p *panel) brokerInfo() []codec.NamedValue {
	c, err := p.worker.settings.BrokerConfig()
	if err != nil || len(c.URLs) == 0 {
		return object()
	}
	c = c.WithDefaults()
	alternates := []any{}
	for _, u := range c.URLs[1:] {
		alternates = append(alternates, broker.MaskURL(u))
	}
	var host, user, vhost, port any
	transport, _, _ := strings.Cut(c.URLs[0], "://")
	if u, err := url.Parse(c.URLs[0]); err == nil {
		host, vhost = u.Hostname(), strings.TrimPrefix(u.Path, "/")
		if vhost == "" {
			vhost = "/"
		}
		user = u.User.Username()
		if n, err := strconv.Atoi(u.Port()); err == nil {
			port = n
		}
	}
	if user == "" && c.User != "" {
		user = c.User
	}
	secure := strings.HasSuffix(transport, "s") && strings.HasPrefix(transport, "amqp")
	if strings.HasPrefix(transport, "amqp") || transport == "pyamqp" {
		transport = "amqp"
		if port == nil {
			if port = 5672; secure {
				port = 5671
			}
		}
		if user == "" {
			user = "guest"
		}
	}
	login := c.Login
	if login == "" {
		login = "PLAIN"
	}
	strategy := "round-robin"
	if c.Shuffle {
		strategy = "shuffle"
	}
	return object("hostname", host, "userid", user, "virtual_host", vhost, "port", port, "insist", false, "ssl", secure,
		"transport", transport, "connect_timeout", c.ConnectTimeout.Seconds(), "transport_options", map[string]any{}, "login_method", login,
		"uri_prefix", nil, "heartbeat", max(c.Heartbeat, 0).Seconds(), "failover_strategy", strategy, "alternates", alternates,
		"credential_provider", nil)
}

// prefetchCount is how many deliveries the worker holds at most of all its queues.
func (w *Worker) prefetchCount() (n int) {
	for _, c := range w.activeConsumers() {
		n += c.prefetchNow()
	}
	return n
}
