package brokertest

import (
	"sort"
	"strings"

	"github.com/umbel-go/umbel/broker"
)

// reached publishes one message and tells which of the queues got it, by their words, each as often as it came.
func (e *env) reached(exchange, key string, queues map[string]string) string {
	e.Helper()
	e.publish(routed(exchange, key, key))
	var words []string
	for word, q := range queues {
		n, err := e.b.Purge(e.ctx, q)
		e.ok(err)
		for range n {
			words = append(words, word)
		}
	}
	sort.Strings(words)
	return strings.Join(words, " ")
}

// routesTo checks one address.
func (e *env) routesTo(exchange, key string, queues map[string]string, want string) {
	e.Helper()
	if got := e.reached(exchange, key, queues); got != want {
		e.Errorf("routing key %q reached queues %q, want %q", key, got, want)
	}
}

func (e *env) queues(words ...string) map[string]string {
	e.Helper()
	m := make(map[string]string)
	for _, w := range words {
		m[w] = e.queue(nil)
	}
	return m
}

var routes = []test{
	{"a direct exchange sends by the whole key", func(e *env) {
		x, q := e.exchange(broker.Direct), e.queues("one", "two", "both", "catch")
		e.bind(
			broker.Binding{Source: x, Queue: q["one"], RoutingKey: "1"},
			broker.Binding{Source: x, Queue: q["two"], RoutingKey: "2"},
			broker.Binding{Source: x, Queue: q["both"], RoutingKey: "1"},
			broker.Binding{Source: x, Queue: q["both"], RoutingKey: "2"},
			broker.Binding{Source: x, Queue: q["catch"], RoutingKey: "*"}, // no pattern here
			broker.Binding{Source: x, Queue: q["catch"], RoutingKey: "#"},
		)
		e.routesTo(x, "1", q, "both one")
		e.routesTo(x, "2", q, "both two")
		e.routesTo(x, "#", q, "catch")
		e.refused(e.b.Publish(e.ctx, routed(x, "3", "x")), broker.Unroutable)
	}},

	{"a topic exchange sends by pattern", func(e *env) {
		x, q := e.exchange(broker.Topic), e.queues("star", "hash", "tail", "middle", "exact", "twice")
		e.bind(
			broker.Binding{Source: x, Queue: q["star"], RoutingKey: "a.*"},
			broker.Binding{Source: x, Queue: q["hash"], RoutingKey: "#"},
			broker.Binding{Source: x, Queue: q["tail"], RoutingKey: "a.#"},
			broker.Binding{Source: x, Queue: q["middle"], RoutingKey: "a.#.z"},
			broker.Binding{Source: x, Queue: q["exact"], RoutingKey: "a.b.c"},
			broker.Binding{Source: x, Queue: q["twice"], RoutingKey: "#.c"},
			broker.Binding{Source: x, Queue: q["twice"], RoutingKey: "*.b.*"},
		)
		e.routesTo(x, "", q, "hash")
		e.routesTo(x, "a", q, "hash tail")
		e.routesTo(x, "a.b", q, "hash star tail")
		e.routesTo(x, "a.z", q, "hash middle star tail")
		e.routesTo(x, "a.b.z", q, "hash middle tail twice")
		e.routesTo(x, "a.b.c", q, "exact hash tail twice") // one copy, though both patterns match
		e.routesTo(x, "ab", q, "hash")
		e.routesTo(x, "b.c", q, "hash twice")
	}},

	{"a fanout exchange sends to every queue", func(e *env) {
		x, q := e.exchange(broker.Fanout), e.queues("a", "b", "c")
		e.bind(
			broker.Binding{Source: x, Queue: q["a"], RoutingKey: "ignored"},
			broker.Binding{Source: x, Queue: q["a"], RoutingKey: "other"},
			broker.Binding{Source: x, Queue: q["b"]},
		)
		e.routesTo(x, "anything", q, "a b")
		e.routesTo(x, "", q, "a b")
	}},

	{"an exchange sends to exchanges", func(e *env) {
		entry, middle, last := e.exchange(broker.Topic), e.exchange(broker.Fanout), e.exchange(broker.Direct)
		q := e.queues("m", "l")
		e.bind(
			broker.Binding{Source: entry, Exchange: middle, RoutingKey: "go.#"},
			broker.Binding{Source: middle, Exchange: last},
			broker.Binding{Source: middle, Queue: q["m"]},
			broker.Binding{Source: last, Queue: q["l"], RoutingKey: "go.far"},
			broker.Binding{Source: last, Exchange: entry, RoutingKey: "go.far"}, // a cycle
		)
		e.routesTo(entry, "go", q, "m")
		e.routesTo(entry, "go.far", q, "l m")
		e.refused(e.b.Publish(e.ctx, routed(entry, "stay", "x")), broker.Unroutable)
	}},

	{"a delivery tells the exchange and key it was published with", func(e *env) {
		x, q := e.exchange(broker.Topic), e.queue(nil)
		e.bind(broker.Binding{Source: x, Queue: q, RoutingKey: "a.#"})
		e.publish(routed(x, "a.b", "x"))
		d := e.consume(broker.Subscription{Queue: q}).next()
		if d.Exchange != x || d.RoutingKey != "a.b" || d.Queue != q {
			e.Errorf("exchange %q, routing key %q, queue %q; want %q, a.b, %q", d.Exchange, d.RoutingKey, d.Queue, x, q)
		}
		e.ok(d.Ack())
	}},

	{"a binding goes with its queue", func(e *env) {
		x, q := e.exchange(broker.Direct), e.queue(nil)
		e.bind(broker.Binding{Source: x, Queue: q, RoutingKey: "k"})
		e.publish(routed(x, "k", "x"))
		e.ok(e.b.Delete(e.ctx, broker.Topology{Queues: []broker.Queue{{Name: q}}}))
		e.refused(e.b.Publish(e.ctx, routed(x, "k", "x")), broker.Unroutable)
		e.refused(e.b.Publish(e.ctx, text(q, "x")), broker.Unroutable)
	}},
}
