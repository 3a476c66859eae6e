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
	"github.com/umbel-go/umbel/examples/shop/reports"
	"github.com/umbel-go/umbel/protocol"
)

func (s *shop) reportCommand() cli.Command {
	var in reports.Report
	var wait time.Duration
	day := func(to **umbel.Date) func(string) error {
		return func(text string) error {
			*to = new(umbel.Date)
			return (*to).UnmarshalText([]byte(text))
		}
	}
	return cli.Command{
		Name: "sales-report", Summary: "have a report made, and watch it",
		Flags: func(f *flag.FlagSet) {
			f.Func("since", "first `DAY`, such as 2026-01-02", day(&in.Since))
			f.Func("until", "`DAY` after the last", day(&in.Until))
			f.StringVar(&in.Email, "email", "", "`ADDRESS` to tell when it is ready")
			f.DurationVar(&wait, "wait", 10*time.Minute, "`HOW LONG` to wait for it")
		},
		Run: func(ctx context.Context, _ []string, std cli.Std) error {
			if err := s.settle(std); err != nil {
				return err
			}
			return errors.Join(s.report(ctx, in, wait, std.Out), s.close())
		},
	}
}

// report has a report made, and tells of its progress.
func (s *shop) report(ctx context.Context, in reports.Report, wait time.Duration, out io.Writer) (err error) {
	if in.ID, err = s.store.NextReport(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
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
	fmt.Fprintf(out, "%s in %s: %d rows, %d bytes, sha256 %s\n", made.File, s.files.Place(), made.Rows, made.Bytes, made.SHA256)
	return nil
}
