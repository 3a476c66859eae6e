// Package delayed is the layout of queues in which RabbitMQ keeps messages until their time: Celery's native delayed delivery,
// so that Python and Go share one.
//
//	celery_delayed_27 ─ 1 ► queue, TTL 2^27 s ─┐        28 topic exchanges, each with a queue whose messages expire into the
//	        │ 0                                ▼        next exchange. The routing key begins with the delay in seconds, one
//	celery_delayed_26 ─ 1 ► queue, TTL 2^26 s … │        binary digit a word: a 1 waits at that level, a 0 passes.
//	        ⋮
//	celery_delayed_delivery ─ rest of the key ► the queue
//
// Celery: celery/worker/consumer/delayed_delivery.py, kombu/transport/native_delayed_delivery.py.
package delayed

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

const (
	// Levels is how many levels there are: delays of up to 2^28 s.
	Levels = 28

	// Prefix begins the names of all exchanges and queues.
	Prefix = "celery_delayed_"

	// Delivery is the exchange at the end, to which all queues that delayed messages come to are bound.
	Delivery = Prefix + "delivery"

	// Digits is the length of the digits that begin a routing key, each followed by a dot.
	Digits = 2 * Levels

	// nameMost is how long a routing key may be, bytes.
	nameMost = 255
)

// Name is that of a level's exchange, and of its queue.
func Name(level int) string { return Prefix + strconv.Itoa(level) }

// Topology is the whole layout with queues of one type ("quorum" or "classic"), from its end to its beginning: what is there
// already never leads into nothing.
func Topology(kind string) broker.Topology {
	t := broker.Topology{Exchanges: []broker.Exchange{{Name: Delivery, Type: broker.Topic, Durable: true}}}
	next := Delivery
	for level := range Levels {
		name := Name(level)
		arguments := protocol.Table{
			"x-queue-type": kind, "x-overflow": "reject-publish", "x-message-ttl": int64(1000) << level, "x-dead-letter-exchange": next,
		}
		if kind == "quorum" {
			arguments["x-dead-letter-strategy"] = "at-least-once"
		}
		t.Exchanges = append(t.Exchanges, broker.Exchange{Name: name, Type: broker.Topic, Durable: true})
		t.Queues = append(t.Queues, broker.Queue{Name: name, Durable: true, Arguments: arguments})
		skipped := strings.Repeat("*.", Levels-1-level)
		t.Bindings = append(t.Bindings,
			broker.Binding{Source: name, Exchange: next, RoutingKey: skipped + "0.#"},
			broker.Binding{Source: name, Queue: name, RoutingKey: skipped + "1.#"})
		next = name
	}
	return t
}

// Ways back of our own. Celery binds "#.KEY", so that a message for "a.b" also reaches whatever is bound with "b". Ours
// are one word (a name's dots are escaped, so that no name is the end of another's key) that begins as no queue's does.
const (
	QueueWay    = "umbel~"
	ExchangeWay = "umbel-exchange~"
	HashWay     = "umbel-hash~" // of a name that is too long to be spelt out in a routing key
)

var (
	escapeName   = strings.NewReplacer("%", "%25", ".", "%2E")
	unescapeName = strings.NewReplacer("%25", "%", "%2E", ".")
)

// Way is the way back to a queue or an exchange, as the prefix says.
func Way(prefix, name string) string {
	way := prefix + escapeName.Replace(name)
	if Digits+len(way) <= nameMost {
		return way
	}
	sum := sha256.Sum256([]byte(prefix + name))
	return HashWay + hex.EncodeToString(sum[:])
}

// Unescape is the name in a way, without its prefix.
func Unescape(way string) string { return unescapeName.Replace(way) }

// BindingKey is the pattern that lets messages with this key, or way, through behind their delay.
func BindingKey(key string) string {
	if strings.HasPrefix(key, "#") {
		return key
	}
	return "#." + key
}

// ToQueue is the binding by which delayed messages come to a queue.
func ToQueue(name string) broker.Binding {
	return broker.Binding{Source: Delivery, Queue: name, RoutingKey: BindingKey(Way(QueueWay, name))}
}

// ThroughTopic are the bindings by which delayed messages pass a topic exchange that has the binding b. They are Celery's own: the
// exchange is bound to the layout's end, and what is bound to it once more, behind a delay.
func ThroughTopic(b broker.Binding) []broker.Binding {
	key := BindingKey(b.RoutingKey)
	return []broker.Binding{
		{Source: Delivery, Exchange: b.Source, RoutingKey: key},
		{Source: b.Source, Queue: b.Queue, Exchange: b.Exchange, RoutingKey: key},
	}
}
