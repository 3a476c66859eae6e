package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/umbel-go/umbel/examples/shop/orders"
	"github.com/umbel-go/umbel/examples/shop/reports"
	"github.com/umbel-go/umbel/examples/shop/store"
)

// An outcome is what the tasks of a demo have returned.
type outcome struct {
	paid, soldOut int
	retried       int // runs of process_order that the bank did not answer
	report        reports.Summary
	cleaned       reports.Cleaned
	took          time.Duration
}

func (o *outcome) add(r orders.Receipt) {
	switch r.State {
	case store.Paid:
		o.paid++
	case store.SoldOut:
		o.soldOut++
	}
}

// tell prints the outcome.
func (d *demo) tell(ctx context.Context, o *outcome) error {
	totals, err := d.store.Totals(ctx, d.before)
	if err != nil {
		return err
	}
	mails, err := os.ReadDir(d.mailer.Place())
	if err != nil {
		return err
	}
	path := filepath.Join(d.files.Place(), o.report.File)
	s := d.screen
	s.print("\n  %s %d orders in %.1f s: %d paid, %s in all, %d sold out", s.colour(32, "✓"), o.paid+o.soldOut, o.took.Seconds(), o.paid, totals.Taken, o.soldOut)
	s.print("  %s %d times the bank did not answer: tried again, charged once", s.colour(32, "✓"), o.retried)
	s.print("  %s %d mails in %s", s.colour(32, "✓"), len(mails), d.mailer.Place())
	s.print("  %s %d expired reports cleared away", s.colour(32, "✓"), o.cleaned.Reports)
	s.print("  %s report of %s orders: %s", s.colour(32, "✓"), thousands(o.report.Rows), path)
	s.print("    %s", s.colour(2, fmt.Sprintf("%s bytes, sha256 %.16s…", thousands(int(o.report.Bytes)), o.report.SHA256)))
	lines, err := firstLines(path, 4)
	if err != nil {
		return err
	}
	for _, l := range lines {
		s.print("    %s", s.colour(2, l))
	}
	s.print("")
	return nil
}

// firstLines reads the beginning of a text file.
func firstLines(path string, n int) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []string
	for s := bufio.NewScanner(f); len(lines) < n && s.Scan(); {
		lines = append(lines, s.Text())
	}
	return lines, nil
}
