package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/control"
)

// Commands that change something. Celery: celery/worker/control.py.
var controlCommands = []fleetCommand{
	{name: "add_consumer", about: "Tell worker(s) to consume from task queue by name.", usage: "<queue> [exchange [type [routing_key]]]", must: 1,
		args: []fleetArg{{"queue", ""}, {"exchange", ""}, {"exchange_type", ""}, {"routing_key", ""}}},
	{name: "autoscale", about: "Modify autoscale settings.", usage: "[max [min]]", args: []fleetArg{{"max", "int"}, {"min", "int"}}},
	{name: "cancel_consumer", about: "Tell worker(s) to stop consuming from task queue by name.", usage: "<queue>", must: 1, args: []fleetArg{{"queue", ""}}},
	{name: "disable_events", about: "Tell worker(s) to stop sending task-related events."},
	{name: "enable_events", about: "Tell worker(s) to send task-related events."},
	{name: "heartbeat", about: "Tell worker(s) to send event heartbeat immediately."},
	{name: "loglevel", about: "Change the lowest level that worker(s) log. (Umbel's own.)", usage: "<debug|info|warning|error|critical>", must: 1,
		args: []fleetArg{{"level", ""}}},
	{name: "pool_grow", about: "Grow pool by n processes/threads.", usage: "[N=1]", args: []fleetArg{{"n", "int"}}},
	{name: "pool_restart", about: "Restart execution pool."},
	{name: "pool_shrink", about: "Shrink pool by n processes/threads.", usage: "[N=1]", args: []fleetArg{{"n", "int"}}},
	{name: "rate_limit", about: "Tell worker(s) to modify the rate limit for a task by type.", usage: "<task_name> <rate_limit (e.g., 5/s | 5/m | 5/h)>", must: 2,
		args: []fleetArg{{"task_name", ""}, {"rate_limit", ""}}},
	{name: "revoke", about: "Revoke task by task id (or list of ids).", usage: "[id1 [id2 [... [idN]]]]", must: 1, rest: "task_id"},
	{name: "revoke_by_stamped_headers", about: "Revoke task by header (or list of headers).", usage: "[key1=value1 [key2=value2 [... [keyN=valueN]]]]", must: 1, rest: "headers"},
	{name: "shutdown", about: "Shutdown worker(s)."},
	{name: "terminate", about: "Terminate task by task id (or list of ids).", usage: "<signal> [id1 [id2 [... [idN]]]]", must: 2,
		args: []fleetArg{{"signal", ""}}, rest: "task_id"},
	{name: "time_limit", about: "Tell worker(s) to modify the time limit for task by type.", usage: "<task_name> <soft_secs> [hard_secs]", must: 2,
		args: []fleetArg{{"task_name", ""}, {"soft", "float"}, {"hard", "float"}}},
}

func (p *program) controlCommand() *cobra.Command {
	f := &fleetFlags{}
	cmd := &cobra.Command{
		Use:   "control COMMAND [ARGS]",
		Short: "tell workers what to do",
		Long: `Tell workers, Umbel's and Celery's, what to do, and print each one's answer. The
exit code is 69 when nobody answers, and 1 when one refuses. --list explains the
commands:

` + commandsText(controlCommands),
		Example: "  umbel control rate_limit orders.charge 10/m\n  umbel control pool_grow 2 -d high@web1\n  umbel control shutdown --pattern 'high@*'",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return p.control(cmd, f, args) },
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.list, "list", false, "explain the commands")
	p.completeArgs(cmd, names(controlCommands)...)
	return cmd
}

func (p *program) control(cmd *cobra.Command, f *fleetFlags, words []string) error {
	all := p.ownCommands(controlCommands, false)
	if f.list {
		p.listCommands("Control", all)
		return nil
	}
	c, args, err := p.fleetRequest(cmd, all, words)
	if err != nil {
		return err
	}
	if c.name == "shutdown" {
		return p.shutdownFleet(cmd.Context(), f)
	}
	replies, err := p.askFleet(cmd.Context(), f, c.name, args, true)
	if err != nil {
		return err
	}
	return p.controlled(f, replies)
}

// controlled prints JSON if that is wanted, a list of one object a node as Celery's, and fails when a node has refused.
func (p *program) controlled(f *fleetFlags, replies []control.Reply) error {
	if f.asJSON {
		list := make([]any, len(replies))
		for i, r := range replies {
			list[i] = []codec.NamedValue{{Name: r.Node, Value: r.Value}}
		}
		text, err := codec.AppendJSON(nil, list)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.Out, "%s\n", text)
	}
	for _, r := range replies {
		if r.Failure() != "" {
			return &fault{code: exitFailure} // the reply has said why
		}
	}
	return nil
}

// shutdownFleet stops workers. They do not answer, so it is asked first who is there.
func (p *program) shutdownFleet(ctx context.Context, f *fleetFlags) error {
	if _, err := p.connect(ctx); err != nil {
		return err
	}
	c, err := f.control(p.app)
	if err != nil {
		return err
	}
	nodes, err := c.Ping(ctx)
	if err != nil {
		return err
	}
	if len(nodes) == 0 {
		return &fault{code: exitUnavailable, err: noReplyError{}}
	}
	if err := p.app.Control().To(nodes...).Shutdown(ctx); err != nil {
		return err
	}
	var replies []control.Reply
	for _, n := range nodes {
		r := control.Reply{Node: n, Value: codec.Of(control.Done("told to shut down"))}
		replies = append(replies, r)
		if !f.asJSON {
			p.sayReply(r, true)
		}
	}
	return p.controlled(f, replies)
}
