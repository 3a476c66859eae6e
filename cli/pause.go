package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
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
		Args:    oneArg("QUEUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.pause(cmd.Context(), f, args[0], "paused", (*umbel.Control).PauseQueue)
		},
	}
	p.addPause(cmd, f)
	return cmd
}

func (p *program) resumeCommand() *cobra.Command {
	f := &fleetFlags{}
	cmd := &cobra.Command{
		Use:   "resume QUEUE",
		Short: "let workers consume a paused queue again",
		Long: `Make those workers consume a queue again that did before it was paused, and those
of Umbel's that have started since.`,
		Args: oneArg("QUEUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.pause(cmd.Context(), f, args[0], "resumed", (*umbel.Control).ResumeQueue)
		},
	}
	p.addPause(cmd, f)
	return cmd
}

func (p *program) addPause(cmd *cobra.Command, f *fleetFlags) {
	cmd.Flags().Float64VarP(&f.timeout, "timeout", "t", 1, "wait `SECONDS` for the next worker's reply")
	cmd.Flags().BoolVarP(&f.asJSON, "json", "j", false, "print JSON")
}

func (p *program) pause(ctx context.Context, f *fleetFlags, queue, done string, do func(*umbel.Control, context.Context, string) (umbel.Pause, error)) error {
	b, err := p.connect(ctx)
	if err != nil {
		return err
	}
	c, err := f.control(p.app)
	if err != nil {
		return err
	}
	if err := p.queueIsThere(ctx, b, queue); err != nil {
		return err
	}
	what, err := do(c, ctx, queue)
	if len(what.Nodes) > 0 || what.Recorded {
		p.sayPause(f, queue, done, what)
	}
	if err != nil {
		return unavailable(err)
	}
	if !what.Recorded {
		fmt.Fprintln(p.Err, "the result store keeps no records: workers that start later know nothing of it")
	}
	return nil
}

func (p *program) sayPause(f *fleetFlags, queue, done string, what umbel.Pause) {
	if f.asJSON {
		_ = json.NewEncoder(p.Out).Encode(struct {
			Queue    string   `json:"queue"`
			Paused   bool     `json:"paused"`
			Nodes    []string `json:"nodes"`    // that consumed it before, or do so again
			Recorded bool     `json:"recorded"` // workers that start later know of it
		}{queue, done == "paused", append([]string{}, what.Nodes...), what.Recorded})
		return
	}
	nodes := "no worker consumed it"
	if len(what.Nodes) > 0 {
		nodes = strings.Join(what.Nodes, ", ")
	}
	fmt.Fprintf(p.Out, "%s %s: %s\n", done, queue, nodes)
}

// queueIsThere refuses a name that neither the settings nor the broker nor a pause know: a pause of a misspelt queue would look
// like one of the queue that was meant.
func (p *program) queueIsThere(ctx context.Context, b broker.Broker, queue string) error {
	known, err := p.knownQueues()
	if err != nil {
		return err
	}
	if paused, err := p.app.PausedQueues(ctx); contains(known, queue) || err == nil && contains(paused, queue) {
		return nil
	}
	if _, err := b.Stat(ctx, queue); !errors.Is(err, broker.ErrNoQueue) {
		return nil // it is there, or the broker does not say
	}
	return failed("queue %q does not exist.%s", queue, didYouMean(queue, known, ""))
}
