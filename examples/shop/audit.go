package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/umbel-go/umbel/cli"
	"github.com/umbel-go/umbel/examples/shop/store"
)

func (s *shop) auditCommand() cli.Command {
	var object string
	var limit int
	var keep time.Duration
	return cli.Command{
		Name: "audit", Summary: "the audit trail: who did what, when, from where, and what came of it", Args: "[list|export|check|prune]",
		Help: `The audit trail holds everything that was done to orders, money, shelves, reports
and mails, each entry written in the transaction of the change it tells of.

  list     the newest entries (the default)
  export   all entries, oldest first, one line of JSON each
  check    replay the trail and compare it with the tables; code 1 if they differ
  prune    remove entries older than --keep, which the database allows after 90 days`,
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&object, "object", "", "list what was done to this `OBJECT`, such as order/7, report/3, mail/order-7-confirmation")
			f.IntVar(&limit, "n", 30, "list this `MANY` entries")
			f.DurationVar(&keep, "keep", 400*24*time.Hour, "prune what is older than this `DURATION`")
		},
		Run: func(ctx context.Context, args []string, std cli.Std) error {
			act := map[string]func() error{
				"list":   func() error { return s.listAudit(ctx, object, limit, std) },
				"export": func() error { return s.exportAudit(ctx, std) },
				"check":  func() error { return s.checkAudit(ctx, std) },
				"prune":  func() error { return s.pruneAudit(ctx, keep, std) },
			}[cmp.Or(strings.Join(args, " "), "list")]
			if act == nil {
				return &cli.UsageError{Err: fmt.Errorf("audit %s: want list, export, check or prune", strings.Join(args, " "))}
			}
			return errors.Join(act(), s.close())
		},
	}
}

func (s *shop) listAudit(ctx context.Context, object string, limit int, std cli.Std) error {
	entries, err := s.store.Audit(ctx, object, 0, limit)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SEQ\tAT\tACTION\tOBJECT\tOUTCOME\tWHO\tFROM")
	for _, e := range entries {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Seq, e.At.Format("2006-01-02 15:04:05.000"), e.Action, e.Object, e.Outcome, e.Who, e.From)
	}
	return w.Flush()
}

func (s *shop) exportAudit(ctx context.Context, std cli.Std) error {
	w := bufio.NewWriter(std.Out)
	enc := json.NewEncoder(w)
	n := 0
	for e, err := range s.store.Trail(ctx) {
		if err != nil {
			return err
		}
		if err := enc.Encode(e); err != nil {
			return err
		}
		n++
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return s.store.Note(ctx, store.AuditExported, "", fmt.Sprintf("%d entries", n))
}

func (s *shop) checkAudit(ctx context.Context, std cli.Std) error {
	faults, err := s.store.CheckAudit(ctx)
	if err != nil {
		return err
	}
	for _, f := range faults {
		fmt.Fprintln(std.Out, f)
	}
	if len(faults) > 0 {
		return fmt.Errorf("the audit trail and the tables differ in %d places", len(faults))
	}
	fmt.Fprintln(std.Out, "the audit trail equals the tables")
	return nil
}

func (s *shop) pruneAudit(ctx context.Context, keep time.Duration, std cli.Std) error {
	if keep < store.LeastRetention {
		return &cli.UsageError{Err: fmt.Errorf("--keep is %v: entries are kept for %v at least", keep, store.LeastRetention)}
	}
	n, err := s.store.PruneAudit(ctx, time.Now().Add(-keep))
	if err == nil {
		fmt.Fprintf(std.Out, "%d entries removed\n", n)
	}
	return err
}
