package protocol

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/umbel-go/umbel/codec"
)

// A ControlRequest is a command to workers, as it is broadcast. Celery: kombu/pidbox.py, Mailbox._broadcast.
type ControlRequest struct {
	Method    string
	Arguments []codec.NamedValue // in the order of the message

	// Destination names the nodes that are meant; nil is all. Without it, Pattern and Matcher ("glob" or "pcre") choose by
	// node name; "" is null.
	Destination      []string
	Pattern, Matcher string

	// Ticket and ReplyTo are set when a reply is wanted, "" otherwise.
	Ticket  string
	ReplyTo ReplyAddress

	Clock   int64     // header: the sender's logical clock
	Expires time.Time // header: when nobody waits for the reply any more; zero is never
}

// A ReplyAddress says where a reply is published.
type ReplyAddress struct{ Exchange, RoutingKey string }

// Argument is the argument of that name, null when it was not given.
func (r *ControlRequest) Argument(name string) codec.Value {
	v, _ := field(r.Arguments, name)
	return v
}

// EncodeControlRequest writes a request as Celery's client does.
func EncodeControlRequest(r *ControlRequest, o EncodeOptions) (*Envelope, error) {
	var expires any = int32(0)
	if !r.Expires.IsZero() {
		expires = float64(r.Expires.UnixMicro()) / 1e6
	}
	env := controlEnvelope(Persistent, Table{"clock": narrow(r.Clock), "expires": expires})
	if err := env.write(o, r.appendJSON); err != nil {
		return nil, fmt.Errorf("encode control command %q: %w", r.Method, err)
	}
	return env, nil
}

func controlEnvelope(mode uint8, headers Table) *Envelope {
	return &Envelope{Headers: headers, Properties: Properties{DeliveryMode: mode, HasPriority: true}}
}

func (r *ControlRequest) appendJSON(dst []byte) ([]byte, error) {
	dst = appendString(append(dst, `{"method": `...), r.Method)
	dst, err := appendObject(append(dst, `, "arguments": `...), r.Arguments)
	if err != nil {
		return nil, fmt.Errorf("arguments: %w", err)
	}
	dst = append(dst, `, "destination": `...)
	if r.Destination == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, '[')
		for i, d := range r.Destination {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendString(dst, d)
		}
		dst = append(dst, ']')
	}
	dst = appendOrNull(append(dst, `, "pattern": `...), r.Pattern)
	dst = appendOrNull(append(dst, `, "matcher": `...), r.Matcher)
	if r.Ticket != "" {
		dst = appendString(append(dst, `, "ticket": `...), r.Ticket)
		dst = appendString(append(dst, `, "reply_to": {"exchange": `...), r.ReplyTo.Exchange)
		dst = append(appendString(append(dst, `, "routing_key": `...), r.ReplyTo.RoutingKey), '}')
	}
	return append(dst, '}'), nil
}

// DecodeControlRequest reads a request. Errors are *DecodeError.
func DecodeControlRequest(env *Envelope, o DecodeOptions) (*ControlRequest, error) {
	fields, err := controlFields(env, o)
	if err != nil {
		return nil, err
	}
	r := &ControlRequest{Clock: clockOf(env)}
	if s, ok := seconds(env.Headers["expires"]); ok && s > 0 {
		r.Expires = time.Unix(0, int64(s))
	}
	for _, f := range fields {
		if err := r.read(f); err != nil {
			return nil, &DecodeError{Name: r.Method, Err: fmt.Errorf("control command: %s: %w", f.Name, err)}
		}
	}
	if r.Method == "" {
		return nil, &DecodeError{Err: errors.New("control command: it has no method")}
	}
	return r, nil
}

func (r *ControlRequest) read(f codec.NamedValue) (err error) {
	switch f.Name {
	case "method":
		r.Method, err = wantText(f.Value)
	case "arguments":
		r.Arguments, err = members(f.Value)
	case "destination":
		if f.Value.IsNull() {
			return nil
		}
		r.Destination, err = wantTexts(f.Value)
	case "pattern":
		r.Pattern, err = wantText(f.Value)
	case "matcher":
		r.Matcher, err = wantText(f.Value)
	case "ticket":
		r.Ticket, err = wantText(f.Value)
	case "reply_to":
		var to []codec.NamedValue
		if to, err = members(f.Value); err != nil {
			return err
		}
		exchange, _ := field(to, "exchange")
		key, _ := field(to, "routing_key")
		if r.ReplyTo.Exchange, err = wantText(exchange); err == nil {
			r.ReplyTo.RoutingKey, err = wantText(key)
		}
	}
	return err
}

// wantTexts reads a list of texts, or a single one; it is not nil.
func wantTexts(v codec.Value) ([]string, error) {
	if kindOf(v) == textKind {
		one, err := wantText(v)
		return []string{one}, err
	}
	items, err := elements(v)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(items))
	for i := range items {
		if out[i], err = wantText(items[i]); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return out, nil
}

// A ControlReply is one node's answer to a command.
type ControlReply struct {
	Node   string
	Value  codec.Value
	Ticket string // header: the request's
	Clock  int64  // header: the node's logical clock
}

// EncodeControlReply writes a reply as Celery's workers do.
func EncodeControlReply(r *ControlReply, o EncodeOptions) (*Envelope, error) {
	env := controlEnvelope(Transient, Table{"ticket": r.Ticket, "clock": narrow(r.Clock)})
	err := env.write(o, func(dst []byte) ([]byte, error) {
		return appendObject(dst, []codec.NamedValue{{Name: r.Node, Value: r.Value}})
	})
	if err != nil {
		return nil, fmt.Errorf("encode reply of node %q: %w", r.Node, err)
	}
	return env, nil
}

// DecodeControlReply reads a reply: a body of one member, the node's name and what it says. Errors are *DecodeError.
func DecodeControlReply(env *Envelope, o DecodeOptions) (*ControlReply, error) {
	fields, err := controlFields(env, o)
	if err != nil {
		return nil, err
	}
	if len(fields) != 1 || fields[0].Name == "" {
		return nil, &DecodeError{Err: errors.New("control reply: want an object of one member, the node's name, got " + strconv.Itoa(len(fields)))}
	}
	r := &ControlReply{Node: fields[0].Name, Value: fields[0].Value, Clock: clockOf(env)}
	r.Ticket, _ = text(env.Headers["ticket"])
	return r, nil
}

// controlFields are the members of a body.
func controlFields(env *Envelope, o DecodeOptions) ([]codec.NamedValue, error) {
	p := &env.Properties
	if err := o.Accept.Check(p.ContentType); err != nil {
		return nil, &DecodeError{Err: err}
	}
	body := env.Body
	if mime, ok := text(env.Headers["compression"]); ok && mime != "" {
		plain, err := codec.Decompress(mime, body, o.limit())
		if err != nil {
			return nil, &DecodeError{Err: err}
		}
		body = plain
	}
	if int64(len(body)) > o.limit() {
		return nil, &DecodeError{Err: fmt.Errorf("control message of %d bytes: the limit is %d", len(body), o.limit())}
	}
	v, err := codec.UnmarshalValue(p.ContentType, p.ContentEncoding, body)
	if err != nil {
		return nil, &DecodeError{Err: err}
	}
	if kind := kindOf(v); kind != objectKind {
		return nil, &DecodeError{Err: fmt.Errorf("control message is %s, want an object", kind)}
	}
	fields, err := members(v)
	if err != nil {
		return nil, &DecodeError{Err: err}
	}
	return fields, nil
}

// clockOf is the sender's logical clock, 0 when it does not say.
func clockOf(env *Envelope) int64 {
	n, _ := integer(env.Headers["clock"])
	return int64(n)
}
