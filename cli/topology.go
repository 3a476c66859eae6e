package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/internal/delayed"
	"github.com/umbel-go/umbel/internal/management"
	"github.com/umbel-go/umbel/topology"
)

// topologyFlags say what is planned, and where the broker's management API is.
type topologyFlags struct {
	json      bool
	address   string
	roles     []string
	prefix    string
	python    bool
	noDelays  bool
	maxLength int
}

func (p *program) topologyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topology",
		Short: "plan, compare and make what the settings need at RabbitMQ",
		Long: `What the settings need at RabbitMQ: a virtual host, a user for each role with the
permissions it needs and no more, exchanges, queues with their dead letters and
delays, bindings, a policy that bounds the queues.

plan tells it without a broker, diff compares a broker with it, apply makes what
is missing, migrate moves a queue whose arguments must change.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(p.topologyPlanCommand(), p.topologyDiffCommand(), p.topologyApplyCommand(), p.topologyMigrateCommand())
	return cmd
}

func (f *topologyFlags) bind(cmd *cobra.Command, live bool) {
	fl := cmd.Flags()
	fl.StringSliceVar(&f.roles, "roles", nil, "users for these `ROLES` only: producer, worker, beat, monitor, operator, or none")
	fl.StringVar(&f.prefix, "prefix", "", "begin the users' names with `NAME` (else the virtual host's, or the program's)")
	fl.BoolVar(&f.python, "python", false, "permissions that Celery's own programs need, too: they declare their queues each time")
	fl.BoolVar(&f.noDelays, "no-delays", false, "leave out the queues in which tasks wait for their ETA")
	fl.IntVar(&f.maxLength, "max-length", 8_000_000, "refuse more than `N` messages in a work queue, by a policy; 0: no policy")
	if live {
		fl.StringVar(&f.address, "broker-api", "", "management API at this `URL` (else at the broker's host, port 15672, 15671 with TLS, 443 at Amazon MQ)")
	}
	fl.BoolVarP(&f.json, "json", "j", false, "print JSON")
}

// plan is what the settings need. vhost "" is that of broker_url.
func (f *topologyFlags) plan(p *program, cmd *cobra.Command, vhost string) (*topology.Plan, error) {
	if err := p.prepare(); err != nil {
		return nil, err
	}
	if f.maxLength < 0 {
		return nil, misuse(cmd, "--max-length is %d: want 0 or more", f.maxLength)
	}
	o := topology.Options{Vhost: vhost, Prefix: f.prefix, Python: f.python, NoDelays: f.noDelays, MaxLength: f.maxLength}
	for _, name := range f.roles {
		if o.Roles == nil {
			o.Roles = []topology.Role{}
		}
		if name == "none" {
			continue
		}
		r, err := topology.ParseRole(name)
		if err != nil {
			return nil, misuse(cmd, "--roles: %w", err)
		}
		o.Roles = append(o.Roles, r)
	}
	if vhost == "" {
		c, err := p.app.Config()
		if err != nil {
			return nil, err
		}
		if len(c.BrokerURL) > 0 {
			if u, err := url.Parse(c.BrokerURL[0]); err == nil && strings.Contains(u.Scheme, "amqp") {
				o.Vhost = strings.TrimPrefix(u.Path, "/")
			}
		}
	}
	plan, err := topology.New(p.app, o)
	if err != nil {
		return nil, &fault{code: exitConfig, err: err}
	}
	return plan, nil
}

// live is the plan, and the API of the broker it is for.
func (f *topologyFlags) live(p *program, cmd *cobra.Command) (*topology.Plan, *management.Client, error) {
	m, err := p.management(f.address)
	if err != nil {
		return nil, nil, err
	}
	plan, err := f.plan(p, cmd, m.Vhost())
	return plan, m, err
}

func (p *program) topologyPlanCommand() *cobra.Command {
	f := &topologyFlags{}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "print what the settings need at RabbitMQ; asks no broker",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := f.plan(p, cmd, "")
			if err != nil {
				return err
			}
			if f.json {
				return p.printJSON(plan)
			}
			p.printPlan(plan)
			return nil
		},
	}
	f.bind(cmd, false)
	return cmd
}

func (p *program) printJSON(v any) error {
	out := json.NewEncoder(p.Out)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// printPlan shows a plan to people. The many parts of the delays are one line.
func (p *program) printPlan(plan *topology.Plan) {
	fmt.Fprintf(p.Out, "virtual host %s\n\n", plan.Vhost)
	queues := table{heads: []string{"queue", "for", "type", "arguments"}}
	delays := ""
	for _, q := range plan.Queues {
		if q.For == topology.ForDelays {
			delays = q.Type
			continue
		}
		kind := q.Type
		if kind == "" {
			kind = "default"
		}
		queues.add(q.Name, q.For, kind, arguments(q.Arguments))
	}
	if delays != "" {
		queues.add(delayed.Prefix+"*", topology.ForDelays, delays, "")
	}
	queues.write(p.Out, p.paint)
	exchanges := table{heads: []string{"exchange", "type"}}
	for _, x := range plan.Exchanges {
		if !strings.HasPrefix(x.Name, delayed.Prefix) {
			exchanges.add(x.Name, x.Type)
		}
	}
	if delays != "" {
		exchanges.add(delayed.Prefix+"*", "topic")
	}
	fmt.Fprintln(p.Out)
	exchanges.write(p.Out, p.paint)
	bindings := table{heads: []string{"binding of", "to", "key"}}
	for _, b := range plan.Bindings {
		if !strings.HasPrefix(b.Source, delayed.Prefix) {
			bindings.add(b.Source, b.Destination, b.RoutingKey)
		}
	}
	if len(bindings.rows) > 0 {
		fmt.Fprintln(p.Out)
		bindings.write(p.Out, p.paint)
	}
	for _, policy := range plan.Policies {
		fmt.Fprintf(p.Out, "\npolicy %s, priority %d, on %s %s\n  %s\n", policy.Name, policy.Priority, policy.ApplyTo, policy.Pattern, arguments(policy.Definition))
	}
	for _, u := range plan.Users {
		fmt.Fprintf(p.Out, "\nuser %s", p.paint.bold(u.Name))
		if u.Tags != "" {
			fmt.Fprintf(p.Out, ", tag %s", u.Tags)
		}
		fmt.Fprintf(p.Out, "\n  configure %s\n  write     %s\n  read      %s\n", u.Configure, u.Write, u.Read)
	}
	p.printNotes(plan.Notes)
}

func (p *program) printNotes(notes []string) {
	for i, n := range notes {
		if i == 0 {
			fmt.Fprintln(p.Out)
		}
		p.paragraph("note: ", n)
	}
}

// arguments are those of a queue in one line, without its type.
func arguments(t map[string]any) string {
	rest := make(map[string]any, len(t))
	for key, v := range t {
		if key != "x-queue-type" {
			rest[key] = v
		}
	}
	if len(rest) == 0 {
		return ""
	}
	text, err := json.Marshal(rest)
	if err != nil {
		return fmt.Sprint(rest)
	}
	return string(text)
}
