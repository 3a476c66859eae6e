package umbel

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// A DeadLetter is a message that failed for good, and what it says of itself.
type DeadLetter struct {
	ID       string    // of the task; "" when the message has none
	Task     string    // name; "" when it has none
	Reason   string    // a Dead… word, or the broker's; "" when it does not say
	Error    string    // type and text
	Stack    string    // traceback, where there was one
	Attempts int       // runs, retries included
	Queue    string    // it came from; "" when it does not say
	Worker   string    // node that sent it here; "" when the broker did
	Time     time.Time // of its death; zero when it does not say
	Args     string    // as the header has them: cut perhaps
	Kwargs   string

	Kept    string          // queue that keeps it
	Message *broker.Message // as it is
}

func (l *DeadLetter) name() string {
	if l.ID == "" {
		return "without id"
	}
	return fmt.Sprintf("%s[%s]", l.Task, l.ID)
}

func newDeadLetter(m *broker.Message, kept string) *DeadLetter {
	h := m.Headers
	text := func(name string) string { s, _ := h[name].(string); return s }
	l := &DeadLetter{ID: text("id"), Task: text("task"), Reason: text(HeaderDeadReason), Error: text(HeaderDeadError), Stack: text(HeaderDeadStack),
		Queue: text(HeaderDeadQueue), Worker: text(HeaderDeadWorker), Args: text("argsrepr"), Kwargs: text("kwargsrepr"),
		Attempts: int(whole(h[HeaderDeadAttempts])), Kept: kept, Message: m}
	if l.ID == "" {
		l.ID = m.Properties.CorrelationID
	}
	l.Time, _ = time.Parse(time.RFC3339, text(HeaderDeadTime))
	if l.Reason != "" {
		return l
	}
	// The broker has put it here: the newest of its deaths says why.
	if deaths, _ := h["x-death"].([]any); len(deaths) > 0 {
		if death, ok := deaths[0].(protocol.Table); ok {
			l.Reason, _ = death["reason"].(string)
			l.Queue, _ = death["queue"].(string)
			l.Time, _ = death["time"].(time.Time)
		}
	}
	if l.Attempts = int(whole(h["retries"])); l.Reason == DeadRejected {
		l.Attempts++
	}
	return l
}

// whole is a header's number, 0 if it is none.
func whole(v any) int64 {
	switch n := v.(type) {
	case int:
		return int64(n)
	case int32:
		return int64(n)
	case int64:
		return n
	}
	return 0
}

// BareHeaders is a copy of h without what brokers write about deaths and deliveries, what would route the message to further
// queues, and what Umbel notes on its way. Workers call it.
func BareHeaders(h protocol.Table) protocol.Table {
	out := make(protocol.Table, len(h)+4)
	for name, v := range h {
		switch name {
		case "x-death", "x-first-death-queue", "x-first-death-reason", "x-first-death-exchange",
			"x-last-death-queue", "x-last-death-reason", "x-last-death-exchange", "x-delivery-count", "x-acquired-count", "CC", "BCC",
			"umbel-starts", "umbel-parked", "umbel-rejected",
			HeaderDeadReason, HeaderDeadError, HeaderDeadStack, HeaderDeadAttempts, HeaderDeadQueue, HeaderDeadWorker, HeaderDeadTime:
		default:
			out[name] = v
		}
	}
	return out
}

// revived is a dead letter's message as it is sent again.
func revived(dead *broker.Message) (*broker.Message, error) {
	m := &broker.Message{Envelope: dead.Envelope}
	m.Headers = BareHeaders(dead.Headers)
	m.Properties.Expiration, m.Properties.UserID = "", ""
	if !m.Properties.Timestamp.IsZero() { // it waits from now on
		m.Properties.Timestamp = time.Now()
	}
	if _, two := m.Headers["task"]; two {
		m.Headers["retries"], m.Headers["eta"], m.Headers["expires"] = int64(0), nil, nil
		return m, nil
	}
	// Protocol 1 has them in its body.
	t, err := protocol.DecodeTask(&m.Envelope, protocol.DecodeOptions{})
	if err != nil {
		return m, nil // it goes as it came: what cannot be read here may be readable where it goes
	}
	b, err := t.DecodeBody(protocol.DecodeOptions{})
	if err != nil {
		return m, nil
	}
	t.Retries, t.ETA, t.Expires = 0, time.Time{}, time.Time{}
	env, err := protocol.EncodeTask(t, b, protocol.EncodeOptions{Protocol: 1})
	if err != nil {
		return nil, err
	}
	m.Envelope = *env
	return m, nil
}

// edited is the letter's message with its task changed by f, and what is known of its death.
func (l *DeadLetter) edited(f func(*protocol.Task, *protocol.Body) error, a *App) (*broker.Message, error) {
	p, err := a.ready()
	if err != nil {
		return nil, err
	}
	t, err := protocol.DecodeTask(&l.Message.Envelope, p.decoding())
	if err != nil {
		return nil, fmt.Errorf("dead letter %s: %w", l.name(), err)
	}
	b, err := t.DecodeBody(p.decoding())
	if err != nil {
		return nil, fmt.Errorf("dead letter %s: %w", l.name(), err)
	}
	changed := *t
	changed.Headers = maps.Clone(t.Headers)
	changed.ArgsRepr, changed.KwargsRepr = "", "" // written anew
	delete(changed.Headers, "argsrepr")
	delete(changed.Headers, "kwargsrepr")
	if err := f(&changed, b); err != nil {
		return nil, err
	}
	if changed.ID != t.ID {
		return nil, errors.New("the id of a task cannot be changed: others may wait for its result")
	}
	compression, _ := l.Message.Headers["compression"].(string)
	o := protocol.EncodeOptions{Serializer: serializerOf(l.Message.Properties.ContentType), Compression: compression, Now: time.Now(), Protocol: t.Version}
	env, err := protocol.EncodeTask(&changed, b, o)
	if err != nil {
		return nil, err
	}
	m := &broker.Message{Envelope: *env}
	m.Headers = BareHeaders(m.Headers)
	m.Properties.Expiration = ""
	at := l.Time
	if at.IsZero() {
		at = time.Now()
	}
	Dead(m.Headers, l.Reason, l.Error, l.Stack, l.Queue, l.Worker, l.Attempts, at)
	return m, nil
}

// serializerOf is what wrote a body of this type; content types that nobody knows are written as JSON.
func serializerOf(contentType string) string {
	if contentType == "" || strings.HasPrefix(contentType, "text/") {
		return "json"
	}
	return contentType
}
