package payment

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/umbel-go/umbel/examples/shop/store"
)

// A ledger in memory.
type ledger map[int64]string

func (l ledger) Charge(_ context.Context, order int64, _ store.Cents, reference string) (string, error) {
	if l[order] == "" {
		l[order] = reference
	}
	return l[order], nil
}

func TestALostAnswerHasMovedTheMoneyAndAskingAgainIsSafe(t *testing.T) {
	l := ledger{}
	b := &Bank{Ledger: l, Moody: 10}
	order := store.Order{ID: 20, Total: 100}
	if _, err := b.Charge(t.Context(), order); !errors.Is(err, ErrTimeout) {
		t.Fatalf("got %v, want ErrTimeout", err)
	}
	first := l[20]
	reference, err := b.Charge(t.Context(), order)
	if err != nil || reference != first || first == "" {
		t.Errorf("got %q, %v, want %q", reference, err, first)
	}
	if _, err := b.Charge(t.Context(), store.Order{ID: 21}); err != nil {
		t.Errorf("an order that the bank is not moody about: %v", err)
	}
}

func TestASlowBankIsNotWaitedForWhenTheTaskMustStop(t *testing.T) {
	b := &Bank{Ledger: ledger{}, Latency: time.Hour}
	why := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := b.Charge(ctx, store.Order{ID: 1}); !errors.Is(err, why) {
		t.Errorf("got %v, want the reason of the stop", err)
	}
}
