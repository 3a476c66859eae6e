package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/management"
)

// A depth is what the broker tells of a queue.
type depth struct {
	Name      string `json:"name"`
	Exists    bool   `json:"exists"`
	Ready     int    `json:"ready"`
	Unsettled *int   `json:"unsettled"` // null where the broker does not tell
	Consumers int    `json:"consumers"`
	Paused    bool   `json:"paused"`

	// From RabbitMQ's management API, with --rates; null where it does not tell.
	In     *float64   `json:"in_rate,omitempty"`  // messages a second
	Out    *float64   `json:"out_rate,omitempty"` // handed out a second
	Oldest *time.Time `json:"oldest,omitempty"`   // when the first in the queue was sent
}

func (p *program) queuesCommand() *cobra.Command {
	var names []string
	var asJSON, rates bool
	var address string
	cmd := &cobra.Command{
		Use:   "queues",
		Short: "show queues, and how many messages wait in each",
		Long: `Show the queues that the settings speak of (task_queues, task_routes and the
default queue), or those named by -Q, and how many messages are ready, are in
workers' hands (unsettled), and how many consumers there are. A dash is what the
broker does not tell.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.queues(cmd.Context(), names, asJSON, rates, address)
		},
	}
	cmd.Flags().BoolVar(&rates, "rates", false, "messages a second, and the age of the oldest where its sender said when: from RabbitMQ's management API")
	cmd.Flags().StringVar(&address, "broker-api", "", "management API at this `URL` (else at the broker's host, port 15672)")
	cmd.AddCommand(p.pauseCommand(), p.resumeCommand())
	cmd.Flags().StringSliceVarP(&names, "queues", "Q", nil, "queue `NAMES`, with commas between them")
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	p.completeQueues(cmd, "queues")
	return cmd
}

func (p *program) queues(ctx context.Context, names []string, asJSON, rates bool, address string) error {
	b, err := p.connect(ctx)
	if err != nil {
		return err
	}
	depths, err := p.depths(ctx, b, names, nil)
	if err != nil {
		return err
	}
	if rates {
		if err := p.addRates(ctx, depths, address); err != nil {
			return err
		}
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
	p.depthTable(depths, rates).write(p.Out, p.paint)
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

// addRates asks the management API for what the broker's own protocol does not tell.
func (p *program) addRates(ctx context.Context, depths []depth, address string) error {
	m, err := p.management(address)
	if err != nil {
		return err
	}
	told, err := m.Queues(ctx)
	if err != nil {
		return managementFault(err)
	}
	all := make(map[string]*management.Queue, len(told))
	for i := range told {
		all[told[i].Name] = &told[i]
	}
	for i := range depths {
		q := all[depths[i].Name]
		if q == nil {
			continue
		}
		depths[i].In, depths[i].Out = &q.Stats.Publish.Rate, &q.Stats.Deliver.Rate
		if q.Head != nil {
			at := time.Unix(*q.Head, 0)
			depths[i].Oldest = &at
		}
	}
	return nil
}

func (p *program) depthTable(depths []depth, rates bool) *table {
	t := &table{heads: []string{"queue", " ready", " unsettled", " consumers"}}
	if rates {
		t.heads = append(t.heads, " in/s", " out/s", " oldest")
	}
	for _, d := range depths {
		if !d.Exists {
			row := []string{d.Name, "-", "-", "-  does not exist"}
			if rates {
				row = append(row, "-", "-", "-")
			}
			t.add(row...)
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
		row := []string{d.Name, strconv.Itoa(d.Ready), unsettled, consumers}
		if rates {
			row = append(row, perSecond(d.In), perSecond(d.Out), d.age())
		}
		t.add(row...)
	}
	return t
}

func perSecond(rate *float64) string {
	if rate == nil {
		return "-"
	}
	return strconv.FormatFloat(math.Round(*rate*10)/10, 'f', -1, 64)
}

// age is that of the oldest message.
func (d *depth) age() string {
	if d.Oldest == nil {
		return "-"
	}
	return max(time.Since(*d.Oldest), 0).Round(time.Second).String()
}
