package amqp

// Delays: how messages enter the layout of internal/delayed, and come back out of it.

import (
	"maps"
	"math/bits"
	"strings"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/delayed"
	"github.com/umbel-go/umbel/protocol"
)

const (
	delayStep = time.Second
	delayMost = 1<<delayed.Levels - 1 // steps, 8.5 years: what is due later comes then, and whoever takes it delays it again
)

const (
	quorumQueue  = "quorum"
	classicQueue = "classic"
)

// delayKey is the routing key of a message that shall come back in so many steps by the way of that name.
func delayKey(steps int64, way string) string {
	key := make([]byte, 0, delayed.Digits+len(way))
	steps = max(0, min(steps, delayMost))
	for level := delayed.Levels - 1; level >= 0; level-- {
		key = append(key, '0'+byte(steps>>level&1), '.')
	}
	return string(append(key, way...))
}

// delayEntry is the exchange to publish a delayed message to: that of its first 1. Celery enters at the top always, and has
// RabbitMQ match the key anew at each level above; the queues that a message passes are the same.
func delayEntry(steps int64) string {
	return delayed.Name(max(0, bits.Len64(uint64(max(0, min(steps, delayMost))))-1))
}

// parseDelayKey takes a delayed message's routing key apart: the delay in steps, and the way back.
func parseDelayKey(key string) (steps int64, way string, ok bool) {
	if len(key) < delayed.Digits {
		return 0, "", false
	}
	for i := 0; i < delayed.Digits; i += 2 {
		if key[i] != '0' && key[i] != '1' || key[i+1] != '.' {
			return 0, "", false
		}
		steps = steps<<1 | int64(key[i]-'0')
	}
	return steps, key[delayed.Digits:], true
}

// wayQueue is the queue that a way leads to; "" when it does not say, or leads to an exchange.
func wayQueue(way string) string {
	name, ok := strings.CutPrefix(way, delayed.QueueWay)
	if !ok {
		return ""
	}
	return delayed.Unescape(name)
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
	case strings.HasPrefix(way, delayed.QueueWay), strings.HasPrefix(way, delayed.HashWay):
		d.Exchange, d.RoutingKey = "", d.Queue
	case strings.HasPrefix(way, delayed.ExchangeWay):
		d.Exchange, d.RoutingKey = delayed.Unescape(way[len(delayed.ExchangeWay):]), ""
	}
}

// withoutDelays takes the levels out of x-death. A message that also died elsewhere keeps that.
func withoutDelays(h protocol.Table) protocol.Table {
	deaths, _ := h["x-death"].([]any)
	kept := deaths[:0:0]
	for _, v := range deaths {
		if t, ok := v.(protocol.Table); ok {
			if queue, _ := t["queue"].(string); strings.HasPrefix(queue, delayed.Prefix) {
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
