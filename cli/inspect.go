package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

// Commands that change nothing. Celery: celery/worker/control.py.
var inspectCommands = []fleetCommand{
	{name: "active", about: "List of tasks currently being executed.", usage: "[safe=False]", args: []fleetArg{{"safe", "bool"}}},
	{name: "active_queues", about: "List the task queues a worker is currently consuming from."},
	{name: "clock", about: "Get current logical clock value."},
	{name: "conf", about: "List configuration.", usage: "[include_defaults=False]", args: []fleetArg{{"with_defaults", "bool"}}},
	{name: "memdump", about: "Show resident memory.", usage: "[n_samples=10]", args: []fleetArg{{"samples", "int"}}},
	{name: "memsample", about: "Sample current RSS memory usage."},
	{name: "ping", about: "Ping worker(s)."},
	{name: "queue_load", about: "How much there is to do: slots, and by queue what runs and waits, and how long tasks took."},
	{name: "query_task", about: "Query for task information by id.", usage: "[id1 [id2 [... [idN]]]]", rest: "ids"},
	{name: "registered", about: "List of registered tasks.", usage: "[attr1 [attr2 [... [attrN]]]]", rest: "taskinfoitems"},
	{name: "report", about: "Information about the worker and its settings, for bug reports."},
	{name: "reserved", about: "List of tasks that wait in the worker for a slot."},
	{name: "revoked", about: "List of revoked task-ids."},
	{name: "scheduled", about: "List of tasks that wait in the worker for their time."},
	{name: "stats", about: "Request worker statistics/information."},
}

func (p *program) inspectCommand() *cobra.Command {
	f := &fleetFlags{}
	cmd := &cobra.Command{
		Use:   "inspect COMMAND [ARGS]",
		Short: "ask workers what they are doing",
		Long: `Ask workers, Umbel's and Celery's, and print each one's answer as it comes. It is
over when no answer has come for the timeout, or when all destinations have
answered; the exit code is 69 when nobody does. --list explains the commands:

` + commandsText(inspectCommands),
		Example: "  umbel inspect active\n  umbel inspect stats -d high@web1 --json\n  umbel inspect query_task 1c2f4a5e-8d6b-4b43-9a1e-3f3f0c9f6c11",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return p.inspect(cmd, f, args) },
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.list, "list", false, "explain the commands")
	p.completeArgs(cmd, names(inspectCommands)...)
	return cmd
}

func (p *program) inspect(cmd *cobra.Command, f *fleetFlags, words []string) error {
	all := p.ownCommands(inspectCommands, true)
	if f.list {
		p.listCommands("Inspect", all)
		return nil
	}
	c, args, err := p.fleetRequest(cmd, all, words)
	if err != nil {
		return err
	}
	return p.inspectFleet(cmd.Context(), f, c.name, args)
}

func (p *program) inspectFleet(ctx context.Context, f *fleetFlags, command string, args map[string]any) error {
	replies, err := p.askFleet(ctx, f, command, args, true)
	if err != nil {
		return err
	}
	if !f.asJSON {
		p.nodesOnline(len(replies))
		return nil
	}
	text, err := repliesJSON(replies)
	if err == nil {
		fmt.Fprintln(p.Out, text)
	}
	return err
}

func names(all []fleetCommand) []string {
	out := make([]string, len(all))
	for i := range all {
		out[i] = all[i].name + "\t" + all[i].about
	}
	return out
}
