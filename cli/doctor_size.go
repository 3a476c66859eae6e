package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/amazonmq"
	"github.com/umbel-go/umbel/internal/amazonmq/account"
	"github.com/umbel-go/umbel/internal/management"
)

// fleetSize is how large a broker on Amazon MQ is, and the fleet that it has to bear.
type fleetSize struct {
	instance         string
	aws, region      string // whom to ask for the size
	workers, senders int

	need amazonmq.Need
}

func (s *fleetSize) bind(p *program, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.instance, "host-instance-type", "", "the broker's instance `TYPE` on Amazon MQ, such as mq.m7g.large")
	f.StringVar(&s.instance, "instance-type", "", "")
	_ = f.MarkHidden("instance-type")
	f.StringVar(&s.aws, "aws", "", "ask AWS for the type of the `BROKER` of this name or id; without one that of the URL")
	f.Lookup("aws").NoOptDefVal = awsOwn
	f.StringVar(&s.region, "region", "", "with --aws: its `REGION`; defaults to the SDK's, or that of the URL")
	f.IntVar(&s.workers, "workers", 0, "how many worker processes there are: `N`")
	f.IntVar(&s.senders, "senders", 0, "how many processes that only send: `N`")
	var types []string
	for _, i := range amazonmq.Instances {
		types = append(types, i.Name)
	}
	p.completeWords(cmd, "host-instance-type", types...)
}

// check says what is wrong with the flags, before anything is tried.
func (s *fleetSize) check(p *program, cmd *cobra.Command) (err error) {
	if s.instance == "" && s.aws == "" {
		if s.workers != 0 || s.senders != 0 {
			return misuse(cmd, "--workers and --senders need --host-instance-type or --aws")
		}
		return nil
	}
	if s.instance != "" && s.aws != "" {
		return misuse(cmd, "--host-instance-type and --aws: which?")
	}
	if _, found := amazonmq.FindInstance(s.instance); s.instance != "" && !found {
		return misuse(cmd, "--host-instance-type: Amazon MQ for RabbitMQ has no %s: umbel broker sizes lists them", s.instance)
	}
	s.need, err = p.fleetNeed(cmd, s.workers, s.senders, 0)
	return err
}

// A ceiling is what a broker takes at most.
type ceiling struct {
	amazonmq.Instance
	live *amazonmq.Broker // nil where only its type is known
}

// find is the ceiling of the broker at url; nil where nothing is said about it, or check says why it cannot be known.
func (s *fleetSize) find(ctx context.Context, url string) (*ceiling, *broker.Check) {
	if s.instance != "" {
		i, _ := amazonmq.FindInstance(s.instance)
		return &ceiling{Instance: i}, nil
	}
	if s.aws == "" {
		return nil, nil
	}
	fail := func(err error) (*ceiling, *broker.Check) {
		return nil, &broker.Check{Name: "aws", Err: err, Hint: "the limits of its size cannot be told; --host-instance-type names its type without AWS"}
	}
	id, region := s.aws, s.region
	if id == awsOwn {
		var err error
		if id, region, err = ownBroker(url, region); err != nil {
			return fail(err)
		}
	}
	a, err := account.Open(ctx, region)
	if err != nil {
		return fail(err)
	}
	b, err := a.Describe(ctx, id)
	if err != nil {
		return fail(err)
	}
	found := &broker.Check{Name: "aws", Found: fmt.Sprintf("%s is RabbitMQ %s on %s, %s, %s", b.Name, b.Version, b.Instance, b.Mode, b.State)}
	if err := a.Configure(ctx, b); err != nil {
		found.Doubt, found.Hint = err.Error(), "its configuration may set lower limits than those of its type"
	}
	i, known := amazonmq.FindInstance(b.Instance)
	if !known {
		found.Doubt, found.Hint = "the limits of "+b.Instance+" are not known here", "a newer umbel"
		return nil, found
	}
	return &ceiling{i, b}, found
}

// limits puts a need beside the ceiling.
func (c *ceiling) limits(n amazonmq.Need) []amazonmq.Limit {
	list := c.Limits(n)
	for i, l := range list {
		if c.live != nil {
			list[i].Most = c.live.Limit(l)
		}
	}
	return list
}

// fleet puts what a fleet needs beside the ceiling.
func (c *ceiling) fleet(n amazonmq.Need) []broker.Check {
	var out []broker.Check
	for _, l := range c.limits(n) {
		check := broker.Check{Name: "size", Found: fmt.Sprintf("%s: %s", c.Name, l)}
		switch {
		case l.Share() > 100:
			check.Err, check.Hint = fmt.Errorf("%s: %s: more than it takes", c.Name, l), "fewer processes, or a larger type: umbel broker sizes"
		case l.Share() > amazonmq.Headroom:
			check.Doubt, check.Hint = "a deployment has old and new processes connected at once: it needs twice that", "a larger type: umbel broker sizes"
		}
		out = append(out, check)
	}
	return out
}

// nearFull is the share of a limit in use that is worth a word, in percent.
const nearFull = 80

// loadCheck puts what is in use beside the ceiling, which may be nil.
func loadCheck(o management.Overview, t management.Tags, c *ceiling) broker.Check {
	in := amazonmq.Need{Connections: o.Totals.Connections, Channels: o.Totals.Channels, Queues: o.Totals.Queues}
	check := broker.Check{Name: "load", Found: fmt.Sprintf("%d connections, %d channels, %d queues in use", in.Connections, in.Channels, in.Queues)}
	if !t.SeesAll() {
		check.Found = "not known"
		check.Doubt = fmt.Sprintf("who has no more than the tag %q sees its own connections only", cmp.Or(t.String(), "none"))
		check.Hint = "the tag monitoring lets a user see how many connections, channels and queues there are"
		return check
	}
	if c == nil {
		check.Hint = "--host-instance-type, or --aws, puts them beside the limits of a size of Amazon MQ"
		return check
	}
	check.Found = c.Name + ":"
	for i, l := range c.limits(in) {
		if i > 0 {
			check.Found += ","
		}
		check.Found += " " + l.String()
		switch {
		case l.Share() >= 100:
			check.Err, check.Hint = fmt.Errorf("%s: %s are in use: no more are taken", c.Name, l), "end what is idle, or a larger type: umbel broker sizes"
		case l.Share() >= nearFull && check.Err == nil:
			check.Doubt, check.Hint = l.String()+" are in use", "a larger type: umbel broker sizes"
		}
	}
	check.Found += " in use"
	return check
}
