package worker

import (
	"context"
	"strings"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/control"
	"github.com/umbel-go/umbel/protocol"
)

func (p *panel) activeQueues(context.Context, arguments) (any, error) {
	out := []any{}
	for _, c := range p.worker.activeConsumers() {
		out = append(out, queueInfo(&c.queue))
	}
	return out, nil
}

// queueInfo is kombu's description of a queue.
func queueInfo(q *umbel.QueuePlan) []codec.NamedValue {
	var x broker.Exchange
	for _, e := range q.Topology.Exchanges {
		if e.Name == q.Exchange {
			x = e
		}
	}
	if x.Name == "" {
		x = broker.Exchange{Name: q.Exchange, Type: q.ExchangeType, Durable: true}
	}
	var declared broker.Queue
	for _, d := range q.Topology.Queues {
		if d.Name == q.Name {
			declared = d
		}
	}
	var binding protocol.Table
	for _, b := range q.Topology.Bindings {
		if b.Queue == q.Name && b.Source == q.Exchange {
			binding = b.Arguments
		}
	}
	return object(
		"name", q.Name,
		"exchange", object("name", x.Name, "type", x.Type, "arguments", tableOrNil(x.Arguments), "durable", x.Durable, "passive", false,
			"auto_delete", x.AutoDelete, "delivery_mode", nil, "no_declare", false),
		"routing_key", q.RoutingKey, "queue_arguments", tableOrNil(declared.Arguments), "binding_arguments", tableOrNil(binding),
		"consumer_arguments", nil, "durable", declared.Durable, "exclusive", declared.Exclusive, "auto_delete", declared.AutoDelete,
		"no_ack", false, "alias", nil, "bindings", []any{}, "no_declare", nil, "expires", nil, "message_ttl", nil, "max_length", nil,
		"max_length_bytes", nil, "max_priority", nil)
}

func tableOrNil(t protocol.Table) any {
	if len(t) == 0 {
		return nil
	}
	return t
}

func (p *panel) addConsumer(ctx context.Context, a arguments) (any, error) {
	w, name := p.worker, a.text("queue")
	if name == "" {
		return nil, control.Failf("ValueError", "add_consumer: the queue has no name")
	}
	plan, err := p.queuePlan(name, a)
	if err != nil {
		return nil, err
	}
	if err := w.addConsumer(ctx, plan); err != nil {
		return nil, err
	}
	if w.consumerOf(name) == nil {
		return control.Refused("queue " + name + " is paused: resume it"), nil
	}
	w.log.Info("consuming from one more queue", "queue", name)
	return control.Done("add consumer " + name), nil
}

// queuePlan is a queue as the settings know it, else as the command describes it: exchange and routing key are the queue's
// name unless they are given.
func (p *panel) queuePlan(name string, a arguments) (umbel.QueuePlan, error) {
	known, err := p.worker.app.RoutedQueues()
	if err != nil {
		return umbel.QueuePlan{}, err
	}
	for _, q := range known {
		if q.Name == name {
			return q, nil
		}
	}
	c := umbel.QueueConfig{Name: name, Exchange: a.text("exchange"), ExchangeType: a.text("exchange_type"), RoutingKey: a.text("routing_key")}
	if c.Exchange == "" && c.RoutingKey == "" && !a.describes() {
		return p.worker.app.QueueNamed(name)
	}
	if c.Exchange == "" {
		c.Exchange = name
	}
	if c.ExchangeType == "" {
		c.ExchangeType = broker.Direct
	}
	if c.RoutingKey == "" {
		c.RoutingKey = name
	}
	c.Durable, c.ExchangeDurable = a.optional("queue_durable", "durable"), a.optional("exchange_durable", "durable")
	c.AutoDelete, c.ExchangeAutoDelete = a.optional("queue_auto_delete", "auto_delete"), a.optional("exchange_auto_delete", "auto_delete")
	c.Exclusive = a.flag("exclusive")
	if x, _ := a.Argument("queue_arguments").Any(); x != nil {
		c.Arguments, _ = x.(map[string]any)
	}
	return p.worker.app.QueueFor(c)
}

// describes reports whether the command says how the queue is to be.
func (a arguments) describes() bool {
	for _, v := range a.Arguments {
		if strings.HasPrefix(v.Name, "queue_") || strings.HasPrefix(v.Name, "exchange_") && v.Name != "exchange_type" || v.Name == "durable" ||
			v.Name == "auto_delete" || v.Name == "exclusive" {
			return true
		}
	}
	return false
}

// optional is the first of the flags that is given.
func (a arguments) optional(names ...string) *bool {
	for _, n := range names {
		if !a.Argument(n).IsNull() {
			on := a.flag(n)
			return &on
		}
	}
	return nil
}

func (p *panel) cancelConsumer(ctx context.Context, a arguments) (any, error) {
	w, name := p.worker, a.text("queue")
	if a.flag("pause") {
		return p.pauseQueue(ctx, name)
	}
	if err := w.cancelConsumer(ctx, name); err != nil {
		return nil, err
	}
	w.log.Info("no longer consuming from a queue", "queue", name)
	return control.Done("no longer consuming from " + name), nil
}
