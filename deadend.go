package umbel

import (
	"errors"
	"fmt"
	"slices"

	"github.com/umbel-go/umbel/broker"
)

// A deadEnd is where a queue's dead letters go, however that was said:
//
//	option dead_letter of a queue        the queue's arguments follow, both ends are declared
//	arguments x-dead-letter-exchange     as Celery spells it: the other end is declared if it can be
//	  and x-dead-letter-routing-key
//	the same as options of a route       as guides to Celery spell it, where Celery does not look: the queue keeps its
//	                                     arguments, since Python has declared it without, and workers alone send there
type deadEnd struct {
	exchange, queue string          // queue "": none
	topology        broker.Topology // beside the queue's own
}

// deadEndOf is a queue's dead end; routed is what task_routes says.
func deadEndOf(qc QueueConfig, routed deadEnd) deadEnd {
	if qc.DeadLetter != "" {
		return deadEnd{exchange: DeadLetterExchange, queue: qc.DeadLetter}
	}
	d := deadEnd{}
	exchange, named := qc.Arguments["x-dead-letter-exchange"].(string)
	key, _ := qc.Arguments["x-dead-letter-routing-key"].(string)
	switch {
	case named && key != "" && key != qc.Name:
		d.exchange, d.queue = exchange, key
	case !named && routed.queue != "" && routed.queue != qc.Name:
		d.exchange, d.queue = routed.exchange, routed.queue
	default:
		return d
	}
	d.topology.Queues = []broker.Queue{deadQueue(d.queue, qc.Arguments)}
	if d.exchange != "" {
		d.topology.Exchanges = []broker.Exchange{{Name: d.exchange, Type: broker.Direct, Durable: true}}
		d.topology.Bindings = []broker.Binding{{Source: d.exchange, Queue: d.queue, RoutingKey: d.queue}}
	}
	return d
}

// deadRoutes reads the options dead_letter_exchange and dead_letter_routing_key of routes.
func deadRoutes(c *Config) (map[string]deadEnd, []error) {
	out := make(map[string]deadEnd)
	var errs []error
	for i := range c.TaskRoutes {
		rule := &c.TaskRoutes[i]
		exchange, hasExchange := rule.Options["dead_letter_exchange"].(string)
		key, hasKey := rule.Options["dead_letter_routing_key"].(string)
		if !hasExchange && !hasKey {
			continue
		}
		queue, _ := rule.Options["queue"].(string)
		switch {
		case queue == "":
			errs = append(errs, fmt.Errorf("task_routes: %q: dead_letter_routing_key without a queue whose dead letters these are", rule.Pattern))
		case key == "":
			errs = append(errs, fmt.Errorf("task_routes: %q: dead_letter_exchange without dead_letter_routing_key, the queue that keeps the dead letters",
				rule.Pattern))
		default:
			end := deadEnd{exchange: exchange, queue: key}
			if had, twice := out[queue]; twice && (had.exchange != end.exchange || had.queue != end.queue) {
				errs = append(errs, fmt.Errorf("task_routes: %q: queue %q has another dead_letter_routing_key in an earlier route", rule.Pattern, queue))
				continue
			}
			out[queue] = end
		}
	}
	return out, errs
}

// DeadLetterQueues are the queues that keep dead letters of the queues the settings speak of, each once.
func (a *App) DeadLetterQueues() ([]string, error) {
	plans, err := a.RoutedQueues()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, q := range plans {
		if q.DeadLetter != "" && !slices.Contains(names, q.DeadLetter) {
			names = append(names, q.DeadLetter)
		}
	}
	return names, nil
}

// DeclareDeadEnd declares what a queue's dead end needs beside the queue itself, as far as it can be. What exists otherwise is
// left as it is: it may be somebody else's, and lead where it should. Workers call it.
func (q QueuePlan) DeclareDeadEnd(declare func(broker.Topology) error) error {
	t := q.DeadLetterTopology
	var errs []error
	for _, part := range []broker.Topology{{Queues: t.Queues}, {Exchanges: t.Exchanges, Bindings: t.Bindings}} {
		if len(part.Queues)+len(part.Exchanges) > 0 {
			errs = append(errs, declare(part))
		}
	}
	return errors.Join(errs...)
}
