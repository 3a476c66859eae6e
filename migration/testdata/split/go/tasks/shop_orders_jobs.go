package tasks

import (
	"context"
	"time"

	"github.com/umbel-go/umbel"
)

// ChargeInput are the arguments of shop.orders.jobs.charge.
type ChargeInput struct {
	OrderID  int64   `json:"order_id"`
	Amount   float64 `json:"amount"`
	Currency *string `json:"currency,omitempty"` // Python's default: 'EUR'
	Note     *string `json:"note,omitempty"`     // Python's default: None
}

// Charge comes from Python: testdata/split/python/shop/orders/jobs.py:6. Its queue is orders.
var Charge = umbel.Register(App, "shop.orders.jobs.charge", charge,
	umbel.Summary("Charge an order once."),
	umbel.AcksLate(),
	umbel.Retry{Max: umbel.NoLimit, Delay: time.Minute, OnFunc: ByHand},
)

func charge(ctx context.Context, in ChargeInput) (bool, error) {
	var out bool
	return out, NotWritten("shop.orders.jobs.charge")
}

// ChargeMany comes from Python: testdata/split/python/shop/orders/jobs.py:17. Its queue is orders.
//
// TODO: it takes *order_ids, **kw: say in Go which arguments there are: it takes umbel.Args, where a last umbel.Kwargs has the keywords.
var ChargeMany = umbel.Register(App, "shop.orders.jobs.charge_many", chargeMany)

func chargeMany(ctx context.Context, in umbel.Args) (any, error) {
	var out any
	return out, NotWritten("shop.orders.jobs.charge_many")
}

// Sweep comes from Python: testdata/split/python/shop/orders/jobs.py:12. Its queue is orders.
//
// TODO: option options={'x': 1} of its decorator: no option of Go says it: write it by hand, or leave it.
var Sweep = umbel.Register(App, "shop.orders.jobs.sweep", sweep,
	umbel.IgnoreResult(),
)

func sweep(ctx context.Context, _ struct{}) (any, error) {
	var out any
	return out, NotWritten("shop.orders.jobs.sweep")
}
