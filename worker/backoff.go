package worker

import (
	"context"
	"errors"
	"math/rand/v2"
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

// retriable reports whether a first connection may succeed later: not where the settings are at fault.
func retriable(err error) bool {
	var open *broker.OpenError
	if !errors.As(err, &open) {
		return false
	}
	switch open.Op {
	case "resolve", "dial", "connect", "handshake", "ping":
		return !errors.Is(err, context.Canceled)
	}
	return false
}
