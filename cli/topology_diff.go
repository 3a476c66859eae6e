package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/internal/delayed"
	"github.com/umbel-go/umbel/topology"
)

func (p *program) topologyDiffCommand() *cobra.Command {
	f := &topologyFlags{}
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "compare RabbitMQ with what the settings need",
		Long: `Compare RabbitMQ with what the settings need: the real type and arguments of
queues and exchanges, bindings, policies, users and their permissions, from the
management API. It shows what a program would be refused for (406, 403, 404)
before one is. The exit code is 1 if anything is missing or differs.

Users and permissions are seen by an administrator only.`,
		Example: "  umbel topology diff -b amqp://admin:secret@rabbit/shop",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, m, err := f.live(p, cmd)
			if err != nil {
				return err
			}
			d, err := plan.Compare(cmd.Context(), m)
			if err != nil {
				return managementFault(err)
			}
			if f.json {
				err = p.printJSON(d)
			} else {
				p.printDrift(d.Differences)
				p.printNotes(d.Notes)
				if d.Clean() {
					fmt.Fprintf(p.Out, "RabbitMQ %s has what the settings need: nothing is missing, nothing differs\n", d.Version)
				}
			}
			if err == nil && !d.Clean() {
				return &fault{code: exitFailure}
			}
			return err
		},
	}
	f.bind(cmd, true)
	return cmd
}

// printDrift shows differences to people. The parts of the delays that are missing are one line.
func (p *program) printDrift(list []topology.Difference) {
	delays := 0
	for _, d := range list {
		if d.State == topology.Missing && strings.HasPrefix(d.Name, delayed.Prefix) && d.Kind != "policy" {
			delays++
			continue
		}
		state := p.paint.bold(string(d.State))
		if d.State == topology.Differs {
			state = p.paint.red(string(d.State))
		}
		if d.Kind == "binding" {
			fmt.Fprintf(p.Out, "%s  %s  %s\n", state, d.Kind, d.Name)
			continue
		}
		fmt.Fprintf(p.Out, "%s  %s %s\n", state, d.Kind, p.paint.bold(d.Name))
		if d.Have != "" {
			fmt.Fprintf(p.Out, "  broker:   %s\n", d.Have)
		}
		fmt.Fprintf(p.Out, "  settings: %s\n", d.Want)
		if d.Hint != "" {
			p.paragraph("  ", d.Hint)
		}
	}
	if delays > 0 {
		fmt.Fprintf(p.Out, "%s  %d queues, exchanges and bindings of %s*\n", p.paint.bold(string(topology.Missing)), delays, delayed.Prefix)
	}
}
