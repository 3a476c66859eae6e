package amqp

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
)

// RabbitMQ (3.8.15 and newer) closes a channel whose delivery stayed unacknowledged for longer than consumer_timeout:
//
//	406 PRECONDITION_FAILED - delivery acknowledgement on channel 3 timed out. Timeout value used: 1800000 ms. This …
var timeoutUsed = regexp.MustCompile(`[Tt]imeout value used: (\d+) ms`)

// ackTimeout tells that one among the reasons for which a channel was closed.
func ackTimeout(why error) error {
	e := said(why)
	if e == nil || e.Code != amqp091.PreconditionFailed || !strings.Contains(e.Reason, "acknowledgement") ||
		!strings.Contains(e.Reason, "timed out") {
		return why
	}
	out := &broker.AckTimeoutError{Err: why}
	if m := timeoutUsed.FindStringSubmatch(e.Reason); m != nil {
		if ms, err := strconv.ParseInt(m[1], 10, 53); err == nil {
			out.Limit = time.Duration(ms) * time.Millisecond
		}
	}
	return out
}
