package umbel

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
)

// A plan is what follows from an app's settings without any connection: its router and what it accepts.
type plan struct {
	config *Config
	router *router
	accept codec.Accept
}

// ready works the plan out on the first call; settings cannot be replaced afterwards.
func (a *App) ready() (*plan, error) {
	if p := a.plan.Load(); p != nil {
		return p, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.plan.Load(); p != nil {
		return p, nil
	}
	c, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	accept, err := codec.NewAccept(c.AcceptContent...)
	if err != nil {
		return nil, err
	}
	r, err := newRouter(c, a.funcs)
	if err != nil {
		return nil, err
	}
	if _, told := c.loaded.set["task_routes"]; len(r.deadRoutes) > 0 && !told { // what comes from a file is told when it is read
		cmp.Or(a.log, slog.Default()).Warn("dead_letter_exchange and dead_letter_routing_key are no options of a route: Celery ignores them; workers here "+
			"keep there what fails for good. Give the queue DeadLetter, which the broker heeds as well", "queues", slices.Sorted(maps.Keys(r.deadRoutes)))
	}
	p := &plan{config: c, router: r, accept: accept}
	a.plan.Store(p)
	return p, nil
}

// Accept is what the app decodes. Celery: accept_content.
func (a *App) Accept() (codec.Accept, error) {
	p, err := a.ready()
	if err != nil {
		return codec.Accept{}, err
	}
	return p.accept, nil
}

// A QueuePlan is a queue with all defaults filled: what is declared, and how messages get in.
type QueuePlan struct {
	Name         string
	Exchange     string // "" is the default exchange
	ExchangeType string
	RoutingKey   string
	Topology     broker.Topology

	// DeadLetter is the queue that keeps what fails for good, "" for none; it is reached through DeadLetterExchange with its
	// name as routing key. DeadLetterTopology is what to declare of that end where it may be somebody else's: a failure is
	// no reason not to consume.
	DeadLetter, DeadLetterExchange string
	DeadLetterTopology             broker.Topology

	RateLimit Rate // how often tasks of the queue start; 0 is as often as they like
	RateScope RateScope

	Weight int // of the queue's turns where worker_queue_order is weighted; 0 is 1
}

// Queues are the configured queues: those of task_queues, or the default queue alone. Workers consume them unless told
// which.
func (a *App) Queues() ([]QueuePlan, error) {
	p, err := a.ready()
	if err != nil {
		return nil, err
	}
	out := make([]QueuePlan, len(p.router.order))
	for i, name := range p.router.order {
		q, err := p.router.queue(name)
		if err != nil {
			return nil, err
		}
		out[i] = q.plan()
	}
	return out, nil
}

// QueueNamed is the plan of one queue by name, made if task_create_missing_queues allows; else the error is a
// *QueueNotFoundError.
func (a *App) QueueNamed(name string) (QueuePlan, error) {
	p, err := a.ready()
	if err != nil {
		return QueuePlan{}, err
	}
	q, err := p.router.queue(name)
	if err != nil {
		return QueuePlan{}, err
	}
	return q.plan(), nil
}

// QueueOf is the queue that a task comes to when its send says nothing else: by the task's own options, RouteFunc and task_routes, or the
// default queue. It is "" where a route gives exchange and routing key in place of a queue.
func (a *App) QueueOf(task string) (string, error) {
	p, err := a.ready()
	if err != nil {
		return "", err
	}
	o, err := p.layers(context.Background(), call{name: task, def: a.definition(task)})
	if err != nil {
		return "", err
	}
	r, err := p.router.resolve(o)
	if err != nil || r.queue == nil {
		return "", err
	}
	return r.queue.config.Name, nil
}

// QueueWeighed is QueueNamed for a name that may say a weight, as the worker's option -Q does: "high=5". A queue that the
// settings know by the whole of it is that queue.
func (a *App) QueueWeighed(name string) (QueuePlan, error) {
	known, err := a.RoutedQueues()
	if err != nil {
		return QueuePlan{}, err
	}
	i := strings.LastIndexByte(name, '=')
	if i <= 0 || slices.ContainsFunc(known, func(q QueuePlan) bool { return q.Name == name }) {
		return a.QueueNamed(name)
	}
	weight, err := strconv.Atoi(name[i+1:])
	if err != nil || weight < 1 || weight > MaxQueueWeight {
		return QueuePlan{}, fmt.Errorf("queue %q: the weight behind = is not a whole number from 1 to %d", name, MaxQueueWeight)
	}
	q, err := a.QueueNamed(name[:i])
	q.Weight = weight
	return q, err
}

// QueueFor is the plan of a queue that no setting names.
func (a *App) QueueFor(c QueueConfig) (QueuePlan, error) {
	p, err := a.ready()
	if err != nil {
		return QueuePlan{}, err
	}
	return p.router.newQueue(c).plan(), nil
}

// RoutedQueues are the configured queues and those that task_routes names: every queue this app's settings speak of.
func (a *App) RoutedQueues() ([]QueuePlan, error) {
	plans, err := a.Queues()
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	for _, q := range plans {
		seen[q.Name] = true
	}
	c, err := a.Config()
	if err != nil {
		return nil, err
	}
	for _, rule := range c.TaskRoutes {
		name, _ := rule.Options["queue"].(string)
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		q, err := a.QueueNamed(name)
		if err != nil {
			return nil, err
		}
		plans = append(plans, q)
	}
	return plans, nil
}

func (q *queue) plan() QueuePlan {
	rate, _ := ParseRate(q.config.RateLimit) // Check has refused what cannot be read
	return QueuePlan{RateLimit: rate, RateScope: q.config.RateScope, Name: q.config.Name, Exchange: q.exchange, ExchangeType: q.exchangeType, RoutingKey: q.routingKey,
		Topology: q.topology, DeadLetter: q.dead.queue, DeadLetterExchange: q.dead.exchange, DeadLetterTopology: q.dead.topology, Weight: q.config.Weight}
}
