package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
)

func (p *program) pauseCommand() *cobra.Command {
	f := &fleetFlags{}
	cmd := &cobra.Command{
		Use:   "pause QUEUE",
		Short: "make every worker leave a queue alone",
		Long: `Make every worker consume a queue no more, until it is resumed. Messages wait in
it; what workers hold of it still runs. Umbel's workers that start meanwhile leave
it alone as well, where the result store keeps records. Celery's know nothing of
pauses: those that run leave the queue, those that start consume it.`,
		Example: "  umbel queues pause reports\n  umbel queues resume reports",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.pause(cmd.Context(), f, args[0], "paused", (*umbel.Control).PauseQueue)
		},
	}
	cmd.Flags().Float64VarP(&f.timeout, "timeout", "t", 1, "wait `SECONDS` for the next worker's reply")
	return cmd
}

func (p *program) resumeCommand() *cobra.Command {
	f := &fleetFlags{}
	cmd := &cobra.Command{
		Use:   "resume QUEUE",
		Short: "let workers consume a paused queue again",
		Long: `Make those workers consume a queue again that did before it was paused, and those
of Umbel's that have started since.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.pause(cmd.Context(), f, args[0], "resumed", (*umbel.Control).ResumeQueue)
		},
	}
	cmd.Flags().Float64VarP(&f.timeout, "timeout", "t", 1, "wait `SECONDS` for the next worker's reply")
	return cmd
}

func (p *program) pause(ctx context.Context, f *fleetFlags, queue, done string, do func(*umbel.Control, context.Context, string) (umbel.Pause, error)) error {
	if _, err := p.connect(ctx); err != nil {
		return err
	}
	c, err := f.control(p.app)
	if err != nil {
		return err
	}
	what, err := do(c, ctx, queue)
	if len(what.Nodes) > 0 || what.Recorded {
		nodes := "no worker consumed it"
		if len(what.Nodes) > 0 {
			nodes = strings.Join(what.Nodes, ", ")
		}
		fmt.Fprintf(p.Out, "%s %s: %s\n", done, queue, nodes)
	}
	if err != nil {
		return unavailable(err)
	}
	if !what.Recorded {
		fmt.Fprintln(p.Err, "the result store keeps no records: workers that start later know nothing of it")
	}
	return nil
}
