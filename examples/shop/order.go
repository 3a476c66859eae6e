package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/orders"
	"github.com/umbel-go/umbel/examples/shop/store"
)

// process sends process_order for orders, in one batch. An order whose message did not leave stays placed; sending again
// is harmless.
func (s *shop) process(ctx context.Context, ids []int64) ([]*umbel.Result[orders.Receipt], error) {
	inputs := make([]orders.Order, len(ids))
	for i, id := range ids {
		inputs[i] = orders.Order{ID: id}
	}
	return s.orders.Process.SendMany(ctx, inputs)
}

func orderCommand(ctx context.Context, args []string, out io.Writer) (err error) {
	f := flag.NewFlagSet("shop order", flag.ContinueOnError)
	n := f.Int("n", 1, "how many orders to place")
	wait := f.Duration("wait", time.Minute, "how long to wait for the receipts; 0 does not")
	if err := parse(f, args); err != nil {
		return err
	}
	s := newShop(dataFolder())
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.stock(ctx); err != nil {
		return err
	}
	ids, err := s.place(ctx, *n)
	if err != nil {
		return err
	}
	results, err := s.process(ctx, ids)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d orders sent\n", len(results))
	if *wait <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, *wait)
	defer cancel()
	for _, r := range results {
		receipt, err := r.Get(ctx)
		if err != nil {
			return fmt.Errorf("%w (is a worker running? shop worker)", err)
		}
		if receipt.State == store.SoldOut {
			fmt.Fprintf(out, "order %d: sold out\n", receipt.OrderID)
		} else {
			fmt.Fprintf(out, "order %d: %s paid, %s\n", receipt.OrderID, receipt.Total, receipt.Payment)
		}
	}
	return nil
}
