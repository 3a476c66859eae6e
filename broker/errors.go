package broker

import (
	"errors"
	"fmt"
	"time"
)

// What became of a message that was not confirmed. Every error of Publish is exactly one of these three.
var (
	// ErrNotSent: nothing left this process. It is safe to send again.
	ErrNotSent = errors.New("message not sent")

	// ErrUnconfirmed: it was sent, and the confirm never came. It may have arrived; only the caller can decide.
	ErrUnconfirmed = errors.New("message sent but not confirmed: it may have arrived")

	// *RefusedError: the broker said no.
)

// Other errors callers branch on.
var (
	ErrNoQueue = errors.New("no such queue")
	ErrClosed  = errors.New("broker is closed")
	ErrStale   = errors.New("delivery belongs to a connection that is gone: the broker will hand it out again")
	ErrSettled = errors.New("delivery is settled already")
)

// Reason is why a broker refused a message.
type Reason string

const (
	Unroutable   Reason = "unroutable"    // returned: no queue is bound for this exchange and routing key
	Nacked       Reason = "nacked"        // basic.nack: the queue is full (overflow reject-publish) or its node failed
	TooLarge     Reason = "too large"     // larger than the broker takes
	Blocked      Reason = "blocked"       // the broker has raised a memory or disk alarm
	NoPermission Reason = "no permission" // 403
	NoExchange   Reason = "no exchange"   // 404
	Full         Reason = "full"          // the disk of an embedded broker is full, or its file is read-only
)

// A RefusedError says that the broker refused a message, and why. Sending it again unchanged will not help until what
// Reason names is mended.
type RefusedError struct {
	Reason     Reason
	Exchange   string
	RoutingKey string
	Detail     string // the broker's own words
	Hint       string // what to do
}

// Passing reports whether the reason passes by itself: an alarm, a full queue or disk, a queue whose node is going. The same
// message may then be taken later.
func (e *RefusedError) Passing() bool {
	return e.Reason == Blocked || e.Reason == Nacked || e.Reason == Full
}

func (e *RefusedError) Error() string {
	s := fmt.Sprintf("broker refused message to exchange %q with routing key %q: %s", e.Exchange, e.RoutingKey, e.Reason)
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// A DriftError says that a queue or exchange exists with other arguments than those declared.
type DriftError struct {
	Kind   string // "queue" or "exchange"
	Name   string
	Detail string // the broker's words, which name the argument
}

func (e *DriftError) Error() string {
	return fmt.Sprintf("%s %q exists with other arguments than declared (%s): change the setting to what exists, or delete or rename the %s",
		e.Kind, e.Name, e.Detail, e.Kind)
}

// An AckTimeoutError is why a consumer was lost whose delivery stayed unsettled for longer than the broker allows.
type AckTimeoutError struct {
	Limit time.Duration // what the broker allows; 0 where it does not say
	Err   error         // the broker's words
}

func (e *AckTimeoutError) Error() string { return e.Err.Error() }
func (e *AckTimeoutError) Unwrap() error { return e.Err }

// An OpenError says that no broker of the list could be reached, and for each URL why.
type OpenError struct {
	URL  string // masked
	Op   string // what was attempted: "resolve", "dial", "tls handshake", "authenticate", "open vhost", "open file" …
	Err  error
	Hint string // what to do

	// Refused says that the broker was reached and does not know this user and password, or did not say why it hung up on
	// them.
	Refused bool
}

func (e *OpenError) Error() string {
	s := fmt.Sprintf("broker %s: %s: %v", e.URL, e.Op, e.Err)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

func (e *OpenError) Unwrap() error { return e.Err }
