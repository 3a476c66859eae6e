package topology

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
