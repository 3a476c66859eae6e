package topology

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/management"
)

// Moving a queue whose arguments must change. RabbitMQ cannot change them, so that the queue is made anew, under its own name:
//
//	        record ──► its bindings, as arguments of an exchange that nobody sends to
//	queue ─ drain ───► queue.umbel-moving      each message is confirmed there before it is acked here
//	        delete     only if it is empty and nobody consumes it, which the broker checks
//	        declare ─► queue, as planned
//	        bind       as recorded, and as planned
//	queue ◄─ refill ─  queue.umbel-moving
//	        clear      the holding queue, once it is empty, and the record
//
// What stands at the broker tells where a run that was killed has come to: the next one goes on there. A message is in one of the
// two queues at every moment, and in both if the run was killed between a confirm and an ack.
//
// Nobody may send to a queue that is deleted: RabbitMQ confirms what was on its way to one (seen on 3.10), and drops it. A queue
// whose senders cannot be stopped is moved to another name, where nothing is ever deleted under them.

// A Step is one of a move.
type Step string

const (
	Record  Step = "record"
	Hold    Step = "hold"
	Drain   Step = "drain"
	Remove  Step = "delete"
	Declare Step = "declare"
	Bind    Step = "bind"
	Refill  Step = "refill"
	Clear   Step = "clear"
	Unbind  Step = "unbind" // of a move to another name
	Copied  Step = "copied" // a batch is confirmed, and not yet acked
)

// MoveOptions say how a queue is moved.
type MoveOptions struct {
	// To is another name for the new queue: the messages go there, and the bindings. Whoever sends straight to the old one goes on
	// doing so until its settings change; run it again then. "": the queue keeps its name.
	To string

	// Delete removes the old queue of a move to another name, when it is empty and nobody consumes it. It needs Quiet.
	Delete bool

	// Quiet says that nobody sends to the queue. Only then is it moved under its own name, or deleted.
	Quiet bool

	// DryRun tells the steps, and does nothing.
	DryRun bool

	// Step is told of each step before it is taken, and of each batch; an error ends the move there. nil: nobody.
	Step func(s Step, what string) error
}

// ErrSenders says that a queue cannot be deleted, because somebody may send to it.
var ErrSenders = errors.New("RabbitMQ confirms and drops what is sent to a queue at the moment it is deleted: stop its senders and say so (--senders-stopped), or move it to another name (--to)")

// ErrConsumed says that a queue cannot be deleted, because somebody consumes it.
var ErrConsumed = errors.New("the queue has consumers: stop its workers, or take it from them (umbel control cancel_consumer), and begin again")

// Moved is what a move has done.
type Moved struct {
	Drained  int  `json:"drained"`  // messages out of the old queue
	Refilled int  `json:"refilled"` // and into the new one
	Done     bool `json:"done"`     // nothing is left to do
}

// movingSuffix ends the name of the holding queue, and of the record.
const movingSuffix = ".umbel-moving"

// recordKey is the argument of the record that holds the bindings.
const recordKey = "umbel-bindings"

type move struct {
	plan   *Plan
	want   Queue
	broker broker.Broker
	api    *management.Client
	opts   MoveOptions
	moved  Moved
}

// Move moves a queue of the plan that exists with other arguments, or goes on with a move that was interrupted.
func (p *Plan) Move(ctx context.Context, b broker.Broker, m *management.Client, queue string, o MoveOptions) (Moved, error) {
	i := slices.IndexFunc(p.Queues, func(q Queue) bool { return q.Name == queue })
	if i < 0 {
		return Moved{}, fmt.Errorf("queue %q is none of the settings: what it shall become is not known", queue)
	}
	if p.Queues[i].For == ForDelays {
		return Moved{}, fmt.Errorf("queue %q belongs to the delays: both types serve, and its messages cannot be taken out in their time", queue)
	}
	v := &move{plan: p, want: p.Queues[i], broker: b, api: m, opts: o}
	var err error
	if o.To != "" && o.To != queue {
		err = v.elsewhere(ctx)
	} else {
		err = v.anew(ctx)
	}
	v.moved.Done = err == nil && !o.DryRun
	return v.moved, err
}

// step tells of a step; do is false in a dry run.
func (v *move) step(s Step, format string, args ...any) (do bool, err error) {
	if v.opts.Step != nil {
		if err := v.opts.Step(s, fmt.Sprintf(format, args...)); err != nil {
			return false, err
		}
	}
	return !v.opts.DryRun, nil
}

func (v *move) moving() string { return v.want.Name + movingSuffix }

// find looks for a queue; nil when there is none.
func (v *move) find(ctx context.Context, name string) (*management.Queue, error) {
	q, err := v.api.Queue(ctx, name)
	if management.IsMissing(err) {
		return nil, nil
	}
	return &q, err
}

// asWanted reports whether a queue is what it shall become.
func (v *move) asWanted(ctx context.Context, q *management.Queue) (bool, error) {
	kind := v.want.Type
	if kind == "" {
		l, err := look(ctx, v.api)
		if err != nil {
			return false, err
		}
		kind = l.defaultType
	}
	return describe(q.Type, q.Durable, q.AutoDelete, q.Arguments) == describe(kind, v.want.Durable, v.want.AutoDelete, v.want.Arguments), nil
}

// anew is a move under the same name.
func (v *move) anew(ctx context.Context) error {
	for range 10 { // rounds: what came back after emptying is drained in another one
		old, err := v.find(ctx, v.want.Name)
		if err != nil {
			return err
		}
		holding, err := v.find(ctx, v.moving())
		if err != nil {
			return err
		}
		if old == nil && holding == nil {
			return fmt.Errorf("queue %q does not exist: umbel topology apply makes it", v.want.Name)
		}
		if old == nil {
			return v.rebuild(ctx, true)
		}
		done, err := v.asWanted(ctx, old)
		if err != nil {
			return err
		}
		if done {
			if holding == nil {
				return v.clear(ctx)
			}
			return v.rebuild(ctx, false)
		}
		gone, err := v.empty(ctx, old, holding == nil)
		switch {
		case err != nil:
			return err
		case gone:
			return v.rebuild(ctx, true)
		}
	}
	return fmt.Errorf("queue %q does not get empty: somebody still sends to it", v.want.Name)
}

// empty takes all out of the queue and deletes it; gone is false when something came in between.
func (v *move) empty(ctx context.Context, old *management.Queue, first bool) (gone bool, err error) {
	if old.Exclusive || old.AutoDelete {
		return false, fmt.Errorf("queue %q comes and goes with its connection or its consumers: it cannot be moved", old.Name)
	}
	if !v.opts.Quiet && !v.opts.DryRun {
		return false, fmt.Errorf("queue %q: %w", old.Name, ErrSenders)
	}
	s, err := v.broker.Stat(ctx, old.Name)
	if err != nil {
		return false, err
	}
	if s.Consumers > 0 {
		return false, fmt.Errorf("queue %q: %w", old.Name, ErrConsumed)
	}
	if first {
		if err := v.hold(ctx, old); err != nil {
			return false, err
		}
	}
	do, err := v.step(Drain, "%d messages of %s, into %s", s.Ready, old.Name, v.moving())
	if err != nil {
		return false, err
	}
	if do {
		n, err := v.copyAll(ctx, old.Name, v.moving())
		v.moved.Drained += n
		if err != nil {
			return false, err
		}
	}
	if do, err = v.step(Remove, "%s (%s), if it is empty and has no consumers", old.Name, describe(old.Type, old.Durable, old.AutoDelete, old.Arguments)); err != nil || !do {
		return true, err
	}
	return v.remove(ctx, old.Name, old.Type)
}

// remove deletes a queue that is empty and not consumed; false when it is not empty.
func (v *move) remove(ctx context.Context, name, kind string) (bool, error) {
	err := v.api.DeleteQueue(ctx, name, kind != "quorum")
	var refused *management.Error
	if errors.As(err, &refused) && refused.Status == 400 {
		s, statErr := v.broker.Stat(ctx, name)
		switch {
		case statErr != nil:
			return false, errors.Join(err, statErr)
		case s.Consumers > 0:
			return false, fmt.Errorf("queue %q: %w", name, ErrConsumed)
		}
		return false, nil
	}
	return err == nil, err
}

// hold makes the record, and the holding queue.
func (v *move) hold(ctx context.Context, old *management.Queue) error {
	bindings, err := v.bindings(ctx, old.Name)
	if err != nil {
		return err
	}
	text, err := json.Marshal(bindings)
	if err != nil {
		return err
	}
	do, err := v.step(Record, "%d bindings of %s", len(bindings), old.Name)
	if err != nil {
		return err
	}
	if do {
		// Asked first: one that an earlier run has made stays as it is.
		err := v.api.Get(ctx, new(any), "exchanges", v.api.Vhost(), v.moving())
		if management.IsMissing(err) {
			err = v.api.Put(ctx, map[string]any{"type": broker.Fanout, "durable": true, "internal": true, "arguments": map[string]any{recordKey: string(text)}}, "exchanges", v.api.Vhost(), v.moving())
		}
		if err != nil {
			return err
		}
	}
	kind := v.want.Type
	if kind == "" {
		kind = old.Type
	}
	do, err = v.step(Hold, "%s (%s)", v.moving(), kind)
	if err != nil || !do {
		return err
	}
	return v.api.Put(ctx, map[string]any{"durable": true, "arguments": map[string]any{"x-queue-type": kind}}, "queues", v.api.Vhost(), v.moving())
}

// bindings are those of a queue that somebody has made.
func (v *move) bindings(ctx context.Context, queue string) ([]Binding, error) {
	all, err := v.api.Bindings(ctx)
	if err != nil {
		return nil, err
	}
	out := []Binding{}
	for _, b := range all {
		if b.Source != "" && b.Kind == "queue" && b.Destination == queue {
			out = append(out, Binding{b.Source, b.Destination, b.Kind, b.RoutingKey, table(b.Arguments)})
		}
	}
	return out, nil
}

// rebuild makes the queue anew and fills it.
func (v *move) rebuild(ctx context.Context, declare bool) error {
	if declare {
		do, err := v.step(Declare, "%s (%s)", v.want.Name, describe(v.want.Type, v.want.Durable, v.want.AutoDelete, v.want.Arguments))
		if err != nil {
			return err
		}
		if do {
			if err := v.declare(ctx, v.want.Name); err != nil {
				return fmt.Errorf("%w: has a program with the old settings declared it meanwhile? Give all of them the new ones, and begin again: the messages are in %s", err, v.moving())
			}
		}
	}
	do, err := v.step(Bind, "%s as before, and as planned", v.want.Name)
	if err != nil {
		return err
	}
	if do {
		if err := v.rebind(ctx); err != nil {
			return err
		}
	}
	if do, err = v.step(Refill, "%s, from the holding queue", v.want.Name); err != nil {
		return err
	}
	if do {
		n, err := v.copyAll(ctx, v.moving(), v.want.Name)
		v.moved.Refilled += n
		if err != nil {
			return err
		}
	}
	return v.clear(ctx)
}

func (v *move) declare(ctx context.Context, name string) error {
	q := v.want
	return v.api.Put(ctx, map[string]any{"durable": q.Durable, "auto_delete": q.AutoDelete, "arguments": q.Arguments}, "queues", v.api.Vhost(), name)
}

// rebind makes the recorded bindings, and those of the plan.
func (v *move) rebind(ctx context.Context) error {
	var record management.Exchange
	err := v.api.Get(ctx, &record, "exchanges", v.api.Vhost(), v.moving())
	if err != nil && !management.IsMissing(err) {
		return err
	}
	var list []Binding
	if text, ok := record.Arguments[recordKey].(string); ok {
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return fmt.Errorf("read the record of bindings in exchange %q: %w", v.moving(), err)
		}
	}
	for _, b := range v.plan.Bindings {
		if b.Kind == "queue" && b.Destination == v.want.Name && !slices.ContainsFunc(list, b.is) {
			list = append(list, b)
		}
	}
	for _, b := range list {
		err := bind(ctx, v.api, b)
		if management.IsMissing(err) { // its exchange does not exist yet, or is gone with whoever made it
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// clear removes what only the move needed.
func (v *move) clear(ctx context.Context) error {
	do, err := v.step(Clear, "%s", v.moving())
	if err != nil || !do {
		return err
	}
	holding, err := v.find(ctx, v.moving())
	if err != nil {
		return err
	}
	if holding != nil {
		s, err := v.broker.Stat(ctx, v.moving())
		if err != nil {
			return err
		}
		if s.Ready > 0 {
			return fmt.Errorf("queue %q still holds %d messages: begin again", v.moving(), s.Ready)
		}
		if _, err := v.remove(ctx, v.moving(), holding.Type); err != nil {
			return err
		}
	}
	return v.api.Delete(ctx, "exchanges", v.api.Vhost(), v.moving())
}

// elsewhere is a move to another name.
func (v *move) elsewhere(ctx context.Context) error {
	from, to := v.want.Name, v.opts.To
	if strings.HasSuffix(to, movingSuffix) {
		return fmt.Errorf("queue %q: names that end so belong to moves", to)
	}
	old, err := v.find(ctx, from)
	if err != nil {
		return err
	}
	do, err := v.step(Declare, "%s (%s)", to, describe(v.want.Type, v.want.Durable, v.want.AutoDelete, v.want.Arguments))
	if err != nil {
		return err
	}
	if do {
		if err := v.declare(ctx, to); err != nil {
			return err
		}
	}
	if old == nil {
		return nil // moved before
	}
	list, err := v.bindings(ctx, from)
	if err != nil {
		return err
	}
	for _, b := range list {
		moved := b
		moved.Destination = to
		if do, err = v.step(Bind, "%s to exchange %s by %q", to, b.Source, b.RoutingKey); err == nil && do {
			err = bind(ctx, v.api, moved)
		}
		if err != nil {
			return err
		}
		if do, err = v.step(Unbind, "%s from it", from); err == nil && do {
			err = v.unbind(ctx, b)
		}
		if err != nil {
			return err
		}
	}
	if do, err = v.step(Drain, "%d messages of %s, into %s", old.Ready, from, to); err != nil {
		return err
	}
	if do {
		copying := v.copy
		if v.opts.Quiet {
			copying = v.copyAll
		}
		n, err := copying(ctx, from, to)
		v.moved.Drained, v.moved.Refilled = n, n
		if err != nil {
			return err
		}
	}
	if !v.opts.Delete {
		return nil
	}
	if !v.opts.Quiet && !v.opts.DryRun {
		return fmt.Errorf("queue %q: %w", from, ErrSenders)
	}
	do, err = v.step(Remove, "%s, if it is empty and has no consumers", from)
	if err != nil || !do {
		return err
	}
	gone, err := v.remove(ctx, from, old.Type)
	if err == nil && !gone {
		return fmt.Errorf("queue %q has got messages meanwhile: somebody still sends to it; run it again when all have the new settings", from)
	}
	return err
}

// unbind removes a binding, which the API knows by a key of its own.
func (v *move) unbind(ctx context.Context, b Binding) error {
	var all []struct {
		RoutingKey string         `json:"routing_key"`
		Arguments  map[string]any `json:"arguments"`
		Key        string         `json:"properties_key"`
	}
	path := []string{"bindings", v.api.Vhost(), "e", b.Source, "q", b.Destination}
	if err := v.api.Get(ctx, &all, path...); err != nil {
		return err
	}
	for _, one := range all {
		if one.RoutingKey == b.RoutingKey && same(one.Arguments, b.Arguments) {
			return v.api.Delete(ctx, append(path, one.Key)...)
		}
	}
	return nil
}
