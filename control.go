package umbel

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/control"
	"github.com/umbel-go/umbel/protocol"
)

// A Control tells workers what to do while they run, Umbel's and Celery's. The methods To, Matching, Timeout and Limit
// return a changed copy. Celery: app.control, app.control.inspect().
type Control struct {
	app  *App
	to   []string
	glob string
	wait time.Duration
	most int
}

// Control speaks to the workers on this app's broker: to all of them, unless To or Matching says otherwise.
func (a *App) Control() *Control { return &Control{app: a} }

// To speaks to these nodes alone. The wait for replies ends once all have answered. Celery: destination.
func (c *Control) To(nodes ...string) *Control {
	d := *c
	d.to = slices.Clone(nodes)
	return &d
}

// Matching speaks to the nodes whose name a glob such as "high@*" matches. Celery: pattern, matcher.
func (c *Control) Matching(glob string) *Control {
	d := *c
	d.glob = glob
	return &d
}

// Timeout is how long to wait for the next reply. Defaults to 1 s. Celery: timeout.
func (c *Control) Timeout(d time.Duration) *Control {
	n := *c
	n.wait = d
	return &n
}

// Limit ends the wait after n replies. Celery: limit.
func (c *Control) Limit(n int) *Control {
	d := *c
	d.most = n
	return &d
}

// Call sends a command and returns the replies by node name: of every node that answered in time. Arguments are by
// Celery's names. Celery: broadcast(reply=True).
func (c *Control) Call(ctx context.Context, command string, args map[string]any) ([]control.Reply, error) {
	var out []control.Reply
	err := c.Each(ctx, command, args, func(r control.Reply) { out = append(out, r) })
	slices.SortFunc(out, func(a, b control.Reply) int {
		return strings.Compare(a.Node, b.Node)
	})
	return out, err
}

// Each is Call with each reply handed over as it comes, on the caller's goroutine.
func (c *Control) Each(ctx context.Context, command string, args map[string]any, f func(control.Reply)) error {
	client, err := c.app.controlClient(ctx)
	if err != nil {
		return err
	}
	return client.Each(ctx, c.command(command, args), f)
}

// Cast sends a command and waits for no reply. That no worker is there is no error. Celery: broadcast.
func (c *Control) Cast(ctx context.Context, command string, args map[string]any) error {
	client, err := c.app.controlClient(ctx)
	if err != nil {
		return err
	}
	return client.Cast(ctx, c.command(command, args))
}

func (c *Control) command(name string, args map[string]any) control.Command {
	cmd := control.Command{Method: name, Destination: c.to, Pattern: c.glob, Timeout: c.wait, Limit: c.most}
	for _, k := range slices.Sorted(maps.Keys(args)) {
		cmd.Arguments = append(cmd.Arguments, codec.NamedValue{Name: k, Value: codec.Of(args[k])})
	}
	return cmd
}

// Ping returns the names of the nodes that answer. Celery: ping.
func (c *Control) Ping(ctx context.Context) ([]string, error) {
	replies, err := c.Call(ctx, "ping", nil)
	nodes := make([]string, len(replies))
	for i, r := range replies {
		nodes[i] = r.Node
	}
	return nodes, err
}

// RateLimit changes how often a task may start on each worker; "" or "0" is without limit. Celery: rate_limit.
func (c *Control) RateLimit(ctx context.Context, task, rate string) ([]control.Reply, error) {
	return c.Call(ctx, "rate_limit", map[string]any{"task_name": task, "rate_limit": rate})
}

// TimeLimit changes the limits of a task for messages that bring none of their own; 0 is none. Celery: time_limit.
func (c *Control) TimeLimit(ctx context.Context, task string, soft, hard time.Duration) ([]control.Reply, error) {
	return c.Call(ctx, "time_limit", map[string]any{"task_name": task, "soft": secondsOrNil(soft), "hard": secondsOrNil(hard)})
}

func secondsOrNil(d time.Duration) any {
	if d <= 0 {
		return nil
	}
	return d.Seconds()
}

// AddConsumer makes workers consume a queue. One that the worker's settings do not know is made. Celery: add_consumer.
func (c *Control) AddConsumer(ctx context.Context, queue string) ([]control.Reply, error) {
	return c.Call(ctx, "add_consumer", map[string]any{"queue": queue})
}

// CancelConsumer makes workers consume a queue no more. What they hold of it still runs. Celery: cancel_consumer.
func (c *Control) CancelConsumer(ctx context.Context, queue string) ([]control.Reply, error) {
	return c.Call(ctx, "cancel_consumer", map[string]any{"queue": queue})
}

// Shutdown stops workers warmly. They do not answer. Celery: shutdown.
func (c *Control) Shutdown(ctx context.Context) error { return c.Cast(ctx, "shutdown", nil) }

// controlClient speaks over the app's connection.
func (a *App) controlClient(ctx context.Context) (*control.Client, error) {
	l, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	return control.NewClient(l.broker, a.mailbox(l.plan)), nil
}

// Mailbox is what the settings say about remote control. Workers call it.
func (a *App) Mailbox() (control.Mailbox, error) {
	p, err := a.ready()
	if err != nil {
		return control.Mailbox{}, err
	}
	return a.mailbox(p), nil
}

func (a *App) mailbox(p *plan) control.Mailbox {
	c := p.config
	return control.Mailbox{
		Exchange: c.ControlExchange, QueueTTL: c.ControlQueueTTL, QueueExpires: c.ControlQueueExpires,
		Durable: c.ControlQueueDurable, Shared: !deref(c.ControlQueueExclusive, true), Serializer: c.TaskSerializer,
		Decode: protocol.DecodeOptions{Accept: p.accept, Limit: c.AcceptDecompressedBytes}, Clock: &a.clock, Log: a.Logger(),
	}
}

// A ControlFunc carries out a command of your own on a worker. What it returns is the reply; an error is replied as
// {"error": text}. It holds up other commands while it runs, so it must be done soon.
type ControlFunc func(ctx context.Context, args ControlArgs) (any, error)

// ControlArgs are the arguments of a command by name.
type ControlArgs []codec.NamedValue

// Decode reads the arguments into a struct by the json names of its fields, or into a map.
func (a ControlArgs) Decode(dst any) error {
	if a == nil {
		a = ControlArgs{}
	}
	return codec.Of([]codec.NamedValue(a)).Decode(dst)
}

// A ControlCommand is a command of your own.
type ControlCommand struct {
	Name    string
	Summary string   // a line for people
	Args    []string // names of the arguments, in the order in which the command line takes them
	Inspect bool     // it changes nothing: it stands under inspect, not under control
	Func    ControlFunc
}

// HandleControl makes a command known to the workers of this app. It panics when the name is empty or taken, and must not
// be called once a worker runs. Celery: @control_command, @inspect_command.
func (a *App) HandleControl(c ControlCommand) {
	if c.Name == "" || c.Func == nil {
		panic("umbel: a control command needs a name and a function")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, dup := a.commands[c.Name]; dup {
		panic(fmt.Sprintf("umbel: control command %q is registered twice", c.Name))
	}
	if a.commands == nil {
		a.commands = make(map[string]ControlCommand)
	}
	a.commands[c.Name] = c
}

// ControlCommands are the app's own commands by name.
func (a *App) ControlCommands() []ControlCommand {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]ControlCommand, 0, len(a.commands))
	for _, name := range slices.Sorted(maps.Keys(a.commands)) {
		out = append(out, a.commands[name])
	}
	return out
}
