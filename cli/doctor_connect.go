package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/amazonmq"
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

// connectFlags are what doctor connect is asked for.
type connectFlags struct {
	json    bool
	address string // of the management API
	fleet   fleetSize
}

func (p *program) doctorConnectCommand() *cobra.Command {
	var f connectFlags
	cmd := &cobra.Command{
		Use:   "connect [URL|-]",
		Short: "try the way to the broker step by step, and the queues",
		Long: `Try the way to RabbitMQ step by step and say what is found, or what is wrong and
what to do: name, TCP, TLS with its certificates, login, virtual host, limits,
permission to declare, a message that is confirmed and comes back, heartbeats;
then whether the queues of the settings exist, agree with them, and are consumed.
Nothing is left at the broker.

The real types of queues, bindings, and how much is in use come from the management
API. Where it is out of reach, or closed to the user, that is said, and what cannot
be told without it.

Without a URL it is broker_url of the settings. A URL on the command line can be
seen in the list of processes: - reads it from standard input.

With --host-instance-type, or --aws, what is in use and the fleet, so many --workers
and --senders, are put beside the limits of that type of Amazon MQ.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			url := ""
			if len(args) == 1 {
				url = args[0]
			}
			if err := f.fleet.check(p, cmd); err != nil {
				return err
			}
			return p.doctorConnect(cmd.Context(), url, f)
		},
	}
	f.fleet.bind(p, cmd)
	cmd.Flags().StringVar(&f.address, "broker-api", "", "management API at this `URL` (else at the broker's host, port 15672, 15671 with TLS, 443 at Amazon MQ)")
	cmd.Flags().BoolVarP(&f.json, "json", "j", false, "print JSON")
	return cmd
}

func (p *program) doctorConnect(ctx context.Context, url string, f connectFlags) error {
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
	r := &examined{program: p, json: f.json}
	if err := broker.Examine(ctx, c, r.check); err != nil {
		return &fault{code: exitUsage, err: err}
	}
	open := r.failures == 0
	report := func(check broker.Check) { r.check(broker.MaskURL(c.URLs[0]), check) }
	top, found := f.fleet.find(ctx, c.URLs[0])
	if found != nil {
		report(*found)
	}
	if open {
		drift, err := p.driftChecks(ctx, c, f.address, top, report)
		if err != nil {
			return err
		}
		if err := p.queueChecks(ctx, c, drift, report); err != nil {
			return err
		}
	}
	if top != nil && f.fleet.need != (amazonmq.Need{}) {
		for _, check := range top.fleet(f.fleet.need) {
			report(check)
		}
	}
	if f.json {
		out := json.NewEncoder(p.Out)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		if err := out.Encode(r.steps); err != nil {
			return err
		}
	}
	switch {
	case r.failures == 0:
		return nil
	case open:
		return &fault{code: exitFailure}
	}
	return &fault{code: exitUnavailable}
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
