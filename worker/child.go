package worker

// A child process of a worker: the same program, which came to Run again. It connects to nothing by itself; it runs one task
// at a time for its parent, who has the deliveries, stores the results and publishes what follows.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/procpool"
	"github.com/umbel-go/umbel/protocol"
)

// InChild reports whether this process is a child of a worker whose pool is "process": the same program with the same
// arguments, started to run tasks for it. A program may leave out then what only one process should do, such as opening
// ports or migrating tables; it must come to the same Run.
func InChild() bool {
	_, is := procpool.InChild()
	return is
}

// A child runs tasks for its parent.
type child struct{ worker *Worker }

// serveParent is Run in a child.
func (w *Worker) serveParent(pool string) error {
	parent := procpool.Parent()
	if pool != w.node {
		<-parent.Ended() // a child of another worker of this program
		return nil
	}
	if err := w.learn(); err != nil {
		return err
	}
	w.app.DialBroker(func(ctx context.Context, c broker.Config) (broker.Broker, error) { return openRelay(ctx, parent, c) })
	c := &child{worker: w}
	return parent.Serve(c.do)
}

// do runs one task.
func (c *child) do(call *procpool.Call, payload []byte) []byte {
	o := c.run(call, payload)
	b, err := o.encode()
	if err == nil && len(b) > procpool.MaxPayload {
		err = fmt.Errorf("the result is %d bytes large: %w", len(b), procpool.ErrTooLarge)
	}
	if err != nil {
		b, _ = (&outcome{Outcome: umbel.Outcome{State: umbel.Failure, Err: &umbel.ReturnError{Err: err}, Runtime: o.Runtime}, children: o.children}).encode()
	}
	return b
}

func (c *child) run(call *procpool.Call, payload []byte) *outcome {
	w := c.worker
	failed := func(err error) *outcome { return &outcome{Outcome: umbel.Outcome{State: umbel.Failure, Err: err}} }
	order, err := decodeOrder(payload)
	if err != nil {
		return failed(fmt.Errorf("read an order of the parent process: %w", err))
	}
	t, err := protocol.DecodeTask(&order.message.Envelope, w.decode)
	if err != nil {
		return failed(err)
	}
	body, err := t.DecodeBody(w.decode)
	if err != nil {
		return failed(err)
	}
	k := w.tasks[t.Name]
	if k == nil {
		return failed(fmt.Errorf("task %q is not registered in the child process: its program registers other tasks when it is started again", t.Name))
	}
	r := umbel.NewRequest(t, func(ctx context.Context, r *umbel.Request, state umbel.State, meta any) error {
		return c.report(ctx, call, &report{state: state, meta: codec.Of(meta), children: r.Children()})
	})
	r.Queue, r.Exchange, r.RoutingKey = order.queue, order.message.Exchange, order.message.RoutingKey
	r.Redelivered, r.Hostname, r.SoftTimeLimit, r.TimeLimit = order.redelivered, w.node, order.soft, order.hard

	if order.wantsValue {
		r.EncodeReturn(w.encode)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go func() {
		select {
		case why := <-call.Told():
			cancel(causeNamed(string(why)))
		case <-ctx.Done():
		}
	}()
	o := w.app.Execute(ctx, k.def, r, body)
	return &outcome{Outcome: *o, children: r.Children(), carrier: r.Carrier()}
}

// report has a state stored by the parent, so that none is stored after the task's end.
func (c *child) report(ctx context.Context, call *procpool.Call, r *report) error {
	b, err := r.encode()
	if err != nil {
		return err
	}
	answer, err := call.Ask(ctx, b)
	if errors.Is(err, procpool.ErrOver) {
		return umbel.ErrTaskEnded
	} else if err != nil {
		return err
	}
	f, err := readFields(answer)
	if err != nil {
		return err
	}
	switch {
	case f.flag("no backend"):
		return umbel.ErrNoBackend
	case f.flag("ended"):
		return umbel.ErrTaskEnded
	case f["error"] != nil:
		return errors.New(f.text("error"))
	}
	return nil
}

// causes are why a task's context ends, by their names on the pipe.
var causes = map[string]error{"shutdown": umbel.ErrShutdown, "revoked": umbel.ErrRevoked, "soft limit": umbel.ErrSoftTimeLimit, "time limit": umbel.ErrTimeLimit}

func causeNamed(name string) error {
	if cause := causes[name]; cause != nil {
		return cause
	}
	return errors.New(name)
}

func causeName(err error) string {
	for name, cause := range causes {
		if errors.Is(err, cause) {
			return name
		}
	}
	return err.Error()
}

// relayed bounds what the parent does for a child that gives no deadline.
const relayed = time.Minute
