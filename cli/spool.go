package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
)

func (p *program) spoolCommand() *cobra.Command {
	var asJSON, forward bool
	var timeout float64
	cmd := &cobra.Command{
		Use:   "spool",
		Short: "show what waits for the broker in this host's spool",
		Long: `Show how many messages wait in the spool (task_spool), where sends are kept while
the broker is away, and how many the broker has refused for good.

Whatever program uses the spool forwards it when the broker is back. --forward does
so here, and returns when it is empty.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.spool(cmd.Context(), asJSON, forward, time.Duration(timeout*float64(time.Second)))
		},
	}
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	cmd.Flags().BoolVar(&forward, "forward", false, "wait until everything has been forwarded")
	cmd.Flags().Float64VarP(&timeout, "timeout", "t", 60, "give up forwarding after `SECONDS`")
	return cmd
}

func (p *program) spool(ctx context.Context, asJSON, forward bool, timeout time.Duration) error {
	if err := p.prepare(); err != nil {
		return err
	}
	s, ok, err := p.app.Spool(ctx)
	if err != nil {
		return err
	}
	if !ok {
		return &fault{code: exitUsage, err: errors.New("task_spool names no file: there is no spool")}
	}
	if forward {
		if s, err = p.awaitForwarded(ctx, s, timeout); err != nil {
			return err
		}
	}
	if asJSON {
		raw, err := json.Marshal(map[string]any{"file": s.File, "waiting": s.Waiting, "refused": s.Refused})
		if err != nil {
			return err
		}
		fmt.Fprintln(p.Out, string(raw))
		return nil
	}
	fmt.Fprintf(p.Out, "%s: %d %s waiting for the broker, %d refused by it for good\n", s.File, s.Waiting, plural(s.Waiting, "message"), s.Refused)
	return nil
}

// awaitForwarded returns when nothing waits any more: this process forwards meanwhile, or the one that does already.
func (p *program) awaitForwarded(ctx context.Context, s umbel.SpoolState, timeout time.Duration) (umbel.SpoolState, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for s.Waiting > 0 {
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return s, &fault{code: exitUnavailable, err: fmt.Errorf("%d %s still in the spool after %v: the broker does not take them", s.Waiting,
				plural(s.Waiting, "message"), timeout)}
		}
		next, _, err := p.app.Spool(context.WithoutCancel(ctx))
		if err != nil {
			return s, err
		}
		s = next
	}
	return s, nil
}
