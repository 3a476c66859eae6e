package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/umbel-go/umbel/cli"
	"github.com/umbel-go/umbel/examples/shop/store"
)

// catalogue is what the shop sells. There are not enough bulbs of celeriac, ever.
var catalogue = []store.Article{
	{SKU: "celery-golden", Name: "Celery, golden self-blanching", Price: 349, OnHand: 100_000},
	{SKU: "celery-red", Name: "Celery, Chinese red", Price: 399, OnHand: 100_000},
	{SKU: "lovage", Name: "Lovage", Price: 425, OnHand: 100_000},
	{SKU: "celeriac", Name: "Celeriac, prize bulbs", Price: 1290, OnHand: 20},
	{SKU: "parsley-root", Name: "Parsley, root", Price: 299, OnHand: 100_000},
	{SKU: "fennel", Name: "Fennel, Florence", Price: 375, OnHand: 100_000},
	{SKU: "dill", Name: "Dill, mammoth", Price: 249, OnHand: 100_000},
}

var customers = []string{"ada", "grace", "edsger", "barbara", "donald", "frances", "tony", "margaret", "dennis", "radia", "ken", "adele"}

// anOrder is the n-th order of a shop: the same for every run, so that figures can be compared.
func anOrder(n int, placed time.Time) store.Order {
	article := catalogue[n%len(catalogue)]
	quantity := 1 + n/len(catalogue)%3
	return store.Order{
		Customer: customers[n%len(customers)] + "@example.com",
		SKU:      article.SKU,
		Quantity: quantity,
		Total:    article.Price * store.Cents(quantity),
		State:    store.Placed,
		Placed:   placed,
	}
}

// stock fills the shelves, once.
func (s *shop) stock(ctx context.Context) error {
	there, err := s.store.Articles(ctx)
	if err != nil || len(there) > 0 {
		return err
	}
	return s.store.Stock(ctx, catalogue)
}

// importPast writes n paid orders into the books, spread over the last thirty days.
func (s *shop) importPast(ctx context.Context, n int) error {
	past := make([]store.Order, n)
	begin := time.Now().Add(-30 * 24 * time.Hour)
	step := 30 * 24 * time.Hour / time.Duration(max(n, 1))
	for i := range past {
		past[i] = anOrder(i, begin.Add(time.Duration(i)*step))
		past[i].State, past[i].Payment, past[i].Confirmed = store.Paid, fmt.Sprintf("OLD-%08d", i), true
	}
	return s.store.ImportOrders(ctx, past)
}

// importExpired adds n reports that expired an hour ago, with their files.
func (s *shop) importExpired(ctx context.Context, n int) error {
	for range n {
		id, err := s.store.NextReport(ctx)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("order,total\n%d,0.00\n", id)
		made := time.Now().Add(-8 * 24 * time.Hour)
		r := store.Report{ID: id, Requested: made, Since: made.AddDate(0, -1, 0), Until: made, File: fmt.Sprintf("report-%d.csv", id), Rows: 1,
			Bytes: int64(len(text)), SHA256: store.Hash([]byte(text)), Made: made, Expires: time.Now().Add(-time.Hour)}
		if _, err := s.store.BeginReport(ctx, r); err != nil {
			return err
		}
		err = s.files.Put(ctx, r.File, func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
		if err != nil {
			return err
		}
		if _, err := s.store.FinishReport(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// place adds n orders of today, which nobody has processed.
func (s *shop) place(ctx context.Context, n int) ([]int64, error) {
	batch := make([]store.Order, n)
	for i := range batch {
		batch[i] = anOrder(i, time.Now())
	}
	return s.store.PlaceOrders(ctx, batch)
}

func (s *shop) seedCommand() cli.Command {
	var past, placed, expired int
	return cli.Command{
		Name: "seed", Summary: "fill the shelves, and the books with past orders",
		Flags: func(f *flag.FlagSet) {
			f.IntVar(&past, "past", 10_000, "`N` orders of the last thirty days, paid")
			f.IntVar(&placed, "placed", 0, "`N` orders that wait to be processed, by whoever sends process_order with their ids")
			f.IntVar(&expired, "expired", 0, "`N` expired reports, for cleanup_expired_reports")
		},
		Run: func(ctx context.Context, _ []string, std cli.Std) error {
			if err := s.settle(std); err != nil {
				return err
			}
			defer s.close()
			if err := s.stock(ctx); err != nil {
				return err
			}
			if err := s.importPast(ctx, past); err != nil {
				return err
			}
			if err := s.importExpired(ctx, expired); err != nil {
				return err
			}
			ids, err := s.place(ctx, placed)
			if err != nil {
				return err
			}
			fmt.Fprintf(std.Out, "%d articles, %d past orders, %d expired reports in %s\n", len(catalogue), past, expired, s.store.Place())
			if len(ids) > 0 {
				fmt.Fprintf(std.Out, "orders %d to %d wait\n", ids[0], ids[len(ids)-1])
			}
			return nil
		},
	}
}
