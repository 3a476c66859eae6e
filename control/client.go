package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// A Client tells workers what to do. It may be used from many goroutines.
type Client struct {
	broker  broker.Broker
	mailbox Mailbox
}

// NewClient makes a client that speaks over b, which stays its caller's.
func NewClient(b broker.Broker, m Mailbox) *Client {
	return &Client{broker: b, mailbox: m.withDefaults()}
}

// A Command is what workers are told.
type Command struct {
	Method    string
	Arguments []codec.NamedValue

	// Destination names the nodes that are meant. Defaults to all, or those that Pattern matches.
	Destination []string

	// Pattern chooses nodes by name, as Matcher reads it: "glob" (the default) or "pcre", a regular expression in Go's
	// syntax for Go's workers and Python's for theirs.
	Pattern, Matcher string

	// Timeout is how long to wait for a reply, anew after each one. Defaults to 1 s.
	Timeout time.Duration

	// Limit ends the wait after so many replies. Defaults to the number of destinations, else none.
	Limit int
}

// A Reply is what one node answered.
type Reply struct {
	Node  string
	Value codec.Value
}

// Outcome splits the reply of a control command, {"ok": text} or {"error": text}. ok is false when it is neither.
func (r Reply) Outcome() (text string, failed, ok bool) {
	var m map[string]any
	if r.Value.Decode(&m) != nil || len(m) != 1 {
		return "", false, false
	}
	if s, is := m["ok"].(string); is {
		return s, false, true
	}
	if s, is := m["error"].(string); is {
		return s, true, true
	}
	return "", false, false
}

// Failure is the text of a reply {"error": text}, "" for any other.
func (r Reply) Failure() string {
	if text, failed, _ := r.Outcome(); failed {
		return text
	}
	return ""
}

// Cast sends a command and waits for no reply. That no worker is there is no error. Celery: broadcast(reply=False).
func (c *Client) Cast(ctx context.Context, cmd Command) error {
	if err := c.broker.Declare(ctx, broker.Topology{Exchanges: c.mailbox.exchanges()}); err != nil {
		return fmt.Errorf("control command %q: %w", cmd.Method, err)
	}
	_, err := c.send(ctx, cmd, "", "")
	return err
}

// Call sends a command and returns the replies, by node name.
func (c *Client) Call(ctx context.Context, cmd Command) ([]Reply, error) {
	var out []Reply
	err := c.Each(ctx, cmd, func(r Reply) { out = append(out, r) })
	slices.SortFunc(out, func(a, b Reply) int { return strings.Compare(a.Node, b.Node) })
	return out, err
}

// Each is Call with each reply handed over as it comes, on the caller's goroutine. Ignored are replies to other requests,
// of nodes that were not asked, that cannot be read, and a second one of the same node.
func (c *Client) Each(ctx context.Context, cmd Command, f func(Reply)) error {
	m := &c.mailbox
	oid, ticket := uuid.NewString(), uuid.NewString()
	queue := oid + "." + m.replies()
	arrived := make(chan *protocol.ControlReply, repliesRoom)
	done := make(chan struct{})
	in, err := c.broker.Consume(ctx, broker.Subscription{
		Queue: queue, NoAck: true, Declare: m.inbox(queue, m.replies(), oid),
		Deliver: func(d *broker.Delivery) {
			if r := c.read(d, ticket, &cmd); r != nil {
				select {
				case arrived <- r:
				case <-done:
				}
			}
		},
	})
	if err != nil {
		return fmt.Errorf("control command %q: await replies: %w", cmd.Method, err)
	}
	defer func() {
		close(done)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
		defer cancel()
		if err := in.Close(end); err != nil {
			m.Log.Warn("cannot close the queue of replies", "queue", queue, "error", err)
		}
		if m.Durable || m.Shared {
			_ = c.broker.Delete(end, broker.Topology{Queues: []broker.Queue{{Name: queue}}}) // else x-expires ends it
		}
	}()
	reached, err := c.send(ctx, cmd, ticket, oid)
	if err != nil || !reached {
		return err
	}
	return c.collect(ctx, cmd, arrived, f)
}

// repliesRoom is how many replies may wait for the caller; then the broker keeps them.
const repliesRoom = 256

// closeWait bounds what is asked of the broker at the end.
const closeWait = 5 * time.Second

func (c *Client) collect(ctx context.Context, cmd Command, arrived <-chan *protocol.ControlReply, f func(Reply)) error {
	limit := cmd.Limit
	if limit <= 0 {
		limit = len(cmd.Destination)
	}
	silence := time.NewTimer(cmd.timeout())
	defer silence.Stop()
	seen := make(map[string]bool)
	for {
		select {
		case r := <-arrived:
			if seen[r.Node] {
				c.mailbox.Log.Warn("two workers answer to the same node name", "node", r.Node)
				continue
			}
			seen[r.Node] = true
			f(Reply{Node: r.Node, Value: r.Value})
			if len(seen) == limit {
				return nil
			}
			silence.Reset(cmd.timeout())
		case <-silence.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("control command %q: await replies: %w", cmd.Method, context.Cause(ctx))
		}
	}
}

func (cmd *Command) timeout() time.Duration {
	if cmd.Timeout <= 0 {
		return time.Second
	}
	return cmd.Timeout
}

// read is a reply to our request, or nil.
func (c *Client) read(d *broker.Delivery, ticket string, cmd *Command) *protocol.ControlReply {
	r, err := protocol.DecodeControlReply(&d.Envelope, c.mailbox.Decode)
	if err != nil {
		c.mailbox.Log.Warn("ignored a control reply that cannot be read", "error", err)
		return nil
	}
	if r.Ticket != ticket || len(cmd.Destination) > 0 && !slices.Contains(cmd.Destination, r.Node) {
		c.mailbox.Log.Warn("ignored a control reply that was not asked for", "node", r.Node)
		return nil
	}
	c.mailbox.Clock.Adjust(r.Clock)
	return r
}

// sendMost bounds the publishing of a command: a broker under an alarm takes none for as long as that lasts.
const sendMost = 10 * time.Second

// send publishes a command. reached is false when there is nobody to hear it.
func (c *Client) send(ctx context.Context, cmd Command, ticket, oid string) (reached bool, err error) {
	m := &c.mailbox
	r := &protocol.ControlRequest{Method: cmd.Method, Arguments: cmd.Arguments, Destination: cmd.Destination,
		Pattern: cmd.Pattern, Matcher: cmd.Matcher, Clock: m.Clock.Forward()}
	if len(cmd.Destination) == 0 {
		r.Destination = nil
	}
	if r.Pattern != "" && r.Matcher == "" {
		r.Matcher = Glob
	}
	if _, err := matches(r.Pattern, r.Matcher, ""); err != nil {
		return false, fmt.Errorf("control command %q: %w", cmd.Method, err)
	}
	if ticket != "" {
		r.Ticket, r.ReplyTo = ticket, protocol.ReplyAddress{Exchange: m.replies(), RoutingKey: oid}
		r.Expires = time.Now().Add(cmd.timeout())
	}
	env, err := protocol.EncodeControlRequest(r, m.encode())
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendMost)
	defer cancel()
	err = c.broker.Publish(ctx, &broker.Message{Envelope: *env, Exchange: m.requests()})
	if isUnroutable(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("control command %q: %w", cmd.Method, err)
	}
	return true, nil
}

func isUnroutable(err error) bool {
	var refused *broker.RefusedError
	return errors.As(err, &refused) && refused.Reason == broker.Unroutable
}
