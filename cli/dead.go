package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
)

// deadFilter are the flags that choose dead letters.
type deadFilter struct {
	queues                               []string
	task, reason, argument, older, newer string
	limit                                int
}

func (p *program) deadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "show, replay, change or drop what failed for good",
		Long: `Show the messages that failed for good in queues with dead letters, run them
again, change them, or drop them.

The queues are those that the settings name as dead_letter, or those given by
-Q: by their own name, or by that of the queue whose dead letters they keep.
Each letter that is replayed, changed or dropped leaves a line in the audit
file (setting audit_file) before anything is done with it.

On RabbitMQ messages are handed out to be looked at and then given back: others
do not see them for that moment.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(p.deadListCommand(), p.deadShowCommand(), p.deadReplayCommand(), p.deadDropCommand(), p.deadEditCommand())
	return cmd
}

func (p *program) bindDeadFilter(cmd *cobra.Command, f *deadFilter) {
	fl := cmd.Flags()
	fl.StringSliceVarP(&f.queues, "queues", "Q", nil, "queue `NAMES`, with commas between them")
	fl.StringVarP(&f.task, "task", "t", "", "only the task of this `NAME`, or pattern such as 'orders.*'")
	fl.StringVarP(&f.reason, "reason", "r", "", "only those that died for this `REASON`: failed, rejected, 'time limit', 'worker lost', expired, undecodable …")
	fl.StringVarP(&f.argument, "argument", "a", "", "only those with this `TEXT` in their arguments")
	fl.StringVar(&f.older, "older", "", "only those dead for longer than this `TIME`: 90s, 15m, 36h, 7d")
	fl.StringVar(&f.newer, "newer", "", "only those dead for no longer than this `TIME`")
	fl.IntVarP(&f.limit, "limit", "n", umbel.DeadLimit, "look at no more than `N` messages of each queue")
	p.completeQueues(cmd, "queues")
	p.completeWords(cmd, "reason", umbel.DeadFailed, umbel.DeadRejected, umbel.DeadTimeLimit, umbel.DeadWorkerLost, umbel.DeadExpired,
		umbel.DeadUndecodable, umbel.DeadNotAccepted, umbel.DeadUnknown, umbel.DeadUnregistered)
}

// filter is what the flags say.
func (f *deadFilter) filter(cmd *cobra.Command, ids []string) (umbel.DeadFilter, error) {
	out := umbel.DeadFilter{IDs: ids, Task: f.task, Reason: f.reason, Argument: f.argument, Limit: f.limit}
	if f.limit < 1 {
		return out, misuse(cmd, "limit is %d: want 1 or more", f.limit)
	}
	for _, t := range []struct {
		flag, text string
		to         *time.Duration
	}{{"older", f.older, &out.OlderThan}, {"newer", f.newer, &out.NewerThan}} {
		if t.text == "" {
			continue
		}
		d, err := parseAge(t.text)
		if err != nil {
			return out, misuse(cmd, "Invalid value for '--%s': %w", t.flag, err)
		}
		*t.to = d
	}
	return out, nil
}

// parseAge reads 90s, 15m, 36h and 7d.
func parseAge(text string) (time.Duration, error) {
	if days, is := strings.CutSuffix(text, "d"); is {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n > 0 && n < 36500 {
			return time.Duration(n * 24 * float64(time.Hour)), nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is not a time such as 90s, 15m, 36h or 7d", text)
}

// A deadQueue is a queue that keeps dead letters, and is there.
type deadQueue struct {
	name    string
	letters *umbel.DeadLetters
}

// deadQueues finds the queues to look at.
func (p *program) deadQueues(ctx context.Context, names []string) ([]deadQueue, error) {
	b, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	known, err := p.app.DeadLetterQueues()
	if err != nil {
		return nil, err
	}
	all := len(names) == 0
	if all {
		if names = known; len(names) == 0 {
			return nil, &fault{code: exitUsage, err: errors.New("no queue of the settings has dead letters: set dead_letter in task_queues, or name a queue by -Q")}
		}
	}
	var out []deadQueue
	for _, name := range names {
		if !contains(known, name) {
			if name, err = p.keeperOf(name); err != nil {
				return nil, err
			}
		}
		if slices.ContainsFunc(out, func(q deadQueue) bool { return q.name == name }) {
			continue
		}
		switch _, err := b.Stat(ctx, name); {
		case errors.Is(err, broker.ErrNoQueue) && all: // nothing has been declared yet: nothing died
		case errors.Is(err, broker.ErrNoQueue):
			near := nearest(name, known)
			if near != "" {
				return nil, failed("queue %q does not exist; did you mean %q?", name, near)
			}
			return nil, failed("queue %q does not exist", name)
		case err != nil:
			return nil, fmt.Errorf("look at queue %q: %w", name, err)
		default:
			out = append(out, deadQueue{name, p.app.DeadLetters(name)})
		}
	}
	return out, nil
}

// keeperOf is the queue that keeps the dead letters of the named one; the name itself when the settings do not say.
func (p *program) keeperOf(name string) (string, error) {
	plans, err := p.app.RoutedQueues()
	if err != nil {
		return "", err
	}
	for _, q := range plans {
		if q.Name == name && q.DeadLetter != "" {
			return q.DeadLetter, nil
		}
	}
	return name, nil
}
