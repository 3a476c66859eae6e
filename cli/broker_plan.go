package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/umbel-go/umbel/internal/amazonmq"
)

// brokerFlags are what a broker is planned with. They bear the names that AWS's own command line gives them.
type brokerFlags struct {
	plan             amazonmq.Plan
	purpose          string
	public, private  bool
	noLogs           bool
	window           string
	tags             []string
	workers, senders int
	queues           int
}

// bindKind declares the options of what kind of broker it is, which do not say where.
func (f *brokerFlags) bindKind(p *program, cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.purpose, "for", "production", "defaults for `PURPOSE`: production (a cluster of mq.m7g.large) or test (one mq.m7g.medium)")
	fl.StringVar(&f.plan.Version, "engine-version", amazonmq.Recommended, "`VERSION` of RabbitMQ, major and minor")
	fl.StringVar(&f.plan.Instance, "host-instance-type", "", "instance `TYPE`, such as mq.m7g.large")
	fl.StringVar(&f.plan.Mode, "deployment-mode", "", "`MODE`: CLUSTER_MULTI_AZ or SINGLE_INSTANCE")
	fl.StringSliceVar(&f.plan.Subnets, "subnet-ids", nil, "`SUBNETS` it lives in, with commas between")
	fl.StringVar(&f.plan.User, "user", "admin", "`NAME` of its first user, who may do everything")
	fl.StringVar(&f.plan.KMSKey, "kms-key-id", "", "`KEY` that encrypts what it stores; defaults to one that AWS owns, and cannot be changed later")
	fl.StringVar(&f.window, "maintenance-window", "", "when it may be maintained, such as \"sunday 02:00 Europe/Berlin\": `WHEN`")
	fl.StringArrayVar(&f.tags, "tags", nil, "`KEY=VALUE`, may be repeated")
	fl.IntVar(&f.senders, "senders", 0, "how many processes that only send, such as those of a web server: `N`")
	p.completeWords(cmd, "for", "production", "test")
	p.completeWords(cmd, "engine-version", amazonmq.Supported()...)
	p.completeWords(cmd, "deployment-mode", amazonmq.Modes...)
	var types []string
	for _, i := range amazonmq.Instances {
		types = append(types, i.Name)
	}
	p.completeWords(cmd, "host-instance-type", types...)
	// AWS's command line takes --tags A=B,C=D and long forms of some; these are ours.
	fl.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		switch name {
		case "private":
			name = "no-publicly-accessible"
		case "public":
			name = "publicly-accessible"
		case "instance-type":
			name = "host-instance-type"
		case "tag":
			name = "tags"
		}
		return pflag.NormalizedName(name)
	})
}

// bind declares all options of a broker.
func (f *brokerFlags) bind(p *program, cmd *cobra.Command) {
	f.bindKind(p, cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.private, "no-publicly-accessible", false, "reached from within its VPC only")
	fl.BoolVar(&f.public, "publicly-accessible", false, "reached from everywhere")
	fl.StringSliceVar(&f.plan.SecurityGroups, "security-groups", nil, "security `GROUPS` of a private broker")
	fl.BoolVar(&f.noLogs, "no-logs", false, "no general logs in CloudWatch")
	fl.StringVar(&f.plan.Configuration, "configuration", "", "`ID` of a configuration, or ID:REVISION")
	fl.IntVar(&f.workers, "workers", 0, "how many worker processes it has to bear: `N`")
	fl.IntVar(&f.queues, "queues", 0, "how many queues each worker takes from; defaults to those of the settings: `N`")
}

// read completes the plan from the flags.
func (f *brokerFlags) read(p *program, cmd *cobra.Command, name string) (amazonmq.Plan, amazonmq.Need, error) {
	plan := f.plan
	var need amazonmq.Need
	plan.Name, plan.Logs = name, !f.noLogs
	switch {
	case f.purpose == "production":
		plan.Instance, plan.Mode = cmp.Or(plan.Instance, "mq.m7g.large"), cmp.Or(plan.Mode, amazonmq.Cluster)
	case f.purpose == "test":
		plan.Instance, plan.Mode = cmp.Or(plan.Instance, "mq.m7g.medium"), cmp.Or(plan.Mode, amazonmq.Single)
	default:
		return plan, need, misuse(cmd, "--for %s: want production or test", f.purpose)
	}
	switch {
	case f.public && f.private:
		return plan, need, misuse(cmd, "--publicly-accessible and --no-publicly-accessible: which?")
	case f.public || f.private:
		plan.Public = &f.public
	}
	if f.window != "" {
		w, err := amazonmq.ParseWindow(f.window)
		if err != nil {
			return plan, need, misuse(cmd, "--maintenance-window: %w", err)
		}
		plan.Window = w
	}
	for _, t := range f.tags {
		for one := range strings.SplitSeq(t, ",") {
			k, v, ok := strings.Cut(one, "=")
			if !ok {
				return plan, need, misuse(cmd, "--tags %s: want KEY=VALUE", one)
			}
			if plan.Tags == nil {
				plan.Tags = make(map[string]string)
			}
			plan.Tags[k] = v
		}
	}
	need, err := p.fleetNeed(cmd, f.workers, f.senders, f.queues)
	return plan, need, err
}

// fleetNeed is what so many processes ask of a broker, by the queues of the settings unless their number is given.
func (p *program) fleetNeed(cmd *cobra.Command, workers, senders, queues int) (need amazonmq.Need, err error) {
	if workers < 0 || senders < 0 || queues < 0 {
		return need, misuse(cmd, "--workers, --senders and --queues are not negative")
	}
	if workers == 0 && senders == 0 {
		return need, nil
	}
	if queues == 0 {
		if _, err := p.settings(nil); err != nil {
			return need, err
		}
		plans, err := p.app.RoutedQueues()
		if err != nil {
			return need, &fault{code: exitConfig, err: err}
		}
		queues = len(plans)
	}
	return amazonmq.FleetNeed(workers, senders, queues, queues), nil
}

func (p *program) brokerPlanCommand() *cobra.Command {
	var f brokerFlags
	var asJSON, terraform bool
	cmd := &cobra.Command{
		Use:   "plan NAME",
		Short: "show what a broker would be, and what AWS would refuse",
		Long: `Show what a broker would be created with, what AWS would refuse, and what is worth
a second thought. Nothing is asked of AWS. The exit code is 1 if it would refuse.

With --workers and --senders the connections, channels and queues of the fleet are
put beside the limits of the instance type.`,
		Example: `  umbel broker plan orders-prod --private --subnet-ids subnet-0a1b2c3d,subnet-1a2b3c4d \
      --security-groups sg-0a1b2c3d --workers 200 --senders 80
  umbel broker plan orders-prod … --terraform > broker.tf`,
		Args: oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, need, err := f.read(p, cmd, args[0])
			if err != nil {
				return err
			}
			return p.brokerPlan(plan, need, asJSON, terraform)
		},
	}
	f.bind(p, cmd)
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	cmd.Flags().BoolVar(&terraform, "terraform", false, "print a resource of Terraform's; what is wrong goes to standard error")
	return cmd
}

func (p *program) brokerPlan(plan amazonmq.Plan, need amazonmq.Need, asJSON, terraform bool) error {
	refused, doubts := plan.Refused(), plan.Doubts(need)
	switch {
	case asJSON:
		out := struct {
			amazonmq.Plan
			Limits   []amazonmq.Limit   `json:"limits,omitempty"`
			Policies []amazonmq.Policy  `json:"default_policies"`
			Refused  []amazonmq.Problem `json:"refused"`
			Doubts   []amazonmq.Problem `json:"doubts"`
		}{Plan: plan, Policies: amazonmq.Policies(plan.Version, plan.Mode, plan.Instance),
			Refused: append([]amazonmq.Problem{}, refused...), Doubts: append([]amazonmq.Problem{}, doubts...)}
		if i, found := amazonmq.FindInstance(plan.Instance); found && need != (amazonmq.Need{}) {
			out.Limits = i.Limits(need)
		}
		if err := p.printJSON(out); err != nil {
			return err
		}
	case terraform:
		if len(refused) == 0 {
			fmt.Fprint(p.Out, plan.Terraform())
		}
		for _, r := range refused {
			fmt.Fprintf(p.Err, "refused  %s\n", r)
		}
		for _, d := range doubts {
			fmt.Fprintf(p.Err, "doubt    %s\n", d)
		}
	default:
		p.showPlan(plan, need)
		p.showProblems(refused, doubts)
	}
	if len(refused) > 0 {
		return &fault{code: exitFailure}
	}
	return nil
}

// showPlan prints a plan for people.
func (p *program) showPlan(plan amazonmq.Plan, need amazonmq.Need) {
	line := func(what, format string, a ...any) {
		p.paragraph(fmt.Sprintf("  %-14s ", what), fmt.Sprintf(format, a...))
	}
	fmt.Fprintln(p.Out, p.paint.bold("broker "+plan.Name))
	line("engine", "RabbitMQ %s: %s", plan.Version, amazonmq.Support(plan.Version))
	i, found := amazonmq.FindInstance(plan.Instance)
	if found {
		line("instance type", "%s: %d vCPU, %d GiB; at most %s connections, %s channels, %s queues", i.Name, i.CPUs, i.GiB, count(i.Connections), count(i.Channels), count(i.Queues))
	} else {
		line("instance type", "%s", plan.Instance)
	}
	switch plan.Mode {
	case amazonmq.Cluster:
		line("deployment", "%s: 3 nodes in 3 availability zones, one address", plan.Mode)
	case amazonmq.Single:
		line("deployment", "%s: 1 node", plan.Mode)
	default:
		line("deployment", "%s", plan.Mode)
	}
	if need != (amazonmq.Need{}) {
		var parts []string
		for _, l := range i.Limits(need) {
			parts = append(parts, l.String())
		}
		line("your fleet", "%s", strings.Join(parts, ", "))
	}
	switch {
	case plan.Public == nil:
	case *plan.Public:
		line("reached", "from everywhere")
	default:
		line("reached", "from its VPC, on 5671 (AMQP) and 443 (console, API)")
	}
	if len(plan.Subnets) > 0 {
		line("subnets", "%s", strings.Join(plan.Subnets, ", "))
	}
	if len(plan.SecurityGroups) > 0 {
		line("groups", "%s", strings.Join(plan.SecurityGroups, ", "))
	}
	line("user", "%s, the administrator: make others for workers, by the management API", plan.User)
	line("encryption", "TLS 1.2; at rest by %s. It cannot be changed later", cmp.Or(plan.KMSKey, "a key that AWS owns"))
	line("patches", "by AWS, in the maintenance window")
	if plan.Window != nil {
		line("window", "%s, up to two hours", plan.Window)
	}
	if plan.Logs {
		line("logs", "general, to CloudWatch")
	}
	for _, policy := range amazonmq.Policies(plan.Version, plan.Mode, plan.Instance) {
		what := "policy"
		if policy.Operator {
			what = "operator's"
		}
		line(what, "%s (priority %d, virtual host / only): %s", policy.Name, policy.Priority, policy.Does)
	}
}

func (p *program) showProblems(refused, doubts []amazonmq.Problem) {
	if len(refused)+len(doubts) > 0 {
		fmt.Fprintln(p.Out)
	}
	for _, r := range refused {
		p.paragraph("  "+p.paint.red("refused")+"  ", r.String())
	}
	for _, d := range doubts {
		p.paragraph("  "+p.paint.bold("doubt")+"    ", d.String())
	}
	if len(refused) == 0 {
		fmt.Fprintln(p.Out, "\nAWS takes it.")
	}
}
