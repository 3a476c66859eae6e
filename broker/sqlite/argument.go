package sqlite

import (
	"fmt"
	"maps"
	"slices"

	"github.com/umbel-go/umbel/internal/envelope"
	"github.com/umbel-go/umbel/protocol"
)

// limitsOf reads the arguments of a queue that mean something here. Those that would change what happens to messages and
// are not built are refused, others are kept and ignored, as RabbitMQ does.
func limitsOf(arguments protocol.Table) (limits, error) {
	l := limits{ttl: -1, maxLength: -1, deliveryLimit: -1, overflow: "drop-head"}
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		v := arguments[name]
		var err error
		switch name {
		case "x-max-priority":
			l.maxPriority, err = whole(v, 1, 255)
		case "x-message-ttl":
			l.ttl, err = whole(v, 0, maxMillis)
		case "x-expires":
			l.lapse, err = whole(v, 1, maxMillis)
		case "x-max-length":
			l.maxLength, err = whole(v, 0, 1<<40)
		case "x-delivery-limit":
			l.deliveryLimit, err = whole(v, -1, 1<<31)
		case "x-dead-letter-exchange":
			l.deadExchange, err = word(v)
			l.deadLetters = true
		case "x-dead-letter-routing-key":
			l.deadKey, err = word(v)
			l.deadKeySet = true
		case "x-overflow":
			if l.overflow, err = word(v); err == nil && !slices.Contains([]string{"drop-head", "reject-publish", "reject-publish-dlx"}, l.overflow) {
				err = fmt.Errorf("is %q: use drop-head, reject-publish or reject-publish-dlx", l.overflow)
			}
		case "x-max-length-bytes", "x-single-active-consumer":
			err = fmt.Errorf("is not supported by the embedded broker: leave it out, or use RabbitMQ")
		}
		if err != nil {
			return l, fmt.Errorf("argument %s %w", name, err)
		}
	}
	if l.deadKeySet && !l.deadLetters {
		return l, fmt.Errorf("argument x-dead-letter-routing-key needs x-dead-letter-exchange")
	}
	return l, nil
}

// maxMillis bounds durations in arguments: a hundred years.
const maxMillis = 100 * 366 * 24 * 3600 * 1000

func whole(v any, low, high int64) (int64, error) {
	n, ok := toInt(v)
	if !ok {
		return 0, fmt.Errorf("is a %T: want a whole number", v)
	}
	if n < low || n > high {
		return 0, fmt.Errorf("is %d: want %d to %d", n, low, high)
	}
	return n, nil
}

func toInt(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int32:
		return int64(v), true
	case int:
		return int64(v), true
	case int16:
		return int64(v), true
	case int8:
		return int64(v), true
	case uint8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case uint32:
		return int64(v), true
	}
	return 0, false
}

func word(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("is a %T: want text", v)
	}
	return s, nil
}

// differ names the first argument in which two tables differ, or "". Whole numbers are equal whatever their width, as
// they are to RabbitMQ.
func differ(have, want protocol.Table) string {
	names := slices.Sorted(maps.Keys(have))
	for n := range want {
		if _, ok := have[n]; !ok {
			names = append(names, n)
		}
	}
	for _, n := range names {
		h, inHave := have[n]
		w, inWant := want[n]
		switch {
		case !inWant:
			return fmt.Sprintf("argument %s is %v, declared without it", n, h)
		case !inHave:
			return fmt.Sprintf("argument %s is not set, declared as %v", n, w)
		case !same(h, w):
			return fmt.Sprintf("argument %s is %v, declared as %v", n, h, w)
		}
	}
	return ""
}

func same(a, b any) bool {
	if x, ok := toInt(a); ok {
		y, ok := toInt(b)
		return ok && x == y
	}
	return envelope.Same(a, b)
}
