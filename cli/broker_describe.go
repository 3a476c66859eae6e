package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/internal/amazonmq"
	"github.com/umbel-go/umbel/internal/amazonmq/account"
)

func (p *program) brokerDescribeCommand() *cobra.Command {
	var region string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "describe NAME|ID",
		Short: "show a broker's addresses, version, state, and what is about to change",
		Args:  oneArg("NAME or ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := account.Open(cmd.Context(), region)
			if err != nil {
				return &fault{code: exitConfig, err: err}
			}
			b, err := a.Describe(cmd.Context(), args[0])
			if err != nil {
				return failed("%w", err)
			}
			if err := a.Configure(cmd.Context(), b); err != nil {
				fmt.Fprintf(p.Err, "its configuration is not shown: %v\n", err)
			}
			if asJSON {
				return p.printJSON(b)
			}
			p.showBroker(b)
			return nil
		},
	}
	cmd.Flags().StringVar(&region, "region", "", "AWS `REGION`; defaults to the SDK's")
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	return cmd
}

// showBroker prints what AWS says of a broker.
func (p *program) showBroker(b *amazonmq.Broker) {
	line := func(what, format string, a ...any) {
		p.paragraph(fmt.Sprintf("  %-14s ", what), fmt.Sprintf(format, a...))
	}
	fmt.Fprintf(p.Out, "%s  %s\n", p.paint.bold("broker "+b.Name), b.ID)
	state := b.State
	if b.Running() {
		state = p.paint.green(state)
	} else {
		state = p.paint.red(state)
	}
	line("state", "%s", state)
	for _, act := range b.Actions {
		line("do now", "%s", act)
	}
	for _, e := range b.Endpoints {
		line("AMQP", "%s", e)
	}
	if b.Management != "" {
		line("management", "%s", b.Management)
	}
	for _, c := range b.Console {
		line("console", "%s", c)
	}
	line("engine", "RabbitMQ %s: %s", b.Version, amazonmq.Support(b.Version))
	line("instance type", "%s", b.Instance)
	line("deployment", "%s", b.Mode)
	if b.Public {
		line("reached", "from everywhere")
	} else {
		line("reached", "from its VPC; subnets %s; groups %s", cmp.Or(strings.Join(b.Subnets, ", "), "?"), cmp.Or(strings.Join(b.SecurityGroups, ", "), "?"))
	}
	if b.Window != nil {
		line("window", "%s, up to two hours", b.Window)
	}
	patches := "by AWS, in the window"
	if !b.Patches {
		patches = "by hand"
	}
	line("patches", "%s", patches)
	if b.Logs {
		line("logs", "%s", cmp.Or(b.LogGroup, "general"))
	} else {
		line("logs", "none")
	}
	line("encryption", "at rest by %s", cmp.Or(b.KMSKey, "a key that AWS owns"))
	if len(b.Users) > 0 {
		line("users", "%s, and those that its management API knows", strings.Join(b.Users, ", "))
	}
	if b.Configuration != "" {
		line("configuration", "%s", b.Configuration)
		for _, k := range slices.Sorted(maps.Keys(b.Settings)) {
			line("", "%s = %s", k, b.Settings[k])
		}
	}
	if !b.Created.IsZero() {
		line("created", "%s", b.Created.UTC().Format("2006-01-02 15:04 MST"))
	}
	for _, k := range slices.Sorted(maps.Keys(b.Tags)) {
		line("tag", "%s = %s", k, b.Tags[k])
	}
	for _, pending := range b.Pending {
		line("pending", "%s: at the next reboot or window", pending)
	}
}
