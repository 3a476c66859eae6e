package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
)

// A step is one of an examination, as JSON shows it.
type step struct {
	URL   string  `json:"url"`
	Name  string  `json:"name"`
	Found string  `json:"found,omitempty"`
	Doubt string  `json:"doubt,omitempty"`
	Error string  `json:"error,omitempty"`
	Hint  string  `json:"hint,omitempty"`
	Took  float64 `json:"seconds"`
}

func (p *program) doctorConnectCommand() *cobra.Command {
	var asJSON bool
	var fleet fleetSize
	cmd := &cobra.Command{
		Use:   "connect [URL|-]",
		Short: "try the way to the broker step by step, and the queues",
		Long: `Try the way to RabbitMQ step by step and say what is found, or what is wrong and
what to do: name, TCP, TLS with its certificates, login, virtual host, limits,
permission to declare, a message that is confirmed and comes back, heartbeats;
then whether the queues of the settings exist, agree with them, and are consumed.
Nothing is left at the broker.

Without a URL it is broker_url of the settings. A URL on the command line can be
seen in the list of processes: - reads it from standard input.

With --host-instance-type the fleet, so many --workers and --senders, is put beside
the limits of that type of Amazon MQ.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			url := ""
			if len(args) == 1 {
				url = args[0]
			}
			checks, err := fleet.checks(p, cmd)
			if err != nil {
				return err
			}
			return p.doctorConnect(cmd.Context(), url, asJSON, checks)
		},
	}
	fleet.bind(p, cmd)
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	return cmd
}

func (p *program) doctorConnect(ctx context.Context, url string, asJSON bool, sizes []broker.Check) error {
	if url == "-" {
		text, err := io.ReadAll(io.LimitReader(p.In, 64<<10))
		if err != nil {
			return failed("read the URL: %w", err)
		}
		url = strings.TrimSpace(string(text))
	}
	if err := p.prepare(); err != nil {
		return err
	}
	settings, err := p.app.Config()
	if err != nil {
		return err
	}
	if url != "" {
		settings.BrokerURL = []string{url}
	}
	c, err := settings.BrokerConfig()
	if err != nil {
		return &fault{code: exitConfig, err: err}
	}
	r := &examined{program: p, json: asJSON}
	if err := broker.Examine(ctx, c, r.check); err != nil {
		return &fault{code: exitUsage, err: err}
	}
	wrong := exitUnavailable
	if r.failures == 0 {
		wrong = exitFailure
		if err := p.queueChecks(ctx, c, r.check); err != nil {
			return err
		}
	}
	for _, check := range sizes {
		if check.Err != nil && r.failures == 0 {
			wrong = exitFailure
		}
		r.check(broker.MaskURL(c.URLs[0]), check)
	}
	if asJSON {
		out := json.NewEncoder(p.Out)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		if err := out.Encode(r.steps); err != nil {
			return err
		}
	}
	if r.failures > 0 {
		return &fault{code: wrong}
	}
	return nil
}

// examined prints the steps as they end, or keeps them.
type examined struct {
	*program
	json     bool
	url      string
	steps    []step
	failures int
}

func (r *examined) check(url string, c broker.Check) {
	if c.Err != nil {
		r.failures++
	}
	if r.json {
		s := step{URL: url, Name: c.Name, Found: c.Found, Doubt: c.Doubt, Hint: c.Hint, Took: c.Took.Seconds()}
		if c.Err != nil {
			s.Error = c.Err.Error()
		}
		r.steps = append(r.steps, s)
		return
	}
	if url != r.url {
		r.url = url
		fmt.Fprintln(r.Out, r.paint.bold(url))
	}
	took := c.Took.Round(time.Millisecond).String()
	mark, said := r.paint.green("ok   "), c.Found
	switch {
	case c.Err != nil:
		mark, said = r.paint.red("wrong"), c.Err.Error()
	case c.Doubt != "":
		mark = r.paint.bold("doubt")
	}
	r.paragraph(fmt.Sprintf("  %s %-10s ", mark, c.Name), said+" ("+took+")")
	if c.Doubt != "" {
		r.paragraph("      ", c.Doubt)
	}
	if c.Hint != "" {
		r.paragraph("      ", c.Hint)
	}
}

// queueChecks looks at the queues that the settings speak of. A queue that is not there is not made.
func (p *program) queueChecks(ctx context.Context, c broker.Config, report func(string, broker.Check)) error {
	plans, err := p.app.RoutedQueues()
	if err != nil {
		return &fault{code: exitConfig, err: err}
	}
	b, err := broker.Open(ctx, c)
	if err != nil {
		return unavailable(err)
	}
	defer b.Close()
	url := broker.MaskURL(c.URLs[0])
	for _, q := range plans {
		since := time.Now()
		check := p.queueCheck(ctx, b, q)
		check.Name, check.Took = "queue", time.Since(since)
		report(url, check)
	}
	return nil
}

func (p *program) queueCheck(ctx context.Context, b broker.Broker, q umbel.QueuePlan) broker.Check {
	stat, err := b.Stat(ctx, q.Name)
	if errors.Is(err, broker.ErrNoQueue) {
		return broker.Check{Found: q.Name + " is not there yet: its first worker or sender makes it"}
	}
	if err != nil {
		return broker.Check{Err: fmt.Errorf("%s: %w", q.Name, err)}
	}
	for _, d := range q.Topology.Queues { // it exists: declaring it changes nothing, and tells whether it agrees
		if d.Name != q.Name {
			continue
		}
		if err := b.Declare(ctx, broker.Topology{Queues: []broker.Queue{d}}); err != nil {
			return broker.Check{Err: err}
		}
	}
	check := broker.Check{Found: fmt.Sprintf("%s agrees with the settings: %d ready, %d consumers", q.Name, stat.Ready, stat.Consumers)}
	if stat.Consumers == 0 {
		check.Doubt, check.Hint = "nobody takes from it", "start a worker with -Q "+q.Name
	}
	return check
}
