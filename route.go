package umbel

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/routing"
)

// Routing: from a task's name and options to the exchange and routing key of its message.
//
//	options of the send, else of the task, else of the first rule of task_routes that matches
//	  └─ queue (task_queues, else made if task_create_missing_queues) ──► default exchange, routing key = queue's name
//	     or, when the queue's exchange is not direct ──► that exchange, routing key given or the queue's own
//	  └─ exchange and routing key both given ──► just those
//
// Celery: celery/app/routes.py, celery/app/amqp.py.

// A RouteFunc chooses publish options for a task by its name. ok false passes on to the next rule. It is asked before
// task_routes, in the order of App.RouteFunc.
type RouteFunc func(task string) (rule RouteRule, ok bool)

// A QueueNotFoundError says that a task was routed to a queue that task_queues does not have, and
// task_create_missing_queues is off.
type QueueNotFoundError struct {
	Queue string
	Known []string
}

func (e *QueueNotFoundError) Error() string {
	return fmt.Sprintf("queue %q missing from task_queues, and task_create_missing_queues is off: known are %s",
		e.Queue, strings.Join(e.Known, ", "))
}

// A queue is a queue and its way in, with all defaults filled.
type queue struct {
	config       QueueConfig
	exchange     string // "" is the default exchange
	exchangeType string
	routingKey   string
	deliveryMode uint8
	topology     broker.Topology
	dead         deadEnd
}

// A router knows queues and routes. It is safe for many goroutines.
type router struct {
	config *Config
	exact  map[string]*RouteRule
	rules  []patternRule
	funcs  []RouteFunc

	mu     sync.RWMutex
	queues map[string]*queue // by name; grows when missing queues are made
	order  []string          // configured queues, in order

	deadRoutes map[string]deadEnd // by queue, as task_routes has them
}

type patternRule struct {
	re   *regexp.Regexp
	rule *RouteRule
}

// regexPrefix marks a route pattern that is a regular expression.
const regexPrefix = "re:"

// newRouter checks everything that can be wrong with queues and routes, and reports it all at once.
func newRouter(c *Config, funcs []RouteFunc) (*router, error) {
	r := &router{config: c, exact: make(map[string]*RouteRule), funcs: funcs, queues: make(map[string]*queue)}
	var errs []error
	r.deadRoutes, errs = deadRoutes(c)
	for _, qc := range c.TaskQueues {
		if qc.Name == "" {
			errs = append(errs, errors.New("task_queues: a queue has no name"))
			continue
		}
		if _, dup := r.queues[qc.Name]; dup {
			errs = append(errs, fmt.Errorf("task_queues: queue %q is defined twice", qc.Name))
			continue
		}
		r.queues[qc.Name] = r.newQueue(qc)
		r.order = append(r.order, qc.Name)
	}
	if len(r.order) == 0 {
		name := c.TaskDefaultQueue
		r.queues[name] = r.newQueue(r.defaultQueue())
		r.order = []string{name}
	}
	for i := range c.TaskRoutes {
		rule := &c.TaskRoutes[i]
		if err := r.addRule(rule); err != nil {
			errs = append(errs, err)
		}
	}
	for i := range c.TaskRoutes {
		if err := r.checkRule(&c.TaskRoutes[i]); err != nil {
			errs = append(errs, err)
		}
	}
	return r, errors.Join(errs...)
}

func (r *router) addRule(rule *RouteRule) error {
	switch {
	case strings.HasPrefix(rule.Pattern, regexPrefix):
		re, err := regexp.Compile(rule.Pattern[len(regexPrefix):])
		if err != nil {
			return fmt.Errorf("task_routes: %q is no regular expression: %w", rule.Pattern, err)
		}
		r.rules = append(r.rules, patternRule{re, rule})
	case strings.Contains(rule.Pattern, "*"):
		r.rules = append(r.rules, patternRule{routing.Glob(rule.Pattern), rule})
	case rule.Pattern == "":
		return errors.New("task_routes: a rule has no task name")
	default:
		if _, dup := r.exact[rule.Pattern]; !dup {
			r.exact[rule.Pattern] = rule
		}
	}
	return nil
}

// rule is the first that matches the task, or nil.
func (r *router) rule(task string) *RouteRule {
	for _, f := range r.funcs {
		if rule, ok := f(task); ok {
			return &rule
		}
	}
	if rule := r.exact[task]; rule != nil {
		return rule
	}
	for _, p := range r.rules {
		if p.re.MatchString(task) {
			return p.rule
		}
	}
	return nil
}

func (r *router) defaultQueue() QueueConfig {
	q := QueueConfig{Name: r.config.TaskDefaultQueue}
	if r.config.TaskDefaultQueueType == "quorum" {
		q.Arguments = map[string]any{"x-queue-type": "quorum"}
	}
	return q
}

// newQueue fills a queue's defaults as Celery's Queues.add does.
func (r *router) newQueue(qc QueueConfig) *queue {
	c := r.config
	q := &queue{config: qc, exchange: qc.Exchange, exchangeType: qc.ExchangeType, routingKey: qc.RoutingKey, deliveryMode: qc.DeliveryMode}
	isDefault := qc.Name == c.TaskDefaultQueue
	if q.exchange == "" {
		if isDefault || len(c.TaskQueues) > 0 {
			q.exchange = c.TaskDefaultExchange
			if q.routingKey == "" {
				q.routingKey = c.TaskDefaultRoutingKey
			}
		} else {
			q.exchange = qc.Name
		}
		if q.exchangeType == "" {
			q.exchangeType = c.TaskDefaultExchangeType
		}
	}
	if q.exchangeType == "" {
		q.exchangeType = broker.Direct
	}
	if q.routingKey == "" {
		q.routingKey = qc.Name
	}
	arguments := maps.Clone(qc.Arguments)
	if n := c.TaskQueueMaxPriority; n > 0 && arguments["x-max-priority"] == nil && arguments["x-queue-type"] != "quorum" {
		if arguments == nil {
			arguments = make(map[string]any)
		}
		arguments["x-max-priority"] = n
	}
	q.dead = deadEndOf(qc, r.deadRoutes[qc.Name])
	if qc.DeadLetter != "" {
		arguments = withDeadLetter(arguments, qc.DeadLetter)
	}
	durable := deref(qc.Durable, true)
	autoDelete := deref(qc.AutoDelete, false)
	q.topology.Queues = []broker.Queue{{Name: qc.Name, Durable: durable, AutoDelete: autoDelete || qc.Exclusive,
		Exclusive: qc.Exclusive, Arguments: arguments}}
	if q.exchange != "" {
		q.topology.Exchanges = []broker.Exchange{{Name: q.exchange, Type: q.exchangeType,
			Durable: deref(qc.ExchangeDurable, durable), AutoDelete: deref(qc.ExchangeAutoDelete, autoDelete), Arguments: qc.ExchangeArguments}}
		q.topology.Bindings = []broker.Binding{{Source: q.exchange, Queue: qc.Name, RoutingKey: q.routingKey, Arguments: qc.BindingArguments}}
	}
	if qc.DeadLetter != "" {
		addDeadLetter(&q.topology, qc)
	}
	return q
}

// queue finds a queue by name, and makes it when missing queues are made.
func (r *router) queue(name string) (*queue, error) {
	r.mu.RLock()
	q := r.queues[name]
	r.mu.RUnlock()
	if q != nil {
		return q, nil
	}
	if !deref(r.config.TaskCreateMissingQueues, true) && name != r.config.TaskDefaultQueue {
		return nil, &QueueNotFoundError{Queue: name, Known: r.names()}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if q := r.queues[name]; q != nil {
		return q, nil
	}
	if len(r.queues) >= maxQueues {
		return nil, fmt.Errorf("queue %q: this app has routed to %d different queues already: is a task's id or argument used as a queue's name?", name, maxQueues)
	}
	qc := QueueConfig{Name: name, Exchange: name, ExchangeType: r.config.TaskCreateMissingQueueExchangeType, RoutingKey: name}
	if r.config.TaskCreateMissingQueueType == "quorum" {
		qc.Arguments = map[string]any{"x-queue-type": "quorum"}
	}
	if name == r.config.TaskDefaultQueue {
		qc = r.defaultQueue()
	}
	q = r.newQueue(qc)
	r.queues[name] = q
	return q, nil
}

// maxQueues bounds the queues that routing makes in one process.
const maxQueues = 100_000

func (r *router) names() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.queues))
}

// A route is where a message goes.
type route struct {
	queue      *queue // nil when exchange and routing key were given
	exchange   string
	routingKey string
}

// resolve finds where a send goes. o already has the rule's options beneath it.
func (r *router) resolve(o *sendOptions) (route, error) {
	if o.exchange != nil && o.routingKey != nil && o.queue == nil {
		return route{exchange: *o.exchange, routingKey: *o.routingKey}, nil
	}
	name := r.config.TaskDefaultQueue
	if o.queue != nil {
		name = *o.queue
	}
	q, err := r.queue(name)
	if err != nil {
		return route{}, err
	}
	rt := route{queue: q}
	switch {
	case o.exchange != nil && o.routingKey != nil:
		rt.exchange, rt.routingKey = *o.exchange, *o.routingKey
	case q.exchangeType == broker.Direct:
		rt.exchange, rt.routingKey = "", q.config.Name
		if o.exchange != nil && *o.exchange != "" {
			rt.exchange, rt.routingKey = *o.exchange, q.routingKey
		}
	default:
		rt.exchange, rt.routingKey = q.exchange, q.routingKey
		if o.exchange != nil {
			rt.exchange = *o.exchange
		}
		if o.routingKey != nil {
			rt.routingKey = *o.routingKey
		}
	}
	return rt, nil
}

// checkRule refuses a rule whose messages could reach no queue: one that names a queue, and an exchange and key that the
// queue's binding does not match. Celery publishes into the void then.
func (r *router) checkRule(rule *RouteRule) error {
	var o sendOptions
	if err := applyRule(&o, rule); err != nil {
		return err
	}
	if o.queue == nil {
		return nil
	}
	q, err := r.queue(*o.queue)
	if err != nil {
		return fmt.Errorf("task_routes: %q: %w", rule.Pattern, err)
	}
	typ, _ := rule.Options["exchange_type"].(string)
	if typ != "" && typ != q.exchangeType {
		return fmt.Errorf("task_routes: %q: exchange_type %q is not an option of a route: exchange %q of queue %q is declared as %s, "+
			"so its messages may reach no queue: define the queue with its exchange in task_queues",
			rule.Pattern, typ, q.exchange, *o.queue, q.exchangeType)
	}
	rt, err := r.resolve(&o)
	if err != nil {
		return fmt.Errorf("task_routes: %q: %w", rule.Pattern, err)
	}
	if rt.exchange == "" {
		if rt.routingKey == q.config.Name {
			return nil
		}
		return fmt.Errorf("task_routes: %q: the default exchange routes by queue name only, so routing key %q does not reach queue %q: leave out exchange and routing_key",
			rule.Pattern, rt.routingKey, *o.queue)
	}
	if rt.exchange != q.exchange {
		return nil // somebody else's exchange: the broker will say if nothing is bound
	}
	match := true
	switch q.exchangeType {
	case broker.Direct:
		match = rt.routingKey == q.routingKey
	case broker.Topic:
		match = routing.Match(q.routingKey, rt.routingKey)
	}
	if !match {
		return fmt.Errorf("task_routes: %q: routing key %q does not match the binding of queue %q to %s exchange %q, which is %q: "+
			"every message would be lost; leave out routing_key, or bind the queue with this key in task_queues",
			rule.Pattern, rt.routingKey, *o.queue, q.exchangeType, q.exchange, q.routingKey)
	}
	return nil
}

// ruleOptions are the options a route may carry.
var ruleOptions = []string{"queue", "exchange", "exchange_type", "routing_key", "priority", "serializer", "compression",
	"delivery_mode", "expires", "time_limit", "soft_time_limit", "ignore_result", "shadow"}

// applyRule puts a rule's options onto o.
func applyRule(o *sendOptions, rule *RouteRule) error {
	for _, name := range slices.Sorted(maps.Keys(rule.Options)) {
		v := rule.Options[name]
		if v == nil {
			continue
		}
		if err := applyRuleOption(o, name, v); err != nil {
			return fmt.Errorf("task_routes: %q: %w", rule.Pattern, err)
		}
	}
	return nil
}

func applyRuleOption(o *sendOptions, name string, v any) error {
	text, isText := v.(string)
	number, isNumber := toFloat(v)
	wantText := func(set func()) error {
		if !isText || text == "" {
			return fmt.Errorf("option %s: want a text, got %v", name, v)
		}
		set()
		return nil
	}
	seconds := func(set func(time.Duration)) error {
		if !isNumber || number <= 0 || number > math.MaxInt64/1e9 {
			return fmt.Errorf("option %s: want a positive number of seconds, got %v", name, v)
		}
		set(time.Duration(number * float64(time.Second)))
		return nil
	}
	switch name {
	case "queue":
		return wantText(func() { o.queue = &text })
	case "exchange":
		if text == "" && isText {
			o.exchange = &text
			return nil
		}
		return wantText(func() { o.exchange = &text })
	case "routing_key":
		return wantText(func() { o.routingKey = &text })
	case "exchange_type":
		return wantText(func() {})
	case "serializer":
		return wantText(func() { o.serializer = text })
	case "compression":
		return wantText(func() { o.compression = text })
	case "shadow":
		return wantText(func() { o.shadow = text })
	case "priority":
		if !isNumber || number < 0 || number > 255 || number != math.Trunc(number) {
			return fmt.Errorf("option priority: want a whole number from 0 to 255, got %v", v)
		}
		p := uint8(number)
		o.priority = &p
	case "delivery_mode":
		switch {
		case number == 1 && isNumber, text == "transient":
			o.deliveryMode = 1
		case number == 2 && isNumber, text == "persistent":
			o.deliveryMode = 2
		default:
			return fmt.Errorf("option delivery_mode: want 1 (transient) or 2 (persistent), got %v", v)
		}
	case "expires":
		return seconds(func(d time.Duration) { o.expiresIn = d })
	case "time_limit":
		return seconds(func(d time.Duration) { o.timeLimit = &d })
	case "soft_time_limit":
		return seconds(func(d time.Duration) { o.softTimeLimit = &d })
	case "ignore_result":
		b, ok := v.(bool)
		if !ok {
			return fmt.Errorf("option ignore_result: want true or false, got %v", v)
		}
		o.ignoreResult = &b
	case "dead_letter_exchange", "dead_letter_routing_key": // of the queue: see deadend.go
	default:
		return fmt.Errorf("unknown option %q: known are %s", name, strings.Join(ruleOptions, ", "))
	}
	return nil
}

func toFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}
