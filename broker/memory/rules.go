package memory

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// rules are what a queue's arguments ask for. https://www.rabbitmq.com/docs/queues#optional-arguments
type rules struct {
	ttl           time.Duration // x-message-ttl; negative: none
	expires       time.Duration // x-expires; 0: never
	maxLength     int           // x-max-length; negative: none
	maxBytes      int           // x-max-length-bytes; negative: none
	deliveryLimit int           // x-delivery-limit; negative: none
	maxPriority   uint8         // x-max-priority
	refuse        bool          // x-overflow: reject-publish or reject-publish-dlx
	buryRefused   bool          // x-overflow: reject-publish-dlx
	singleActive  bool          // x-single-active-consumer

	deadLetters bool // x-dead-letter-exchange is given; "" is the default exchange
	exchange    string
	rekeyed     bool // x-dead-letter-routing-key is given
	key         string
}

// meaningless arguments say where or how RabbitMQ keeps a queue, which changes nothing here.
var meaningless = map[string]bool{
	"x-queue-type": true, "x-queue-mode": true, "x-queue-version": true, "x-queue-master-locator": true,
	"x-queue-leader-locator": true, "x-quorum-initial-group-size": true, "x-dead-letter-strategy": true,
	"x-max-in-memory-length": true, "x-max-in-memory-bytes": true, "x-ha-policy": true,
}

// readRules reads a queue's arguments. An argument that is neither honoured nor meaningless is refused, so that nobody
// relies on what does not happen. Names that do not begin with x- are the user's own.
func readRules(args protocol.Table) (rules, error) {
	r := rules{ttl: -1, maxLength: -1, maxBytes: -1, deliveryLimit: -1, maxPriority: 255}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if err := r.read(name, args[name]); err != nil {
			return r, err
		}
	}
	if r.rekeyed && !r.deadLetters {
		return r, fmt.Errorf("argument x-dead-letter-routing-key needs x-dead-letter-exchange beside it")
	}
	return r, nil
}

func (r *rules) read(name string, v any) error {
	number := func(least, most int64) (n int64, err error) {
		n, ok := wide(v).(int64)
		if !ok || n < least || n > most {
			return 0, fmt.Errorf("argument %s is %v (%T): it must be a whole number from %d to %d", name, v, v, least, most)
		}
		return n, nil
	}
	word := func(known ...string) (string, error) {
		s, ok := v.(string)
		switch {
		case !ok:
			return "", fmt.Errorf("argument %s is %v (%T): it must be a text", name, v, v)
		case len(known) > 0 && !slices.Contains(known, s):
			return "", fmt.Errorf("argument %s is %q: it must be one of %s", name, s, strings.Join(known, ", "))
		}
		return s, nil
	}
	var n int64
	var s string
	var err error
	switch name {
	case "x-message-ttl":
		n, err = number(0, math.MaxUint32)
		r.ttl = time.Duration(n) * time.Millisecond
	case "x-expires":
		n, err = number(1, math.MaxUint32)
		r.expires = time.Duration(n) * time.Millisecond
	case "x-max-length":
		n, err = number(0, math.MaxInt32)
		r.maxLength = int(n)
	case "x-max-length-bytes":
		n, err = number(0, math.MaxInt64)
		r.maxBytes = int(n)
	case "x-delivery-limit":
		n, err = number(0, math.MaxInt32)
		r.deliveryLimit = int(n)
	case "x-max-priority":
		n, err = number(1, 255)
		r.maxPriority = uint8(n)
	case "x-overflow":
		s, err = word("drop-head", "reject-publish", "reject-publish-dlx")
		r.refuse, r.buryRefused = s != "drop-head", s == "reject-publish-dlx"
	case "x-dead-letter-exchange":
		r.exchange, err = word()
		r.deadLetters = true
	case "x-dead-letter-routing-key":
		r.key, err = word()
		r.rekeyed = true
	case "x-single-active-consumer":
		var ok bool
		if r.singleActive, ok = v.(bool); !ok {
			err = fmt.Errorf("argument %s is %v (%T): it must be true or false", name, v, v)
		}
	default:
		if strings.HasPrefix(name, "x-") && !meaningless[name] {
			err = fmt.Errorf("argument %s means nothing to a broker in memory: remove it", name)
		}
	}
	return err
}
