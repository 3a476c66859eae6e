package topology

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/delayed"
	"github.com/umbel-go/umbel/internal/management"
	"github.com/umbel-go/umbel/protocol"
)

// Options say what a plan holds beside the queues of the settings. The zero value plans everything but policies.
type Options struct {
	// Vhost is the virtual host. Defaults to "/".
	Vhost string

	// Roles are those that get a user. Defaults to all of them.
	Roles []Role

	// Prefix begins the users' names: shop-worker. Defaults to the virtual host, or the app's name where that is "/".
	Prefix string

	// Python widens the permissions to what Celery's own programs need, which declare their queues each time: the permission to
	// configure them, which is the permission to delete them, too.
	Python bool

	// NoDelays leaves out the layout of delayed messages. Who sends one then makes it, and needs the permissions for that.
	NoDelays bool

	// MaxLength is how many messages a work queue takes before the broker refuses more: the policy "umbel". 0 plans none.
	MaxLength int
}

// A Plan is what the settings need.
type Plan struct {
	Vhost     string              `json:"vhost"`
	Users     []User              `json:"users"`
	Exchanges []Exchange          `json:"exchanges"`
	Queues    []Queue             `json:"queues"`
	Bindings  []Binding           `json:"bindings"`
	Policies  []management.Policy `json:"policies"`
	Notes     []string            `json:"notes"` // what is not in it, and why

	names names
}

// A Queue is one that shall exist.
type Queue struct {
	Name       string         `json:"name"`
	For        string         `json:"for"`  // ForTasks, ForDeadLetters or ForDelays
	Type       string         `json:"type"` // classic or quorum; "" as the broker has it by default
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"`
	Arguments  protocol.Table `json:"arguments"` // with x-queue-type where that is given
}

// What a queue is for.
const (
	ForTasks       = "tasks"
	ForDeadLetters = "dead letters"
	ForDelays      = "delays"
)

// An Exchange is one that shall exist.
type Exchange struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"`
	Arguments  protocol.Table `json:"arguments"`
}

// A Binding is one that shall exist.
type Binding struct {
	Source      string         `json:"source"`
	Destination string         `json:"destination"`
	Kind        string         `json:"destination_type"` // queue or exchange
	RoutingKey  string         `json:"routing_key"`
	Arguments   protocol.Table `json:"arguments"`
}

// names are those that permissions are made of.
type names struct {
	queues      []string // of tasks
	dead        []string // queues of dead letters
	exchanges   []string // all of queues
	sent        []string // exchanges that messages are published to by name
	deadEnds    []string // exchanges that dead letters pass
	events      string
	eventQueues string // what their names begin with
	pidbox      string
	sends       bool // tell of what they send
	rpc         bool // results come back over the broker
}

// New plans for an app's settings.
func New(app *umbel.App, o Options) (*Plan, error) {
	c, err := app.Config()
	if err != nil {
		return nil, err
	}
	queues, err := app.RoutedQueues()
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(queues, func(q umbel.QueuePlan) bool { return q.Name == c.TaskDefaultQueue }) {
		q, err := app.QueueNamed(c.TaskDefaultQueue) // of tasks without a route
		if err != nil {
			return nil, err
		}
		queues = append(queues, q)
	}
	p := &Plan{Vhost: cmp.Or(o.Vhost, "/"), Users: []User{}, Policies: []management.Policy{}, Notes: []string{}}
	p.names = names{events: c.EventExchange, eventQueues: c.EventQueuePrefix, pidbox: c.PidboxExchange(), sends: c.TaskSendSentEvent,
		rpc: strings.HasPrefix(c.ResultBackend, "rpc")}
	for _, q := range queues {
		p.addQueue(q)
	}
	for _, rule := range c.TaskRoutes {
		if x, ok := rule.Options["exchange"].(string); ok && x != "" {
			p.names.sent = addTo(p.names.sent, x)
		}
	}
	p.addExchange(broker.Exchange{Name: c.EventExchange, Type: broker.Topic, Durable: true})
	if !o.NoDelays {
		p.addDelays(cmp.Or(c.BrokerNativeDelayedDeliveryQueueType, "quorum"), queues)
	}
	if o.MaxLength > 0 && len(p.names.queues) > 0 {
		p.Policies = append(p.Policies, management.Policy{Name: "umbel", Pattern: whole(p.names.queues...), ApplyTo: "queues", Priority: 10,
			Definition: map[string]any{"max-length": o.MaxLength, "overflow": "reject-publish"}})
	}
	prefix := o.Prefix
	if prefix == "" {
		if prefix = p.Vhost; prefix == "/" {
			prefix = app.Name()
		}
	}
	roles := o.Roles
	if roles == nil {
		roles = Roles
	}
	for _, q := range p.Queues {
		if q.Type != "classic" && q.Arguments["x-max-priority"] != nil {
			p.Notes = append(p.Notes, fmt.Sprintf("queue %q has x-max-priority, which only classic queues have: where a broker makes quorum queues by default (Amazon MQ from 4.2 on) it is refused; say x-queue-type: classic, or leave task_queue_max_priority away", q.Name))
			break // one is enough: task_queue_max_priority is about all of them
		}
	}
	for _, x := range p.names.exchanges {
		if o.Python && slices.Contains(p.names.queues, x) {
			p.Notes = append(p.Notes, fmt.Sprintf("queue %q has an exchange of its own name, as Celery makes it: a Python program that may bind to the exchange may read the queue", x))
		}
	}
	for _, r := range roles {
		p.Users = append(p.Users, p.user(r, prefix, o.Python))
	}
	return p, nil
}

func addTo(list []string, name string) []string {
	if name == "" || slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}

// addQueue plans a queue, its way in and its dead end.
func (p *Plan) addQueue(q umbel.QueuePlan) {
	n := &p.names
	for _, d := range q.Topology.Queues {
		if d.Name == q.Name && (d.Exclusive || d.AutoDelete) {
			p.Notes = append(p.Notes, fmt.Sprintf("queue %q comes and goes with its consumers: it is not planned", q.Name))
			n.queues = addTo(n.queues, q.Name)
			return
		}
	}
	n.queues = addTo(n.queues, q.Name)
	if q.Exchange != "" {
		n.exchanges = addTo(n.exchanges, q.Exchange)
		if q.ExchangeType != broker.Direct {
			n.sent = addTo(n.sent, q.Exchange)
		}
	}
	if q.DeadLetter != "" {
		n.dead = addTo(n.dead, q.DeadLetter)
		n.deadEnds = addTo(n.deadEnds, q.DeadLetterExchange)
	}
	for _, t := range []broker.Topology{q.Topology, q.DeadLetterTopology} {
		for _, x := range t.Exchanges {
			p.addExchange(x)
		}
		for _, d := range t.Queues {
			what := ForTasks
			if d.Name != q.Name {
				what = ForDeadLetters
			}
			p.addDeclared(d, what)
		}
		for _, b := range t.Bindings {
			p.addBinding(b)
		}
	}
}

func (p *Plan) addDeclared(q broker.Queue, what string) {
	if slices.ContainsFunc(p.Queues, func(o Queue) bool { return o.Name == q.Name }) {
		return
	}
	kind, _ := q.Arguments["x-queue-type"].(string)
	p.Queues = append(p.Queues, Queue{Name: q.Name, For: what, Type: kind, Durable: q.Durable, AutoDelete: q.AutoDelete, Arguments: table(q.Arguments)})
}

func (p *Plan) addExchange(x broker.Exchange) {
	if !slices.ContainsFunc(p.Exchanges, func(o Exchange) bool { return o.Name == x.Name }) {
		p.Exchanges = append(p.Exchanges, Exchange{x.Name, x.Type, x.Durable, x.AutoDelete, table(x.Arguments)})
	}
}

func (p *Plan) addBinding(b broker.Binding) {
	n := Binding{Source: b.Source, Destination: b.Queue, Kind: "queue", RoutingKey: b.RoutingKey, Arguments: table(b.Arguments)}
	if b.Queue == "" {
		n.Destination, n.Kind = b.Exchange, "exchange"
	}
	if b.Source != "" && !slices.ContainsFunc(p.Bindings, n.is) {
		p.Bindings = append(p.Bindings, n)
	}
}

// is tells whether two bindings are one.
func (b *Binding) is(o Binding) bool {
	return b.Source == o.Source && b.Destination == o.Destination && b.Kind == o.Kind && b.RoutingKey == o.RoutingKey && same(b.Arguments, o.Arguments)
}

// addDelays plans the layout, and the ways out of it.
func (p *Plan) addDelays(kind string, queues []umbel.QueuePlan) {
	t := delayed.Topology(kind)
	for _, x := range t.Exchanges {
		p.addExchange(x)
	}
	for _, q := range t.Queues {
		p.addDeclared(q, ForDelays)
	}
	for _, b := range t.Bindings {
		p.addBinding(b)
	}
	for _, q := range queues {
		if !slices.ContainsFunc(p.Queues, func(o Queue) bool { return o.Name == q.Name }) {
			continue
		}
		p.addBinding(delayed.ToQueue(q.Name)) // who takes a message that is not due yet delays it under its queue's name
		if q.ExchangeType != broker.Topic {
			continue
		}
		for _, b := range q.Topology.Bindings {
			if b.Source == q.Exchange {
				for _, way := range delayed.ThroughTopic(b) {
					p.addBinding(way)
				}
			}
		}
	}
}

// table is never nil, so that JSON shows {}.
func table(t map[string]any) protocol.Table {
	if t == nil {
		return protocol.Table{}
	}
	return t
}

// same compares arguments as JSON has them: RabbitMQ's API knows one kind of number.
func same(a, b map[string]any) bool { return canonical(a) == canonical(b) }

func canonical(t map[string]any) string {
	if len(t) == 0 {
		return "{}"
	}
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Sprint(t)
	}
	var v any
	if json.Unmarshal(text, &v) != nil {
		return string(text)
	}
	text, _ = json.Marshal(v) // what was JSON a line above
	return string(text)
}

// whole is a pattern of just these names.
func whole(list ...string) string {
	if len(list) == 0 {
		return "^$"
	}
	quoted := make([]string, len(list))
	for i, name := range list {
		quoted[i] = regexp.QuoteMeta(name)
	}
	return "^(" + strings.Join(quoted, "|") + ")$"
}
