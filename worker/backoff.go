package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/umbel-go/umbel/broker"
)

// backoff is the wait before attempt n+1 (n from 1): full jitter below an exponential cap of 30 s, so that a fleet does
// not come back all at once.
func backoff(n int) time.Duration {
	limit := 30 * time.Second
	if n < 9 {
		limit = min(limit, 200*time.Millisecond<<n)
	}
	return rand.N(limit) + 10*time.Millisecond
}

// retriable reports whether a first connection may succeed later: not where settings or credentials are at fault.
func retriable(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var open *broker.OpenError
	if !errors.As(err, &open) {
		var n net.Error // of a result store
		return errors.As(err, &n)
	}
	for _, ours := range []string{"read ", "parse ", "authenticate", "open vhost", "open file"} {
		if strings.HasPrefix(open.Op, ours) {
			return false
		}
	}
	return true
}

// A StartError says that a worker could not reach what it needs to start.
type StartError struct {
	What string // "broker" or "result backend"
	Err  error
}

func (e *StartError) Error() string { return "worker: " + e.Err.Error() }
func (e *StartError) Unwrap() error { return e.Err }
