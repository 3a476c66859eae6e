package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/audit"
	"github.com/umbel-go/umbel/protocol"
)

// deadAction are the flags of what changes letters.
type deadAction struct {
	deadFilter
	rate, to   string
	dry, force bool
}

func (p *program) deadReplayCommand() *cobra.Command {
	f := &deadAction{}
	cmd := &cobra.Command{
		Use:   "replay [ID ...]",
		Short: "run dead letters again",
		Long: `Run dead letters again: those with the given ids, or all that the filters let
through. Each is sent to the queue it came from, or to the one given by --to,
with the same id and arguments, as if it had never been tried and had neither an
ETA nor an expiry. It leaves the dead letters once the broker has confirmed it:
a replay that is killed loses nothing, and may send its last message twice.`,
		Example: "umbel dead replay 1c2f4a5e-8d6b-4b43-9a1e-3f3f0c9f6c11\numbel dead replay -Q orders -t orders.charge --newer 1h --rate 10/s\numbel dead replay --reason 'worker lost' --dry-run",
		RunE:    func(cmd *cobra.Command, ids []string) error { return p.deadReplay(cmd, f, ids) },
	}
	p.bindDeadFilter(cmd, &f.deadFilter)
	p.bindDeadAction(cmd, f)
	cmd.Flags().StringVar(&f.rate, "rate", "", "send no more than this `RATE`: 10/s, 100/m, 1000/h")
	cmd.Flags().StringVar(&f.to, "to", "", "send to the queue `NAME` instead")
	p.completeQueues(cmd, "to")
	return cmd
}

func (p *program) deadDropCommand() *cobra.Command {
	f := &deadAction{}
	cmd := &cobra.Command{
		Use:     "drop [ID ...]",
		Short:   "remove dead letters for good",
		Long:    "Remove dead letters for good: those with the given ids, or all that the filters\nlet through. There is no undo.",
		Example: "umbel dead drop 1c2f4a5e-8d6b-4b43-9a1e-3f3f0c9f6c11\numbel dead drop -Q orders --older 30d",
		RunE:    func(cmd *cobra.Command, ids []string) error { return p.deadDrop(cmd, f, ids) },
	}
	p.bindDeadFilter(cmd, &f.deadFilter)
	p.bindDeadAction(cmd, f)
	return cmd
}

func (p *program) bindDeadAction(cmd *cobra.Command, f *deadAction) {
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "list what it would be done with, and stop")
	cmd.Flags().BoolVarP(&f.force, "force", "f", false, "do not ask")
}

func (p *program) deadReplay(cmd *cobra.Command, f *deadAction, ids []string) error {
	rate, err := umbel.ParseRate(f.rate)
	if err != nil {
		return misuse(cmd, "Invalid value for '--rate': %w", err)
	}
	return p.deadAct(cmd, f, ids, "replay", "Replayed", func(ctx context.Context, d *umbel.DeadLetters, filter umbel.DeadFilter, act umbel.DeadAction) (int, bool, error) {
		act.Rate, act.Queue = rate, f.to
		return d.Replay(ctx, filter, act)
	})
}

func (p *program) deadDrop(cmd *cobra.Command, f *deadAction, ids []string) error {
	return p.deadAct(cmd, f, ids, "drop", "Dropped", func(ctx context.Context, d *umbel.DeadLetters, filter umbel.DeadFilter, act umbel.DeadAction) (int, bool, error) {
		return d.Drop(ctx, filter, act)
	})
}

type deadDo func(context.Context, *umbel.DeadLetters, umbel.DeadFilter, umbel.DeadAction) (n int, more bool, err error)

// deadAct lists what an action is for, asks, and does it, with an audit line before each letter.
func (p *program) deadAct(cmd *cobra.Command, f *deadAction, ids []string, verb, past string, do deadDo) error {
	ctx := cmd.Context()
	filter, err := f.filter(cmd, ids)
	if err != nil {
		return err
	}
	if f.dry || !f.force && len(ids) == 0 {
		list, err := p.findDead(cmd, &f.deadFilter, ids)
		if err != nil {
			return err
		}
		p.deadTable(list, time.Now()).write(p.Out, p.paint)
		if f.dry {
			return nil
		}
		if len(list) == 0 {
			fmt.Fprintln(p.Out, "No dead letter fits.")
			return nil
		}
		if err := p.confirm(ctx, fmt.Sprintf("\n%s %d dead %s?", strings.ToUpper(verb[:1])+verb[1:], len(list), plural(len(list), "letter"))); err != nil {
			return err
		}
	}
	queues, err := p.deadQueues(ctx, f.queues)
	if err != nil {
		return err
	}
	log, err := p.auditLog()
	if err != nil {
		return err
	}
	defer log.Close()
	total := 0
	found := make(map[string]bool)
	for _, q := range queues {
		act := umbel.DeadAction{
			Before: func(l *umbel.DeadLetter) error {
				found[l.ID] = true
				to := ""
				if verb == "replay" {
					if to = f.to; to == "" {
						to = l.Queue
					}
				}
				return log.Write(deadEntry(verb, l, to, ""))
			},
			Failed: func(l *umbel.DeadLetter, err error) {
				e := deadEntry(verb, l, "", "")
				e.Error = err.Error()
				_ = log.Write(e) // the failure itself is told
			},
		}
		n, more, err := do(ctx, q.letters, filter, act)
		total += n
		if err != nil {
			return fmt.Errorf("%s %d of queue %q, then: %w", strings.ToLower(past), n, q.name, err)
		}
		p.tellMore(q.name, more, filter.Limit)
	}
	fmt.Fprintf(p.Out, "%s %d dead %s.\n", past, total, plural(total, "letter"))
	var missing []error
	for _, id := range ids {
		if !found[id] {
			missing = append(missing, fmt.Errorf("no dead letter has the id %s", id))
		}
	}
	return errors.Join(missing...)
}

func (p *program) auditLog() (*audit.Log, error) {
	c, err := p.app.Config()
	if err != nil {
		return nil, err
	}
	log, err := audit.Open(c.AuditFile)
	if err != nil {
		return nil, &fault{code: exitCantCreate, err: fmt.Errorf("nothing was done: %w (setting audit_file)", err)}
	}
	return log, nil
}

func deadEntry(verb string, l *umbel.DeadLetter, to, detail string) audit.Entry {
	return audit.Entry{Action: "dead " + verb, Queue: l.Kept, To: to, ID: l.ID, Task: l.Task, Reason: l.Reason, Detail: detail}
}

func (p *program) deadEditCommand() *cobra.Command {
	var args, kwargs, task string
	f := &deadFilter{}
	cmd := &cobra.Command{
		Use:   "edit ID",
		Short: "change the arguments of a dead letter",
		Long: `Change the arguments of a dead letter, or its task. It stays among the dead
letters, with the reason and error it has, until it is replayed or dropped.`,
		Example: `umbel dead edit 1c2f4a5e-8d6b-4b43-9a1e-3f3f0c9f6c11 -k '{"order_id": 8}'`,
		Args:    oneArg("ID"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if args == "" && kwargs == "" && task == "" {
				return misuse(cmd, "nothing to change: give --args, --kwargs or --task")
			}
			change, err := deadChange(cmd, args, kwargs, task)
			if err != nil {
				return err
			}
			return p.deadEdit(cmd, f.queues, ids[0], change, strings.TrimSpace("args "+args+" kwargs "+kwargs+" task "+task))
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&args, "args", "a", "", "new positional arguments, a `JSON` array")
	fl.StringVarP(&kwargs, "kwargs", "k", "", "new keyword arguments, a `JSON` object")
	fl.StringVarP(&task, "task", "t", "", "new `NAME` of the task")
	fl.StringSliceVarP(&f.queues, "queues", "Q", nil, "queue `NAMES`, with commas between them")
	p.completeQueues(cmd, "queues")
	return cmd
}

// deadChange reads what is to be changed.
func deadChange(cmd *cobra.Command, args, kwargs, task string) (func(*protocol.Task, *protocol.Body) error, error) {
	var positional []codec.Value
	var named []codec.NamedValue
	var err error
	if args != "" {
		if positional, err = codec.SplitArray([]byte(args)); err != nil {
			return nil, misuse(cmd, "Invalid value for '--args': %s was not an array", args)
		}
	}
	if kwargs != "" {
		if named, err = codec.SplitObject([]byte(kwargs)); err != nil {
			return nil, misuse(cmd, "Invalid value for '--kwargs': %s was not an object", kwargs)
		}
	}
	return func(t *protocol.Task, b *protocol.Body) error {
		if args != "" {
			b.Args = positional
		}
		if kwargs != "" {
			b.Kwargs = named
		}
		if task != "" {
			t.Name = task
		}
		return nil
	}, nil
}

func (p *program) deadEdit(cmd *cobra.Command, names []string, id string, change func(*protocol.Task, *protocol.Body) error, detail string) error {
	ctx := cmd.Context()
	queues, err := p.deadQueues(ctx, names)
	if err != nil {
		return err
	}
	log, err := p.auditLog()
	if err != nil {
		return err
	}
	defer log.Close()
	act := umbel.DeadAction{
		Before: func(l *umbel.DeadLetter) error { return log.Write(deadEntry("edit", l, l.Kept, detail)) },
		Failed: func(l *umbel.DeadLetter, err error) {
			e := deadEntry("edit", l, l.Kept, detail)
			e.Error = err.Error()
			_ = log.Write(e) // the failure itself is told
		},
	}
	for _, q := range queues {
		err := q.letters.Edit(ctx, id, change, act)
		if errors.Is(err, umbel.ErrNoDeadLetter) {
			continue
		}
		if err == nil {
			fmt.Fprintf(p.Out, "Changed %s: replay it when it is right.\n", id)
		}
		return err
	}
	return failed("no dead letter has the id %s", id)
}
