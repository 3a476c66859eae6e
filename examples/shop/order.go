package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
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

func (s *shop) orderCommand() cli.Command {
	var n int
	var wait time.Duration
	return cli.Command{
		Name: "order", Summary: "place orders and have them processed",
		Flags: func(f *flag.FlagSet) {
			f.IntVar(&n, "n", 1, "`HOW MANY` orders to place")
			f.DurationVar(&wait, "wait", time.Minute, "`HOW LONG` to wait for the receipts; 0 does not")
		},
		Run: func(ctx context.Context, _ []string, std cli.Std) error {
			if err := s.settle(std); err != nil {
				return err
			}
			return errors.Join(s.order(ctx, n, wait, std.Out), s.close())
		},
	}
}

// order places n orders, sends them off, and waits for their receipts.
func (s *shop) order(ctx context.Context, n int, wait time.Duration, out io.Writer) error {
	if err := s.stock(ctx); err != nil {
		return err
	}
	ids, err := s.place(ctx, n)
	if err != nil {
		return err
	}
	results, err := s.process(ctx, ids)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d orders sent\n", len(results))
	if wait <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
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
