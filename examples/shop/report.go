package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/examples/shop/reports"
	"github.com/umbel-go/umbel/protocol"
)

func reportCommand(ctx context.Context, args []string, out io.Writer) (err error) {
	var in reports.Report
	f := flag.NewFlagSet("shop report", flag.ContinueOnError)
	day := func(to **umbel.Date) func(string) error {
		return func(text string) error {
			*to = new(umbel.Date)
			return (*to).UnmarshalText([]byte(text))
		}
	}
	f.Func("since", "first `DAY`, such as 2026-01-02", day(&in.Since))
	f.Func("until", "`DAY` after the last", day(&in.Until))
	f.StringVar(&in.Email, "email", "", "`ADDRESS` to tell when it is ready")
	wait := f.Duration("wait", 10*time.Minute, "how long to wait for it")
	if err := parse(f, args); err != nil {
		return err
	}
	s := newShop(dataFolder())
	defer func() { err = errors.Join(err, s.close()) }()
	if in.ID, err = s.store.NextReport(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *wait)
	defer cancel()
	result, err := s.reports.Generate.Send(ctx, in)
	if err != nil {
		return err
	}
	err = result.Watch(ctx, func(doc *protocol.Result) {
		var p reports.Progress
		if doc.Status == umbel.Progress && doc.Result.Decode(&p) == nil {
			fmt.Fprintf(out, "%d of %d rows\n", p.Done, p.Of)
		}
	})
	if err != nil {
		return fmt.Errorf("%w (is a worker running? shop worker -Q reports)", err)
	}
	made, err := result.Get(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d rows, %d bytes, sha256 %s\n", filepath.Join(s.reportFolder(), made.File), made.Rows, made.Bytes, made.SHA256)
	return nil
}
