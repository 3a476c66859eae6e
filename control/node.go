package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// A Request is a command as a node got it.
type Request = protocol.ControlRequest

// NodeConfig says who listens, and what it does.
type NodeConfig struct {
	Mailbox

	// Name is the node's name, name@host. Required.
	Name string

	// Handle carries out a command that is meant for this node. What it returns is the reply; an error is replied as
	// {"error": text}, ErrNoReply not at all. It is called for one command after the other and holds up the next: it must
	// not wait for long. Required.
	Handle func(ctx context.Context, r *Request) (any, error)

	// Restored, when set, is called after commands may have been missed: the connection was lost and is back. It must not
	// block.
	Restored func()
}

// ErrNoReply is returned by a handler whose caller is not to hear of it.
var ErrNoReply = errors.New("no reply")

// A CommandError is an error as Python would show one: Class('text'). Without a class it is the text alone.
type CommandError struct{ Class, Text string }

func (e *CommandError) Error() string {
	if e.Class == "" {
		return e.Text
	}
	exc := protocol.Exception{Type: e.Class, Message: []codec.Value{codec.Of(e.Text)}}
	return exc.Repr()
}

// Failf is the error of a command, of a Python class.
func Failf(class, format string, args ...any) error {
	return &CommandError{Class: class, Text: fmt.Sprintf(format, args...)}
}

// A Node listens for commands.
type Node struct {
	config NodeConfig
	broker broker.Broker
	in     broker.Consumer
	ctx    context.Context // of handlers; ends with Close
	cancel context.CancelFunc
}

// Listen begins to listen; the caller closes the node before b. Nothing is sent while no command comes.
func Listen(ctx context.Context, b broker.Broker, c NodeConfig) (*Node, error) {
	c.Mailbox = c.withDefaults()
	n := &Node{config: c, broker: b}
	n.ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	queue := c.Name + "." + c.requests()
	err := n.consume(ctx, queue)
	if err != nil && ctx.Err() == nil && !c.Durable && !c.Shared {
		// The queue may be another worker's of the same name. Celery lets both take from one queue, so that each hears half.
		c.Log.Warn("cannot use this node's own queue for remote control; taking another name. Is there a second worker of the same name?",
			"node", c.Name, "queue", queue, "error", err)
		err = n.consume(ctx, c.Name+"."+uuid.NewString()+"."+c.requests())
	}
	if err != nil {
		n.cancel()
		return nil, fmt.Errorf("listen for control commands: %w", err)
	}
	return n, nil
}

func (n *Node) consume(ctx context.Context, queue string) (err error) {
	n.in, err = n.broker.Consume(ctx, broker.Subscription{
		Queue: queue, NoAck: true, Declare: n.config.inbox(queue, n.config.requests(), ""), Deliver: n.deliver, Notify: n.notify,
	})
	return err
}

// Close stops listening.
func (n *Node) Close(ctx context.Context) error {
	n.cancel()
	return n.in.Close(ctx)
}

// notify runs on the driver's goroutine.
func (n *Node) notify(s broker.ConsumerState, err error) {
	switch s {
	case broker.ConsumerLost:
		n.config.Log.Debug("remote control is lost; restoring it", "error", err)
	case broker.ConsumerRestored:
		if n.config.Restored != nil {
			n.config.Restored()
		}
	case broker.ConsumerFailed:
		n.config.Log.Error("remote control cannot be restored; this worker hears no commands", "error", err)
	}
}

// deliver runs on the driver's goroutine of the subscription.
func (n *Node) deliver(d *broker.Delivery) {
	log := n.config.Log
	r, err := protocol.DecodeControlRequest(&d.Envelope, n.config.Decode)
	if err != nil {
		log.Error("received a control command that cannot be read", "error", err)
		return
	}
	n.config.Clock.Adjust(r.Clock)
	if !n.meant(r) || n.ctx.Err() != nil {
		return
	}
	value, err := n.handle(r)
	switch {
	case errors.Is(err, ErrNoReply):
		return
	case err != nil:
		log.Error("control command failed", "command", r.Method, "error", err)
		value = Refused(errorText(err))
	default:
		log.Debug("control command done", "command", r.Method)
	}
	if r.Ticket != "" {
		n.reply(r, value)
	}
}

// Done is the reply of a command that did what it was told: {"ok": text}.
func Done(text string) any { return []codec.NamedValue{{Name: "ok", Value: codec.Of(text)}} }

// Refused is the reply of a command that could not: {"error": text}.
func Refused(text string) any { return []codec.NamedValue{{Name: "error", Value: codec.Of(text)}} }

// handle runs the handler, whose panic is a failure of the command alone.
func (n *Node) handle(r *Request) (value any, err error) {
	defer func() {
		if p := recover(); p != nil {
			value, err = nil, Failf("RuntimeError", "panic: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(n.ctx, handleWait)
	defer cancel()
	return n.config.Handle(ctx, r)
}

// handleWait bounds one command.
const handleWait = 30 * time.Second

func errorText(err error) string {
	var c *CommandError
	if errors.As(err, &c) {
		return c.Error()
	}
	return (&CommandError{Class: "Exception", Text: err.Error()}).Error()
}

func (n *Node) meant(r *Request) bool {
	if len(r.Destination) > 0 {
		return slices.Contains(r.Destination, n.config.Name)
	}
	if r.Matcher == "" {
		return true // as Celery: a pattern alone chooses nothing
	}
	ok, err := matches(r.Pattern, r.Matcher, n.config.Name)
	if err != nil {
		n.config.Log.Error("ignored a control command", "command", r.Method, "error", err)
	}
	return ok
}

func (n *Node) reply(r *Request, value any) {
	m := &n.config.Mailbox
	reply := &protocol.ControlReply{Node: n.config.Name, Value: codec.Of(value), Ticket: r.Ticket, Clock: m.Clock.Forward()}
	env, err := protocol.EncodeControlReply(reply, m.encode())
	if err != nil {
		m.Log.Error("cannot write the reply to a control command", "command", r.Method, "error", err)
		reply.Value = codec.Of(Refused(errorText(err)))
		if env, err = protocol.EncodeControlReply(reply, m.encode()); err != nil {
			return
		}
	}
	ctx, cancel := context.WithTimeout(n.ctx, replyWait)
	defer cancel()
	to := &broker.Message{Envelope: *env, Exchange: r.ReplyTo.Exchange, RoutingKey: r.ReplyTo.RoutingKey}
	if r.ReplyTo.Exchange != m.replies() {
		// A forged address could make workers publish anywhere.
		m.Log.Warn("control command wants its reply elsewhere than remote control replies to; not replied", "command", r.Method, "exchange", r.ReplyTo.Exchange)
		return
	}
	if err := n.broker.Publish(ctx, to); err != nil && !isUnroutable(err) { // unroutable: its caller has left
		m.Log.Warn("cannot reply to a control command", "command", r.Method, "error", err)
	}
}

// replyWait bounds the sending of one reply.
const replyWait = 10 * time.Second
