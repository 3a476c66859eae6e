package memory

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/routing"
	"github.com/umbel-go/umbel/protocol"
)

// declare creates what does not exist. The caller holds space.mu.
func (b *Broker) declare(t broker.Topology) error {
	for _, x := range t.Exchanges {
		if err := b.declareExchange(x); err != nil {
			return err
		}
	}
	for _, q := range t.Queues {
		if err := b.declareQueue(q); err != nil {
			return err
		}
	}
	for _, e := range t.Bindings {
		if err := b.bind(e); err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) declareExchange(x broker.Exchange) error {
	args, err := sealTable(x.Arguments, 0)
	if err != nil {
		return fmt.Errorf("exchange %q: argument %w", x.Name, err)
	}
	x.Arguments = args
	have, exists := b.space.exchanges[x.Name]
	switch {
	case exists:
		var diff drift
		diff.compare("type", x.Type, have.Type)
		diff.compare("durable", x.Durable, have.Durable)
		diff.compare("auto_delete", x.AutoDelete, have.AutoDelete)
		diff.tables(x.Arguments, have.Arguments)
		return diff.err("exchange", x.Name)
	case predeclared(x.Name):
		return fmt.Errorf("exchange %q: the name is the broker's own", x.Name)
	case !routing.Known(x.Type):
		return fmt.Errorf("exchange %q: type %q is unknown: use direct, topic or fanout", x.Name, x.Type)
	}
	b.space.addExchange(x)
	return nil
}

func (b *Broker) declareQueue(d broker.Queue) error {
	if d.Name == "" {
		return errors.New("queue: it has no name")
	}
	args, err := sealTable(d.Arguments, 0)
	if err != nil {
		return fmt.Errorf("queue %q: argument %w", d.Name, err)
	}
	d.Arguments = args
	if b.space.queues[d.Name] != nil {
		q, err := b.queue(d.Name) // an exclusive one may be another's
		if err != nil {
			return err
		}
		var diff drift
		diff.compare("durable", d.Durable, q.declared.Durable)
		diff.compare("exclusive", d.Exclusive, q.declared.Exclusive)
		diff.compare("auto_delete", d.AutoDelete, q.declared.AutoDelete)
		diff.tables(d.Arguments, q.declared.Arguments)
		if err := diff.err("queue", d.Name); err != nil {
			return err
		}
		q.touch(time.Now())
		return nil
	}
	r, err := readRules(d.Arguments)
	if err != nil {
		return fmt.Errorf("queue %q: %w", d.Name, err)
	}
	q := &queue{space: b.space, name: d.Name, declared: d, rules: r}
	if d.Exclusive {
		q.owner = b
	}
	b.space.queues[d.Name] = q
	q.touch(time.Now())
	return nil
}

func (b *Broker) bind(e broker.Binding) error {
	if e.Source == "" || (e.Queue == "") == (e.Exchange == "") {
		return fmt.Errorf("binding from exchange %q to queue %q, exchange %q: it needs a source that is not the default exchange, and one destination", e.Source, e.Queue, e.Exchange)
	}
	if e.Queue != "" {
		if _, err := b.queue(e.Queue); err != nil {
			return fmt.Errorf("binding from exchange %q: %w", e.Source, err)
		}
	}
	if !b.space.graph.Bind(routing.Binding{Source: e.Source, Queue: e.Queue, Exchange: e.Exchange, Key: e.RoutingKey}) {
		missing := e.Source
		if b.space.graph.HasExchange(e.Source) {
			missing = e.Exchange
		}
		return fmt.Errorf("binding from exchange %q: no such exchange %q: declare it first", e.Source, missing)
	}
	return nil
}

// drift gathers what differs between a declaration and what exists, in RabbitMQ's words.
type drift []string

func (d *drift) compare(what string, declared, have any) {
	if !reflect.DeepEqual(wide(declared), wide(have)) {
		*d = append(*d, fmt.Sprintf("inequivalent arg '%s': received %v but current is %v", what, declared, have))
	}
}

func (d *drift) tables(declared, have protocol.Table) {
	names := slices.Collect(maps.Keys(have))
	for name := range declared {
		if _, both := have[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		d.compare(name, declared[name], have[name])
	}
}

func (d *drift) err(kind, name string) error {
	if len(*d) == 0 {
		return nil
	}
	return &broker.DriftError{Kind: kind, Name: name, Detail: strings.Join(*d, "; ")}
}

// wide makes integers of any width comparable: a queue declared with int32 from here and int64 from there is the same.
func wide(v any) any {
	if n, ok := v.(int32); ok {
		return int64(n)
	}
	return v
}
