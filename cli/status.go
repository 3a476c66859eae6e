package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) statusCommand() *cobra.Command {
	f := &fleetFlags{}
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "show which workers are online",
		Long:    "Show which workers answer, Celery's among them. The exit code is 69 when none does.",
		Example: "  umbel status\n  umbel status -t 3 -d high@web1,low@web1",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.status(cmd.Context(), f) },
	}
	f.add(cmd)
	return cmd
}

func (p *program) status(ctx context.Context, f *fleetFlags) error {
	replies, err := p.askFleet(ctx, f, "ping", nil, false)
	if err != nil {
		return err
	}
	if f.asJSON {
		text, err := repliesJSON(replies)
		if err != nil {
			return err
		}
		fmt.Fprintln(p.Out, text)
	}
	p.nodesOnline(len(replies)) // after JSON as well, as Celery's; -q leaves it out
	return nil
}
