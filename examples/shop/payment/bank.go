// Package payment takes customers' money, from a bank that only exists here: it is as slow and as moody as real ones.
package payment

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/umbel-go/umbel/examples/shop/store"
)

// ErrTimeout says that the bank did not answer. The money may have moved or not; asking again is safe.
var ErrTimeout = errors.New("the bank does not answer")

// A Bank charges customers. Its zero value answers at once, and always.
type Bank struct {
	Ledger  Ledger
	Latency time.Duration // of an answer
	Moody   int           // every how many orders the first request is not answered; 0 is never

	mu    sync.Mutex // guards tried
	tried map[int64]bool
}

// A Ledger is where the bank writes charges, one for each order: a second one returns the reference of the first.
type Ledger interface {
	Charge(ctx context.Context, order int64, amount store.Cents, reference string) (string, error)
}

// Charge takes an order's total and returns the bank's reference. Charging an order again takes nothing more.
func (b *Bank) Charge(ctx context.Context, o store.Order) (string, error) {
	answer := time.NewTimer(b.Latency)
	defer answer.Stop()
	select {
	case <-answer.C:
	case <-ctx.Done():
		return "", fmt.Errorf("charge order %d: %w", o.ID, context.Cause(ctx))
	}
	reference, err := b.Ledger.Charge(ctx, o.ID, o.Total, fmt.Sprintf("PAY-%08d", o.ID))
	if err != nil {
		return "", err
	}
	if b.loses(o.ID) { // as with real banks: the money has moved, the answer is lost
		return "", fmt.Errorf("charge order %d: %w", o.ID, ErrTimeout)
	}
	return reference, nil
}

// loses reports whether the answer to this request is lost: each order's first at most.
func (b *Bank) loses(order int64) bool {
	if b.Moody <= 0 || order%int64(b.Moody) != 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tried == nil {
		b.tried = make(map[int64]bool)
	}
	first := !b.tried[order]
	b.tried[order] = first // an order is asked for twice: then it need not be remembered
	if !first {
		delete(b.tried, order)
	}
	return first
}
