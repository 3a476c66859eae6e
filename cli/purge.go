package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/broker"
)

type purgeFlags struct {
	force, dry      bool
	queues, exclude []string
}

func (p *program) purgeCommand() *cobra.Command {
	f := &purgeFlags{}
	cmd := &cobra.Command{
		Use:   "purge",
		Short: "remove all waiting messages from queues",
		Long: `Remove all waiting messages from the queues that the settings speak of
(task_queues, task_routes and the default queue), or from those named by -Q.

It lists the queues and asks first. Messages in workers' hands are not removed:
stop the workers for these to come back to their queue. There is no undo.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.purge(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	fl.BoolVarP(&f.force, "force", "f", false, "do not ask")
	fl.StringSliceVarP(&f.queues, "queues", "Q", nil, "queue `NAMES` to purge, with commas between them")
	fl.StringSliceVarP(&f.exclude, "exclude-queues", "X", nil, "queue `NAMES` to leave out")
	fl.BoolVar(&f.dry, "dry-run", false, "list what would be removed, and stop")
	p.completeQueues(cmd, "queues", "exclude-queues")
	return cmd
}

func (p *program) purge(ctx context.Context, f *purgeFlags) error {
	b, err := p.connect(ctx)
	if err != nil {
		return err
	}
	depths, err := p.depths(ctx, b, f.queues, f.exclude)
	if err != nil {
		return err
	}
	if len(depths) == 0 {
		return &fault{code: exitUsage, err: errors.New("no queue is left to purge")}
	}
	names := make([]string, len(depths))
	for i, d := range depths {
		names[i] = d.Name
	}
	slices.Sort(names)
	if f.dry || !f.force && !p.global.quiet {
		p.depthTable(depths, false).write(p.Out, p.paint)
	}
	if f.dry {
		return nil
	}
	if !f.force {
		fmt.Fprintf(p.Out, "\n%sThis will remove all tasks from %s: %s.\n         There is no undo for this operation!\n\n(to skip this prompt use the -f option)\n",
			p.paint.red("WARNING:"), plural(len(names), "queue"), strings.Join(names, ", "))
		if err := p.confirm(ctx, "Are you sure you want to delete all tasks?"); err != nil {
			return err
		}
	}
	total := 0
	for _, name := range names {
		n, err := b.Purge(ctx, name)
		if err != nil && !errors.Is(err, broker.ErrNoQueue) { // a queue that does not exist is empty
			return fmt.Errorf("purge queue %q: %w", name, err)
		}
		total += n
	}
	if total == 0 {
		fmt.Fprintf(p.Out, "No messages purged from %d %s.\n", len(names), plural(len(names), "queue"))
		return nil
	}
	fmt.Fprintf(p.Out, "Purged %d %s from %d known task %s.\n", total, plural(total, "message"), len(names), plural(len(names), "queue"))
	return nil
}

// confirm asks a question whose answer is no unless it is yes.
func (p *program) confirm(ctx context.Context, question string) error {
	fmt.Fprintf(p.Out, "%s [y/N]: ", question)
	answer, err := bufio.NewReader(io.LimitReader(p.In, 1024)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return ctx.Err()
	}
	fmt.Fprintln(p.Err, "Aborted!")
	return &fault{code: exitFailure}
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
