package worker

// The panel: commands of remote control, and what this worker answers. A file for each family of them.
//
//	control.Node ─► panel.handle ─► command ─► the actor whose business it is
//
// Commands run one after the other, on the driver's goroutine of the node's queue. None of them waits for the result
// store. Celery: celery/worker/control.py.

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/control"
)

type panel struct {
	worker *Worker
	node   *control.Node // nil: remote control is off
	own    map[string]umbel.ControlFunc

	samples samples // of memory
}

// A command is one command: the arguments that must be given, and what it does.
type command struct {
	required []string
	run      func(p *panel, ctx context.Context, a arguments) (any, error)
}

// commands by name. Celery's older names are there too.
var commands = map[string]command{
	"ping":      {run: (*panel).ping},
	"clock":     {run: (*panel).clock},
	"hello":     {required: []string{"from_node"}, run: (*panel).hello},
	"report":    {run: (*panel).report},
	"conf":      {run: (*panel).conf},
	"dump_conf": {run: (*panel).conf},
	"memsample": {run: (*panel).memsample},
	"memdump":   {run: (*panel).memdump},
	"election":  {run: (*panel).election},

	"stats":         {run: (*panel).stats},
	"registered":    {run: (*panel).registered},
	"dump_tasks":    {run: (*panel).registered},
	"active":        {run: (*panel).active},
	"dump_active":   {run: (*panel).active},
	"reserved":      {run: (*panel).reserved},
	"dump_reserved": {run: (*panel).reserved},
	"scheduled":     {run: (*panel).scheduled},
	"dump_schedule": {run: (*panel).scheduled},
	"query_task":    {required: []string{"ids"}, run: (*panel).queryTask},
	"revoked":       {run: (*panel).revoked},
	"dump_revoked":  {run: (*panel).revoked},

	"revoke":                    {required: []string{"task_id"}, run: (*panel).revoke},
	"terminate":                 {required: []string{"signal", "task_id"}, run: (*panel).terminate},
	"revoke_by_stamped_headers": {required: []string{"headers"}, run: (*panel).revokeStamped},

	"rate_limit": {required: []string{"task_name", "rate_limit"}, run: (*panel).rateLimit},
	"time_limit": {run: (*panel).timeLimit},

	"active_queues":   {run: (*panel).activeQueues},
	"add_consumer":    {required: []string{"queue"}, run: (*panel).addConsumer},
	"cancel_consumer": {required: []string{"queue"}, run: (*panel).cancelConsumer},
	"resume_queue":    {required: []string{"queue"}, run: (*panel).resumeQueue},

	"loglevel":   {required: []string{"level"}, run: (*panel).logLevel},
	"queue_load": {run: (*panel).queueLoad},

	"pool_grow":    {run: (*panel).poolGrow},
	"pool_shrink":  {run: (*panel).poolShrink},
	"pool_restart": {run: (*panel).poolRestart},
	"autoscale":    {run: (*panel).autoscale},
	"shutdown":     {run: (*panel).shutdown},

	"enable_events":  {run: (*panel).enableEvents},
	"disable_events": {run: (*panel).disableEvents},
	"heartbeat":      {run: (*panel).heartbeat},
}

func newPanel(w *Worker) *panel {
	p := &panel{worker: w, own: make(map[string]umbel.ControlFunc)}
	for _, c := range w.app.ControlCommands() {
		p.own[c.Name] = c.Func
	}
	return p
}

// open begins to listen, unless remote control is off.
func (p *panel) open(ctx context.Context) error {
	w := p.worker
	if !*w.settings.WorkerEnableRemoteControl {
		return nil
	}
	for name := range p.own {
		if _, ours := commands[name]; ours {
			return fmt.Errorf("worker: control command %q is one of Celery's own: give yours another name", name)
		}
	}
	mailbox, err := w.app.Mailbox()
	if err != nil {
		return err
	}
	mailbox.Log = w.log
	p.node, err = control.Listen(ctx, w.broker, control.NodeConfig{Mailbox: mailbox, Name: w.node, Handle: p.handle, Restored: w.revoked.missed})
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	return nil
}

func (p *panel) close(ctx context.Context) {
	if p.node == nil {
		return
	}
	if err := p.node.Close(ctx); err != nil {
		p.worker.log.Warn("cannot close remote control", "error", err)
	}
}

func (p *panel) handle(ctx context.Context, r *control.Request) (any, error) {
	p.worker.clock.Forward()
	c, ok := commands[r.Method]
	if !ok {
		if f := p.own[r.Method]; f != nil {
			return f(ctx, umbel.ControlArgs(r.Arguments))
		}
		return nil, control.Failf("KeyError", "%s", r.Method)
	}
	a := arguments{r}
	if err := a.require(r.Method, c.required); err != nil {
		return nil, err
	}
	return c.run(p, ctx, a)
}

// arguments are those of one command.
type arguments struct{ *control.Request }

// require says, as Python would, which arguments are missing.
func (a arguments) require(method string, names []string) error {
	var missing []string
	for _, n := range names {
		if !slices.ContainsFunc(a.Arguments, func(v codec.NamedValue) bool { return v.Name == n }) {
			missing = append(missing, "'"+n+"'")
		}
	}
	switch n := len(missing); n {
	case 0:
		return nil
	case 1:
		return control.Failf("TypeError", "%s() missing 1 required positional argument: %s", method, missing[0])
	default:
		list := strings.Join(missing[:n-1], ", ") + " and " + missing[n-1]
		if n > 2 {
			list = strings.Join(missing[:n-1], ", ") + ", and " + missing[n-1]
		}
		return control.Failf("TypeError", "%s() missing %d required positional arguments: %s", method, n, list)
	}
}

// text is an argument as text; null and what is missing are "".
func (a arguments) text(name string) string {
	switch x, _ := a.Argument(name).Any(); x := x.(type) {
	case nil:
		return ""
	case string:
		return x
	default:
		return fmt.Sprint(x)
	}
}

// texts is a list of texts, or one text alone; a text of several, as celery's command line makes it, stays one.
func (a arguments) texts(name string) []string {
	x, _ := a.Argument(name).Any()
	list, many := x.([]any)
	if !many {
		if s := a.text(name); s != "" {
			return []string{s}
		}
		return nil
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		out = append(out, fmt.Sprint(item))
	}
	return out
}

func (a arguments) flag(name string) bool {
	switch x, _ := a.Argument(name).Any(); x := x.(type) {
	case bool:
		return x
	case int64:
		return x != 0
	case string:
		return x != ""
	}
	return false
}

// number is an argument as a whole number, otherwise when it is not given.
func (a arguments) number(name string, otherwise int) (int, error) {
	v := a.Argument(name)
	if v.IsNull() {
		return otherwise, nil
	}
	var n int
	if err := v.Decode(&n); err != nil {
		return 0, control.Failf("TypeError", "%s() argument '%s': %v", a.Method, name, err)
	}
	return n, nil
}

// object is a reply whose members keep their order.
func object(pairs ...any) []codec.NamedValue {
	out := make([]codec.NamedValue, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, codec.NamedValue{Name: pairs[i].(string), Value: codec.Of(pairs[i+1])})
	}
	return out
}
