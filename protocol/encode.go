package protocol

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/umbel-go/umbel/codec"
)

// EncodeTask writes a task message. With a received task it re-sends it (retry, requeue, replay): headers that others
// added survive; compression, RabbitMQ's dead-letter history and delivery counts, and the user id (which the broker
// checks against the sender's own) do not.
//
// b may be nil: a received protocol 2 body then goes out as it came, byte for byte, still compressed if it was, whatever
// o.Serializer and o.Compression say; any other task without a body has no arguments. Nothing in t changes.
// Properties: content type and encoding by serializer, delivery mode 2 unless set, correlation id = id, expiration from
// Expires unless that is more than 49 days ahead (RabbitMQ refuses it); the others as in t.Properties.
func EncodeTask(t *Task, b *Body, o EncodeOptions) (*Envelope, error) {
	env, err := encodeTask(t, b, o)
	if err != nil {
		return nil, fmt.Errorf("encode task %s[%s]: %w", t.Name, t.ID, err)
	}
	return env, nil
}

func encodeTask(t *Task, b *Body, o EncodeOptions) (*Envelope, error) {
	if err := t.sendable(); err != nil {
		return nil, err
	}
	env := &Envelope{Properties: t.Properties}
	if err := t.address(&env.Properties, o.Now); err != nil {
		return nil, err
	}
	verbatim := b == nil && t.raw != nil && t.Version == 2 && o.Protocol != 1
	if b == nil {
		if b = t.body; b == nil {
			if t.raw != nil && !verbatim {
				return nil, errors.New("its body must be decoded to be written in another form: call DecodeBody first")
			}
			b = new(Body)
		}
	}
	var err error
	switch {
	case verbatim:
		env.Headers, env.Body = t.headers(), t.raw
		if mime := t.Headers["compression"]; mime != nil {
			env.Headers["compression"] = mime
		}
	case o.Protocol == 0 || o.Protocol == 2:
		env.Headers = t.headers()
		if t.ArgsRepr == "" {
			env.Headers["argsrepr"] = codec.ReprArgs(b.Args)
		}
		if t.KwargsRepr == "" {
			env.Headers["kwargsrepr"] = codec.ReprKwargs(b.Kwargs)
		}
		err = env.write(o, b.appendJSON)
	case o.Protocol == 1:
		env.Headers = make(Table, len(t.Headers)+len(o.Extra)+1)
		t.ownHeaders(env.Headers)
		var one *oneBody
		if one, err = newOneBody(t, b); err == nil {
			err = env.write(o, one.appendJSON)
		}
	default:
		err = fmt.Errorf("unknown task protocol %d: there are 1 and 2", o.Protocol)
	}
	if err != nil {
		return nil, err
	}
	for name, v := range o.Extra {
		env.Headers[name] = v
	}
	return env, nil
}

// sendable checks what no reader could make sense of.
func (t *Task) sendable() error {
	switch {
	case t.Name == "":
		return errors.New("it has no name")
	case t.ID == "":
		return errors.New("it has no id")
	}
	for _, at := range []struct {
		field string
		time.Time
	}{{"eta", t.ETA}, {"expires", t.Expires}} {
		if year := at.Year(); !at.IsZero() && (year < 1 || year > 9999) {
			return fmt.Errorf("%s is in the year %d: Python's times end with the year 9999", at.field, year)
		}
	}
	return nil
}

// maxExpiration is what RabbitMQ takes, in milliseconds: 49 days. It refuses messages that say more, and closes the channel.
// Tasks that expire later are left to the worker, which minds the header.
const maxExpiration = 1<<32 - 1

// address fills the properties that follow from the task.
func (t *Task) address(p *Properties, now time.Time) error {
	p.CorrelationID = t.ID
	if p.DeliveryMode == 0 {
		p.DeliveryMode = Persistent
	}
	if t.raw != nil {
		p.UserID = ""
	}
	p.Expiration = ""
	if !t.Expires.IsZero() {
		if now.IsZero() {
			return errors.New("it expires, so EncodeOptions.Now is required")
		}
		if left := max(t.Expires.Sub(now).Milliseconds(), 0); left <= maxExpiration {
			p.Expiration = strconv.FormatInt(left, 10)
		}
	}
	return nil
}

// write serializes and compresses the body and sets what describes it. Other serializers say what JSON would have said,
// key order included.
func (env *Envelope) write(o EncodeOptions, appendJSON func([]byte) ([]byte, error)) error {
	body, err := appendJSON(make([]byte, 0, 256))
	if err != nil {
		return err
	}
	enc, err := serialize(body, o.Serializer)
	if err != nil {
		return err
	}
	p := &env.Properties
	p.ContentType, p.ContentEncoding, env.Body = enc.ContentType, enc.ContentEncoding, enc.Body
	if o.Compression == "" || len(env.Body) < o.CompressMin {
		return nil
	}
	mime, body, err := codec.Compress(o.Compression, env.Body)
	if err != nil {
		return err
	}
	env.Headers["compression"], env.Body = mime, body
	return nil
}

// serialize turns finished JSON into what the named serializer writes. Typed values arrive as themselves: what is an
// envelope in JSON is bytes in msgpack and a timestamp in YAML.
func serialize(text []byte, serializer string) (codec.Encoded, error) {
	switch serializer {
	case "", "json", "application/json":
		return codec.Encoded{ContentType: "application/json", ContentEncoding: "utf-8", Body: text}, nil
	}
	return codec.Marshal(serializer, codec.JSON(text))
}
