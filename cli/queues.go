package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/broker"
)

// A depth is what the broker tells of a queue.
type depth struct {
	Name      string `json:"name"`
	Exists    bool   `json:"exists"`
	Ready     int    `json:"ready"`
	Unsettled *int   `json:"unsettled"` // null where the broker does not tell
	Consumers int    `json:"consumers"`
	Paused    bool   `json:"paused"`
}

func (p *program) queuesCommand() *cobra.Command {
	var names []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "queues",
		Short: "show queues, and how many messages wait in each",
		Long: `Show the queues that the settings speak of (task_queues, task_routes and the
default queue), or those named by -Q, and how many messages are ready, are in
workers' hands (unsettled), and how many consumers there are. A dash is what the
broker does not tell.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.queues(cmd.Context(), names, asJSON) },
	}
	cmd.AddCommand(p.pauseCommand(), p.resumeCommand())
	cmd.Flags().StringSliceVarP(&names, "queues", "Q", nil, "queue `NAMES`, with commas between them")
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	p.completeQueues(cmd, "queues")
	return cmd
}

func (p *program) queues(ctx context.Context, names []string, asJSON bool) error {
	b, err := p.connect(ctx)
	if err != nil {
		return err
	}
	depths, err := p.depths(ctx, b, names, nil)
	if err != nil {
		return err
	}
	paused, err := p.app.PausedQueues(ctx)
	if err != nil {
		return unavailable(err)
	}
	for i := range depths {
		depths[i].Paused = contains(paused, depths[i].Name)
	}
	if asJSON {
		out := json.NewEncoder(p.Out)
		out.SetIndent("", "  ")
		return out.Encode(depths)
	}
	p.depthTable(depths).write(p.Out, p.paint)
	return nil
}

// depths asks of the named queues, or of those that the settings know, without the excluded.
func (p *program) depths(ctx context.Context, b broker.Broker, names, exclude []string) ([]depth, error) {
	known, err := p.knownQueues()
	if err != nil {
		return nil, err
	}
	all := len(names) == 0
	if all {
		names = known
	}
	out := []depth{}
	for i, name := range names {
		if contains(names[:i], name) || contains(exclude, name) {
			continue
		}
		s, err := b.Stat(ctx, name)
		switch {
		case errors.Is(err, broker.ErrNoQueue):
			if near := nearest(name, known); !contains(known, name) && near != "" && !p.global.quiet {
				fmt.Fprintf(p.Err, "queue %q does not exist; did you mean %q?\n", name, near)
			}
			out = append(out, depth{Name: name})
			continue
		case err != nil:
			return nil, fmt.Errorf("look at queue %q: %w", name, err)
		}
		d := depth{Name: name, Exists: true, Ready: s.Ready, Consumers: s.Consumers}
		if s.Unsettled >= 0 {
			d.Unsettled = &s.Unsettled
		}
		out = append(out, d)
	}
	for _, name := range exclude {
		if !contains(names, name) {
			return nil, &fault{code: exitUsage, err: fmt.Errorf("queue %q to leave out is not among %v.%s", name, names, didYouMean(name, append([]string(nil), names...), ""))}
		}
	}
	return out, nil
}

func (p *program) depthTable(depths []depth) *table {
	t := &table{heads: []string{"queue", " ready", " unsettled", " consumers"}}
	for _, d := range depths {
		if !d.Exists {
			t.add(d.Name, "-", "-", "-  does not exist")
			continue
		}
		unsettled := "-"
		if d.Unsettled != nil {
			unsettled = strconv.Itoa(*d.Unsettled)
		}
		consumers := strconv.Itoa(d.Consumers)
		if d.Paused {
			consumers += "  paused"
		}
		t.add(d.Name, strconv.Itoa(d.Ready), unsettled, consumers)
	}
	return t
}
