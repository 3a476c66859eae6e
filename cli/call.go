package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

type callFlags struct {
	args, kwargs                                string
	eta, expires                                string
	countdown                                   float64
	serializer, queue, exchange, routingKey, id string
	priority                                    int
	wait, force                                 bool
	timeout                                     float64
}

func (p *program) callCommand() *cobra.Command {
	f := &callFlags{}
	cmd := &cobra.Command{
		Use:   "call NAME [JSON]",
		Short: "send a task and print its id",
		Long: `Send a task and print its id.

JSON is the task's input: an object is keyword arguments, an array positional
ones, anything else the one argument. The task need not be one of this program,
but a name that is nearly one of its own is taken for a slip without --force.
Times without an offset are UTC.`,
		Example: `umbel call orders.charge '{"order_id": 7}'
umbel call tasks.add -a '[2, 2]' --countdown 10 --queue math
umbel call tasks.add '[2, 2]' --wait`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return oneArg("NAME")(cmd, args)
		},
		ValidArgsFunction: p.completeTasks,
		RunE:              func(cmd *cobra.Command, args []string) error { return p.call(cmd, f, args) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.args, "args", "a", "", "positional arguments, a `JSON` array")
	fl.StringVarP(&f.kwargs, "kwargs", "k", "", "keyword arguments, a `JSON` object")
	fl.StringVar(&f.eta, "eta", "", "run no earlier than this `TIME` (ISO 8601)")
	fl.Float64Var(&f.countdown, "countdown", 0, "run no earlier than so many `SECONDS` from now")
	fl.StringVar(&f.expires, "expires", "", "drop it when it has not begun by this `TIME` (ISO 8601, or seconds from now)")
	fl.StringVar(&f.serializer, "serializer", "", "encode the message as `FORMAT`: json, msgpack or yaml")
	fl.StringVar(&f.queue, "queue", "", "send to the queue `NAME`")
	fl.StringVar(&f.exchange, "exchange", "", "publish to the exchange `NAME`")
	fl.StringVar(&f.routingKey, "routing-key", "", "with this routing `KEY`")
	fl.IntVar(&f.priority, "priority", -1, "`NUMBER` from 0 to 255, the higher the sooner")
	fl.StringVar(&f.id, "task-id", "", "the task's `ID`; random unless given")
	fl.BoolVar(&f.wait, "wait", false, "wait for the task, and print its result instead of its id")
	fl.Float64Var(&f.timeout, "timeout", 0, "with --wait: give up after so many `SECONDS`")
	fl.BoolVar(&f.force, "force", false, "send a name that looks misspelt")
	p.completeQueues(cmd, "queue")
	p.completeWords(cmd, "serializer", "json", "json-plain", "msgpack", "yaml")
	return cmd
}

func (p *program) call(cmd *cobra.Command, f *callFlags, args []string) error {
	name := args[0]
	input, err := f.input(cmd, args[1:])
	if err != nil {
		return err
	}
	if err := p.prepare(); err != nil {
		return err
	}
	options, err := callOptions(cmd, f)
	if err != nil {
		return err
	}
	if !f.force {
		if err := p.checkName(cmd, name); err != nil {
			return err
		}
	}
	if known, err := p.knownQueues(); err == nil && f.queue != "" && !contains(known, f.queue) && !p.global.quiet {
		if near := nearest(f.queue, known); near != "" {
			fmt.Fprintf(p.Err, "queue %q is in no setting; did you mean %q?\n", f.queue, near)
		}
	}
	ctx := cmd.Context()
	if c, err := p.app.Config(); err != nil {
		return err
	} else if c.TaskSpool == "" || f.wait { // else the broker may be away
		if _, err := p.connect(ctx); err != nil {
			return err
		}
	}
	if f.wait {
		if _, err := p.results(ctx); err != nil {
			return err
		}
	}
	r, err := p.app.Send(ctx, name, input, options...)
	if err != nil {
		return err
	}
	if f.wait {
		return p.await(ctx, r, f.timeout)
	}
	_, err = fmt.Fprintln(p.Out, r.ID())
	return err
}

// checkName refuses a name that is not registered and nearly one that is.
func (p *program) checkName(cmd *cobra.Command, name string) error {
	var names []string
	for _, d := range p.app.Tasks() {
		names = append(names, d.Name())
	}
	if contains(names, name) {
		return nil
	}
	if near := nearest(name, names); near != "" {
		return misuse(cmd, "task %q is not registered; did you mean %q? (--force sends it as it is)", name, near)
	}
	return nil
}

// input puts the JSON of the command line together.
func (f *callFlags) input(cmd *cobra.Command, positional []string) (umbel.Args, error) {
	args, kwargs, from := f.args, f.kwargs, "JSON"
	if len(positional) == 0 {
		from = "'-a' / '--args'"
	} else {
		text := strings.TrimSpace(positional[0])
		switch {
		case args != "" || kwargs != "":
			return nil, misuse(cmd, "the input was given as %s and as --args or --kwargs: give one", text)
		case strings.HasPrefix(text, "{"):
			kwargs = text
		case strings.HasPrefix(text, "["):
			args = text
		default:
			args = "[" + text + "]"
			if values, err := codec.SplitArray([]byte(args)); err != nil || len(values) != 1 {
				return nil, misuse(cmd, "Invalid value for JSON: %s is not JSON; a text is written '\"%s\"'", text, text)
			}
		}
	}
	var in umbel.Args
	if args != "" {
		values, err := codec.SplitArray([]byte(args))
		if err != nil {
			return nil, misuse(cmd, "Invalid value for %s: %s was not an array", from, args)
		}
		for _, v := range values {
			in = append(in, v)
		}
	}
	if kwargs == "" {
		return in, nil
	}
	members, err := codec.SplitObject([]byte(kwargs))
	if err != nil {
		return nil, misuse(cmd, "Invalid value for %s: %s was not an object", strings.NewReplacer("-a", "-k", "--args", "--kwargs").Replace(from), kwargs)
	}
	named := make(umbel.Kwargs, len(members))
	for _, m := range members {
		named[m.Name] = m.Value
	}
	return append(in, named), nil
}

func callOptions(cmd *cobra.Command, f *callFlags) ([]umbel.SendOption, error) {
	var o []umbel.SendOption
	changed := cmd.Flags().Changed
	if f.eta != "" {
		t, err := moment(f.eta)
		if err != nil {
			return nil, misuse(cmd, "Invalid value for '--eta': %w", err)
		}
		o = append(o, umbel.ETA(t))
	}
	if changed("countdown") {
		o = append(o, umbel.Countdown(seconds(f.countdown)))
	}
	if f.expires != "" {
		if n, err := strconv.ParseFloat(f.expires, 64); err == nil {
			o = append(o, umbel.ExpiresIn(seconds(n)))
		} else {
			t, err := moment(f.expires)
			if err != nil {
				return nil, misuse(cmd, "Invalid value for '--expires': %w, nor a number of seconds", err)
			}
			o = append(o, umbel.ExpiresAt(t))
		}
	}
	if changed("priority") {
		if f.priority < 0 || f.priority > 255 {
			return nil, misuse(cmd, "Invalid value for '--priority': %d is not between 0 and 255", f.priority)
		}
		o = append(o, umbel.Priority(uint8(f.priority)))
	}
	for _, t := range []struct {
		value  string
		option func(string) umbel.Option
	}{
		{f.serializer, umbel.Serializer}, {f.queue, umbel.Queue}, {f.exchange, umbel.Exchange}, {f.routingKey, umbel.RoutingKey},
	} {
		if t.value != "" {
			o = append(o, t.option(t.value))
		}
	}
	if f.id != "" {
		o = append(o, umbel.TaskID(f.id))
	}
	return o, nil
}

// moment reads a time. One without an offset is UTC, as in messages.
func moment(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	t, err := protocol.ParseTime(text)
	if err != nil {
		return t, fmt.Errorf("%s is not a time such as 2026-01-31T12:00:00+01:00", text)
	}
	return t, nil
}

// seconds is a duration of so many seconds.
func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// limited is ctx with a deadline n seconds from now; 0 is none.
func limited(ctx context.Context, n float64) (context.Context, context.CancelFunc) {
	if n <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, seconds(n), fmt.Errorf("no result within %g s", n))
}
