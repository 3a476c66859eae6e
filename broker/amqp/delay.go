package amqp

// Delays: Celery's native delayed delivery, so that Python and Go share one layout.
//
//	celery_delayed_27 ─ 1 ► queue, TTL 2^27 s ─┐        28 topic exchanges, each with a queue whose messages expire into the
//	        │ 0                                ▼        next exchange. The routing key begins with the delay in seconds, one
//	celery_delayed_26 ─ 1 ► queue, TTL 2^26 s … │        binary digit a word: a 1 waits at that level, a 0 passes.
//	        ⋮
//	celery_delayed_delivery ─ rest of the key ► the queue
//
// Celery: celery/worker/consumer/delayed_delivery.py, kombu/transport/native_delayed_delivery.py.

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

const (
	delayLevels   = 28
	delayPrefix   = "celery_delayed_"
	delayDelivery = delayPrefix + "delivery"

	delayStep = time.Second
	delayMost = 1<<delayLevels - 1 // steps, 8.5 years: what is due later comes then, and whoever takes it delays it again

	// delayDigits is the length of the digits that begin a routing key, each followed by a dot.
	delayDigits = 2 * delayLevels
)

func delayName(level int) string { return delayPrefix + strconv.Itoa(level) }

// delayTopology is the whole layout with queues of one type, from its end to its beginning: what is there already never
// leads into nothing.
func delayTopology(kind string) broker.Topology {
	t := broker.Topology{Exchanges: []broker.Exchange{{Name: delayDelivery, Type: broker.Topic, Durable: true}}}
	next := delayDelivery
	for level := range delayLevels {
		name := delayName(level)
		arguments := protocol.Table{
			"x-queue-type": kind, "x-overflow": "reject-publish", "x-message-ttl": int64(1000) << level, "x-dead-letter-exchange": next,
		}
		if kind == quorumQueue {
			arguments["x-dead-letter-strategy"] = "at-least-once"
		}
		t.Exchanges = append(t.Exchanges, broker.Exchange{Name: name, Type: broker.Topic, Durable: true})
		t.Queues = append(t.Queues, broker.Queue{Name: name, Durable: true, Arguments: arguments})
		skipped := strings.Repeat("*.", delayLevels-1-level)
		t.Bindings = append(t.Bindings,
			broker.Binding{Source: name, Exchange: next, RoutingKey: skipped + "0.#"},
			broker.Binding{Source: name, Queue: name, RoutingKey: skipped + "1.#"})
		next = name
	}
	return t
}

const (
	quorumQueue  = "quorum"
	classicQueue = "classic"
)

// delayKey is the routing key of a message that shall come back in so many steps by the way of that name.
func delayKey(steps int64, way string) string {
	key := make([]byte, 0, delayDigits+len(way))
	steps = max(0, min(steps, delayMost))
	for level := delayLevels - 1; level >= 0; level-- {
		key = append(key, '0'+byte(steps>>level&1), '.')
	}
	return string(append(key, way...))
}

// delayEntry is the exchange to publish a delayed message to: that of its first 1. Celery enters at the top always, and has
// RabbitMQ match the key anew at each level above; the queues that a message passes are the same.
func delayEntry(steps int64) string {
	return delayName(max(0, bits.Len64(uint64(max(0, min(steps, delayMost))))-1))
}

// parseDelayKey takes a delayed message's routing key apart: the delay in steps, and the way back.
func parseDelayKey(key string) (steps int64, way string, ok bool) {
	if len(key) < delayDigits {
		return 0, "", false
	}
	for i := 0; i < delayDigits; i += 2 {
		if key[i] != '0' && key[i] != '1' || key[i+1] != '.' {
			return 0, "", false
		}
		steps = steps<<1 | int64(key[i]-'0')
	}
	return steps, key[delayDigits:], true
}

// Ways back of our own. Celery binds "#.KEY", so that a message for "a.b" also reaches whatever is bound with "b". Ours
// are one word (a name's dots are escaped, so that no name is the end of another's key) that begins as no queue's does.
const (
	queueWay    = "umbel~"
	exchangeWay = "umbel-exchange~"
	hashWay     = "umbel-hash~" // of a name that is too long to be spelt out in a routing key
)

var (
	escapeName   = strings.NewReplacer("%", "%25", ".", "%2E")
	unescapeName = strings.NewReplacer("%25", "%", "%2E", ".")
)

// ownWay is the way back to a queue or an exchange.
func ownWay(prefix, name string) string {
	way := prefix + escapeName.Replace(name)
	if delayDigits+len(way) <= shortString {
		return way
	}
	sum := sha256.Sum256([]byte(prefix + name))
	return hashWay + hex.EncodeToString(sum[:])
}

// wayQueue is the queue that a way leads to; "" when it does not say, or leads to an exchange.
func wayQueue(way string) string {
	name, ok := strings.CutPrefix(way, queueWay)
	if !ok {
		return ""
	}
	return unescapeName.Replace(name)
}

// delayBinding is the pattern that lets messages with this key, or way, through behind their delay.
func delayBinding(key string) string {
	if strings.HasPrefix(key, "#") {
		return key
	}
	return "#." + key
}

// withoutDeaths returns the headers without what RabbitMQ wrote into them on an earlier journey. It drops a message as a
// cycle when it expires into a queue that its x-death header names already, and a second delay passes the same levels.
func withoutDeaths(h protocol.Table) protocol.Table {
	out := h
	for name := range h {
		if !isJourney(name) {
			continue
		}
		if len(out) == len(h) {
			out = maps.Clone(h)
		}
		delete(out, name)
	}
	return out
}

func isJourney(name string) bool {
	switch name {
	case "x-death", "x-delivery-count", "x-acquired-count":
		return true
	}
	return strings.HasPrefix(name, "x-first-death-") || strings.HasPrefix(name, "x-last-death-")
}

// arrived tidies a delivery that comes from its delay: the levels it passed are nobody's business and are taken out of
// its headers, and where the way says so its address is again the one it was sent to.
func arrived(d *broker.Delivery) {
	_, way, ok := parseDelayKey(d.RoutingKey)
	if !ok {
		return
	}
	d.Headers = withoutDelays(d.Headers)
	switch {
	case strings.HasPrefix(way, queueWay), strings.HasPrefix(way, hashWay):
		d.Exchange, d.RoutingKey = "", d.Queue
	case strings.HasPrefix(way, exchangeWay):
		d.Exchange, d.RoutingKey = unescapeName.Replace(way[len(exchangeWay):]), ""
	}
}

// withoutDelays takes the levels out of x-death. A message that also died elsewhere keeps that.
func withoutDelays(h protocol.Table) protocol.Table {
	deaths, _ := h["x-death"].([]any)
	kept := deaths[:0:0]
	for _, v := range deaths {
		if t, ok := v.(protocol.Table); ok {
			if queue, _ := t["queue"].(string); strings.HasPrefix(queue, delayPrefix) {
				continue
			}
		}
		kept = append(kept, v)
	}
	if len(kept) == len(deaths) {
		return h
	}
	count, counted := h["x-delivery-count"]
	h = withoutDeaths(h)
	if counted {
		h["x-delivery-count"] = count
	}
	if len(kept) > 0 {
		h["x-death"] = kept
	}
	return h
}
