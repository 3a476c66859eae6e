package setting

import (
	"strings"
	"time"
)

// A Queue is one entry of task_queues.
type Queue struct {
	Name                                string
	Exchange, ExchangeType, RoutingKey  string
	Arguments                           map[string]any
	ExchangeArguments, BindingArguments map[string]any
	Durable, ExchangeDurable            *bool
	AutoDelete, ExchangeAutoDelete      *bool
	Exclusive                           bool
	DeliveryMode                        uint8
	DeadLetter                          string
	RateLimit                           string
	RateScope                           RateScope
	Weight                              int
}

// A RateScope is worker or cluster; "" is worker.
type RateScope string

// queueOptions are the keys of a queue's map.
var queueOptions = []string{
	"name", "exchange", "exchange_type", "routing_key", "binding_key", "queue_arguments", "arguments", "exchange_arguments",
	"binding_arguments", "durable", "queue_durable", "exchange_durable", "auto_delete", "queue_auto_delete",
	"exchange_auto_delete", "exclusive", "expires", "message_ttl", "max_length", "max_length_bytes", "max_priority",
	"delivery_mode", "dead_letter", "rate_limit", "rate_scope", "weight",
}

// queues reads task_queues: a map of name to options, or a list of maps with a name, or of names.
func (r *reader) queues(n *Node) any {
	var out []Queue
	seen := make(map[string]bool)
	add := func(q Queue, at *Node) {
		switch {
		case q.Name == "":
			r.fail(at, "a queue has no name")
		case seen[q.Name]:
			r.fail(at, "queue %q is declared twice", q.Name)
		default:
			seen[q.Name] = true
			out = append(out, q)
		}
	}
	switch n.Kind {
	case Mapping:
		for _, m := range n.Members {
			q := r.queue(m.Name, m.Value)
			if q.RoutingKey == "" {
				q.RoutingKey = m.Name // as in Celery, in the map form only
			}
			add(q, &Node{Place: m.Place})
		}
	case List:
		for _, item := range n.Items {
			if item.scalar() && item.Kind != Boolean {
				add(Queue{Name: item.Text}, item)
				continue
			}
			if item.Kind != Mapping {
				r.want(item, "a queue: write its name, or a map with a name")
				continue
			}
			name := ""
			for _, m := range item.Members {
				if m.Name == "name" {
					name = m.Value.Text
				}
			}
			add(r.queue(name, item), item)
		}
	default:
		r.want(n, "a map of queue name to options, or a list of queues")
		return nil
	}
	return out
}

func (r *reader) queue(name string, n *Node) Queue {
	q := Queue{Name: name}
	if n.Kind == Null {
		return q
	}
	if n.Kind != Mapping {
		r.fail(n, "queue %q: %s is not a map of options", name, n.says(false))
		return q
	}
	var arguments map[string]any
	argument := func(name string, v any) {
		if arguments == nil {
			arguments = make(map[string]any)
		}
		arguments[name] = v
	}
	for _, m := range n.Members {
		v := m.Value
		if v.null() {
			continue
		}
		switch o := (option{r, name, m.Name, v}); m.Name {
		case "name":
			o.text()
		case "exchange":
			if v.Kind == Mapping {
				r.exchange(&q, v)
			} else {
				q.Exchange = o.text()
			}
		case "exchange_type":
			q.ExchangeType = o.text()
		case "routing_key":
			q.RoutingKey = o.text()
		case "binding_key":
			if q.RoutingKey == "" {
				q.RoutingKey = o.text()
			}
		case "queue_arguments", "arguments":
			q.Arguments = o.table()
		case "exchange_arguments":
			q.ExchangeArguments = o.table()
		case "binding_arguments":
			q.BindingArguments = o.table()
		case "durable":
			d := o.boolean()
			q.Durable = first(q.Durable, d)
			q.ExchangeDurable = first(q.ExchangeDurable, d)
		case "queue_durable":
			q.Durable = o.boolean()
		case "exchange_durable":
			q.ExchangeDurable = o.boolean()
		case "auto_delete":
			d := o.boolean()
			q.AutoDelete = first(q.AutoDelete, d)
			q.ExchangeAutoDelete = first(q.ExchangeAutoDelete, d)
		case "queue_auto_delete":
			q.AutoDelete = o.boolean()
		case "exchange_auto_delete":
			q.ExchangeAutoDelete = o.boolean()
		case "exclusive":
			q.Exclusive = *first(o.boolean(), new(false))
		case "expires":
			argument("x-expires", o.milliseconds())
		case "message_ttl":
			argument("x-message-ttl", o.milliseconds())
		case "max_length":
			argument("x-max-length", o.count(0))
		case "max_length_bytes":
			argument("x-max-length-bytes", o.count(0))
		case "max_priority":
			argument("x-max-priority", o.count(255))
		case "delivery_mode":
			mode, _ := r.delivery(v)
			q.DeliveryMode = uint8(mode)
		case "dead_letter":
			if v.Kind != Boolean {
				q.DeadLetter = o.text()
			} else if *first(o.boolean(), new(false)) {
				q.DeadLetter = name + ".dlq"
			}
		case "rate_limit":
			q.RateLimit = o.text()
		case "rate_scope":
			if q.RateScope = RateScope(o.text()); q.RateScope != "worker" && q.RateScope != "cluster" {
				o.want("worker or cluster")
			}
		case "weight":
			if q.Weight = int(o.count(1000)); q.Weight == 0 {
				o.want("a whole number from 1 to 1000")
			}
		default:
			r.unknownOption("queue "+name, m, queueOptions)
		}
	}
	for k, v := range arguments { // the convenient names win over what they stand for, as in Celery
		if q.Arguments == nil {
			q.Arguments = make(map[string]any)
		}
		q.Arguments[k] = v
	}
	return q
}

// exchange reads an exchange written as a map.
func (r *reader) exchange(q *Queue, n *Node) {
	for _, m := range n.Members {
		switch o := (option{r, q.Name, "exchange." + m.Name, m.Value}); m.Name {
		case "name":
			q.Exchange = o.text()
		case "type":
			q.ExchangeType = o.text()
		case "durable":
			q.ExchangeDurable = o.boolean()
		case "auto_delete":
			q.ExchangeAutoDelete = o.boolean()
		case "arguments":
			q.ExchangeArguments = o.table()
		case "delivery_mode":
			mode, _ := r.delivery(m.Value)
			q.DeliveryMode = uint8(mode)
		default:
			r.unknownOption("queue "+q.Name, m, []string{"name", "type", "durable", "auto_delete", "arguments", "delivery_mode"})
		}
	}
}

func (r *reader) unknownOption(of string, m Member, known []string) {
	text := of + ": unknown option " + m.Name
	if near := Nearest(m.Name, known); near != "" {
		text += ": did you mean " + near + "?"
	} else {
		text += ": known are " + strings.Join(known, ", ")
	}
	r.fail(&Node{Place: m.Place}, "%s", text)
}

func first(a, b *bool) *bool {
	if a != nil {
		return a
	}
	return b
}

// An option is one key of a queue while it is read.
type option struct {
	r     *reader
	queue string
	name  string
	node  *Node
}

func (o option) want(what string) {
	o.r.fail(o.node, "queue %q: %s: %s is not %s", o.queue, o.name, o.node.says(false), what)
}

func (o option) text() string {
	if !o.node.scalar() || o.node.Kind == Boolean {
		o.want("text")
	}
	return o.node.Text
}

func (o option) boolean() *bool {
	if o.node.Kind == Boolean || o.node.Kind == Integer {
		switch strings.ToLower(o.node.Text) {
		case "true", "1":
			return new(true)
		case "false", "0":
			return new(false)
		}
	}
	o.want("true or false")
	return nil
}

func (o option) table() map[string]any {
	if o.node.Kind != Mapping {
		o.want("a map")
		return nil
	}
	return plain(o.node).(map[string]any)
}

// milliseconds reads seconds, for arguments that RabbitMQ counts in whole milliseconds.
func (o option) milliseconds() int64 {
	f, ok := number(o.node)
	if !ok {
		if d, err := time.ParseDuration(o.node.Text); err == nil && o.node.scalar() {
			f, ok = d.Seconds(), true
		}
	}
	if !ok || f < 0 || f > 1e12 {
		o.want("a number of seconds")
		return 0
	}
	return int64(f * 1000)
}

func (o option) count(most int64) int64 {
	f, ok := number(o.node)
	if !ok || f < 0 || f > 1<<53 || f != float64(int64(f)) || most > 0 && int64(f) > most {
		o.want("a whole number in range")
		return 0
	}
	return int64(f)
}

// Plain is the queue as a settings file holds it.
func (q Queue) Plain() map[string]any {
	m := map[string]any{"name": q.Name}
	for key, v := range map[string]string{"exchange": q.Exchange, "exchange_type": q.ExchangeType, "routing_key": q.RoutingKey} {
		if v != "" {
			m[key] = v
		}
	}
	for key, v := range map[string]map[string]any{"queue_arguments": q.Arguments, "exchange_arguments": q.ExchangeArguments,
		"binding_arguments": q.BindingArguments} {
		if len(v) > 0 {
			m[key] = v
		}
	}
	for key, v := range map[string]*bool{"queue_durable": q.Durable, "exchange_durable": q.ExchangeDurable,
		"queue_auto_delete": q.AutoDelete, "exchange_auto_delete": q.ExchangeAutoDelete} {
		if v != nil {
			m[key] = *v
		}
	}
	if q.Exclusive {
		m["exclusive"] = true
	}
	if q.DeliveryMode != 0 {
		m["delivery_mode"] = q.DeliveryMode
	}
	if q.DeadLetter != "" {
		m["dead_letter"] = q.DeadLetter
	}
	if q.RateLimit != "" {
		m["rate_limit"] = q.RateLimit
	}
	if q.RateScope != "" {
		m["rate_scope"] = string(q.RateScope)
	}
	if q.Weight != 0 {
		m["weight"] = q.Weight
	}
	return m
}
