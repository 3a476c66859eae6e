package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

func (p *program) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "show the broker's bindings",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.bindingsCommand())
	return cmd
}

func (p *program) bindingsCommand() *cobra.Command {
	var address string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bindings",
		Short: "show which exchange sends to which queue",
		Long:  "Show RabbitMQ's bindings, from its management API.",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return p.bindings(cmd.Context(), address, asJSON) },
	}
	cmd.Flags().StringVar(&address, "broker-api", "", "management API at this `URL` (else at the broker's host, port 15672)")
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	return cmd
}

func (p *program) bindings(ctx context.Context, address string, asJSON bool) error {
	m, err := p.management(address)
	if err != nil {
		return err
	}
	told, err := m.Bindings(ctx)
	if err != nil {
		return managementFault(err)
	}
	all := make([]binding, len(told))
	for i, b := range told {
		all[i] = binding{Queue: b.Destination, Exchange: b.Source, RoutingKey: b.RoutingKey, Kind: b.Kind}
	}
	slices.SortFunc(all, func(a, b binding) int {
		return cmp.Or(cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Exchange, b.Exchange), cmp.Compare(a.RoutingKey, b.RoutingKey))
	})
	if asJSON {
		out := json.NewEncoder(p.Out)
		out.SetIndent("", "  ")
		return out.Encode(all)
	}
	line := func(queue, exchange, key string) { fmt.Fprintf(p.Out, "%-28s %-28s %s\n", queue, exchange, key) } // Celery's columns
	line("Queue", "Exchange", "Routing Key")
	line("----------------", "----------------", "----------------")
	for _, b := range all {
		line(b.Queue, b.Exchange, b.RoutingKey)
	}
	return nil
}

// A binding is one of RabbitMQ's bindings, as JSON shows it.
type binding struct {
	Queue      string `json:"destination"`
	Exchange   string `json:"source"`
	RoutingKey string `json:"routing_key"`
	Kind       string `json:"destination_type"`
}
