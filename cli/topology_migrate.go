package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/management"
	"github.com/umbel-go/umbel/topology"
)

func (p *program) topologyMigrateCommand() *cobra.Command {
	f := &topologyFlags{}
	var o topology.MoveOptions
	force := false
	cmd := &cobra.Command{
		Use:   "migrate QUEUE",
		Short: "move a queue whose arguments must change",
		Long: `Move a queue whose arguments must change, such as from classic to quorum, to what
the settings say of it: its messages wait in QUEUE.umbel-moving while it is made
anew. Each is confirmed there before it is acked here, so that a run that is
killed loses none and leaves at most one batch twice; the next run goes on where
it ended. Stop its workers and its senders first, and say so: RabbitMQ confirms
and drops what is sent to a queue at the moment it is deleted.

With --to the new queue has another name, and the old one stays: senders go on.
Give the settings the new name everywhere, and run it again until nothing comes
any more, then with --delete and --senders-stopped. A message that comes by a
named exchange while its binding moves may be in both queues.

The user of the broker URL needs the permission for all of it, and the tag
management.`,
		Example: `  umbel topology migrate orders --dry-run
  umbel topology migrate orders --senders-stopped
  umbel topology migrate orders --to orders-quorum`,
		Args: oneArg("QUEUE"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.topologyMigrate(cmd, f, o, args[0], force) },
	}
	fl := cmd.Flags()
	fl.StringVar(&o.To, "to", "", "move to the queue of this `NAME`")
	fl.BoolVar(&o.Delete, "delete", false, "with --to: delete the old queue if it is empty and nobody consumes it")
	fl.BoolVar(&o.Quiet, "senders-stopped", false, "nobody sends to QUEUE: it is moved under its own name, or deleted, only then")
	fl.BoolVar(&o.DryRun, "dry-run", false, "tell the steps, and do nothing")
	fl.BoolVarP(&force, "force", "f", false, "do not ask")
	fl.StringVar(&f.address, "broker-api", "", "management API at this `URL` (else at the broker's host)")
	fl.BoolVarP(&f.json, "json", "j", false, "print JSON")
	return cmd
}

func (p *program) topologyMigrate(cmd *cobra.Command, f *topologyFlags, o topology.MoveOptions, queue string, force bool) error {
	if f.json && !force && !o.DryRun {
		return misuse(cmd, "--json asks nothing: give --force, or --dry-run")
	}
	if !o.DryRun && !o.Quiet && (o.To == "" || o.Delete) {
		return failed("queue %q: %w", queue, topology.ErrSenders)
	}
	plan, m, err := f.live(p, cmd)
	if err != nil {
		return err
	}
	b, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	tell := func(s topology.Step, what string) error {
		if !f.json {
			fmt.Fprintf(p.Out, "%-8s  %s\n", s, what)
		}
		return nil
	}
	if !o.DryRun && !force {
		dry := o
		dry.DryRun, dry.Step = true, func(s topology.Step, what string) error {
			fmt.Fprintf(p.Err, "%-8s  %s\n", s, what)
			return nil
		}
		if _, err := plan.Move(ctx, b, m, queue, dry); err != nil {
			return moveFault(err)
		}
		if err := p.confirm(ctx, "\nDo all this?"); err != nil {
			return err
		}
	}
	o.Step = tell
	done, err := plan.Move(ctx, b, m, queue, o)
	if f.json {
		return errors.Join(p.printJSON(done), moveFault(err))
	}
	if err != nil {
		return moveFault(err)
	}
	if done.Done {
		fmt.Fprintf(p.Out, "%d messages moved\n", done.Refilled)
	}
	return nil
}

// moveFault tells what was refused from what was out of reach.
func moveFault(err error) error {
	var refused *management.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused), errors.Is(err, broker.ErrNotSent):
		return unavailable(err)
	}
	return failed("%w", err)
}
