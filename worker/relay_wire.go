package worker

// What the relay's questions and answers hold.

import (
	"errors"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

func traitsTable(t broker.Traits) protocol.Table {
	return protocol.Table{"durable": t.Durable, "remote": t.Remote, "delay": t.Delay, "delay step": int64(t.DelayStep),
		"max priority": int64(t.MaxPriority), "redelivery": t.Redelivery, "virtual": t.VirtualTime}
}

func traitsOf(f fields) broker.Traits {
	return broker.Traits{Durable: f.flag("durable"), Remote: f.flag("remote"), Delay: f.flag("delay"), DelayStep: f.duration("delay step"),
		MaxPriority: int(f.number("max priority")), Redelivery: f.flag("redelivery"), VirtualTime: f.flag("virtual")}
}

func topologyTable(t broker.Topology) protocol.Table {
	var exchanges, queues, bindings []any
	for _, e := range t.Exchanges {
		exchanges = append(exchanges, protocol.Table{"name": e.Name, "type": e.Type, "durable": e.Durable, "auto delete": e.AutoDelete, "arguments": argumentsField(e.Arguments)})
	}
	for _, q := range t.Queues {
		queues = append(queues, protocol.Table{"name": q.Name, "durable": q.Durable, "exclusive": q.Exclusive, "auto delete": q.AutoDelete, "arguments": argumentsField(q.Arguments)})
	}
	for _, b := range t.Bindings {
		bindings = append(bindings, protocol.Table{"source": b.Source, "queue": b.Queue, "exchange": b.Exchange, "key": b.RoutingKey, "arguments": argumentsField(b.Arguments)})
	}
	return protocol.Table{"exchanges": exchanges, "queues": queues, "bindings": bindings}
}

func argumentsField(t protocol.Table) any {
	if t == nil {
		return nil
	}
	return t
}

func topologyOf(f fields) (t broker.Topology) {
	each := func(name string, take func(fields)) {
		for _, x := range f.list(name) {
			e, _ := x.(protocol.Table)
			take(fields(e))
		}
	}
	each("exchanges", func(f fields) {
		t.Exchanges = append(t.Exchanges, broker.Exchange{Name: f.text("name"), Type: f.text("type"), Durable: f.flag("durable"),
			AutoDelete: f.flag("auto delete"), Arguments: protocol.Table(f.table("arguments"))})
	})
	each("queues", func(f fields) {
		t.Queues = append(t.Queues, broker.Queue{Name: f.text("name"), Durable: f.flag("durable"), Exclusive: f.flag("exclusive"),
			AutoDelete: f.flag("auto delete"), Arguments: protocol.Table(f.table("arguments"))})
	})
	each("bindings", func(f fields) {
		t.Bindings = append(t.Bindings, broker.Binding{Source: f.text("source"), Queue: f.text("queue"), Exchange: f.text("exchange"),
			RoutingKey: f.text("key"), Arguments: protocol.Table(f.table("arguments"))})
	})
	return t
}

func (f fields) time(name string) time.Time { t, _ := f[name].(time.Time); return t }

// sentinels are the errors that callers tell apart, by their names on the pipe.
var sentinels = map[string]error{"not sent": broker.ErrNotSent, "unconfirmed": broker.ErrUnconfirmed, "no queue": broker.ErrNoQueue, "closed": broker.ErrClosed}

// errorField is an error of the broker's: what callers tell apart, and its text. nil for none.
func errorField(err error) any {
	if err == nil {
		return nil
	}
	t := protocol.Table{"text": err.Error()}
	var refused *broker.RefusedError
	var drift *broker.DriftError
	switch {
	case errors.As(err, &refused):
		t["kind"], t["reason"], t["exchange"], t["key"] = "refused", string(refused.Reason), refused.Exchange, refused.RoutingKey
		t["detail"], t["hint"] = refused.Detail, refused.Hint
	case errors.As(err, &drift):
		t["kind"], t["entity"], t["name"], t["detail"] = "drift", drift.Kind, drift.Name, drift.Detail
	}
	var is []any
	for name, sentinel := range sentinels {
		if errors.Is(err, sentinel) {
			is = append(is, name)
		}
	}
	t["is"] = is
	return t
}

func brokerError(f fields) error {
	if f == nil {
		return nil
	}
	e := &relayError{text: f.text("text")}
	switch f.text("kind") {
	case "refused":
		e.causes = append(e.causes, &broker.RefusedError{Reason: broker.Reason(f.text("reason")), Exchange: f.text("exchange"), RoutingKey: f.text("key"),
			Detail: f.text("detail"), Hint: f.text("hint")})
	case "drift":
		e.causes = append(e.causes, &broker.DriftError{Kind: f.text("entity"), Name: f.text("name"), Detail: f.text("detail")})
	}
	for _, name := range f.list("is") {
		if s, _ := name.(string); sentinels[s] != nil {
			e.causes = append(e.causes, sentinels[s])
		}
	}
	return e
}

// A relayError is an error of the parent's broker.
type relayError struct {
	text   string
	causes []error
}

func (e *relayError) Error() string   { return e.text }
func (e *relayError) Unwrap() []error { return e.causes }
