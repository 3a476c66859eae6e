package doctor

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/internal/python"
)

// A route is one entry of task_routes.
type route struct {
	pattern string
	options value
	celery  bool
}

// queue is the name of the queue it names.
func (r route) queue() string {
	if q := r.options.Get("queue"); q != nil && q.Kind == python.String {
		return q.Text
	}
	return ""
}

// routes are those of every task_routes that was read.
func (s *system) routes() []route {
	var out []route
	s.each("task_routes", func(a assigned) {
		for _, r := range routesOf(a.Node) {
			r.options = value{r.options.Node, a.at(r.options.Node)}
			r.celery = a.celery
			out = append(out, r)
		}
	})
	return out
}

func routesOf(n *python.Node) []route {
	var out []route
	switch {
	case n.Kind == python.Dict:
		for _, p := range n.Pairs {
			if p.Key != nil && p.Key.Kind == python.String && (p.Value.Kind == python.Dict || p.Value.Kind == python.String) {
				v := *destination(p.Value)
				v.Line, v.Column = p.Key.Line, p.Key.Column
				out = append(out, route{pattern: p.Key.Text, options: value{Node: &v}})
			}
		}
	case (n.Kind == python.List || n.Kind == python.Tuple) && len(n.Items) == 2 && n.Items[0].Kind == python.String && (n.Items[1].Kind == python.Dict || n.Items[1].Kind == python.String):
		out = append(out, route{pattern: n.Items[0].Text, options: value{Node: destination(n.Items[1])}})
	case n.Kind == python.List || n.Kind == python.Tuple:
		for _, item := range n.Items {
			out = append(out, routesOf(item)...)
		}
	}
	return out
}

// destination is what a route leads to: options, or a queue's name alone.
func destination(n *python.Node) *python.Node {
	if n.Kind != python.String {
		return n
	}
	key := &python.Node{Kind: python.String, Text: "queue", Line: n.Line, Column: n.Column}
	return &python.Node{Kind: python.Dict, Line: n.Line, Column: n.Column, Pairs: []python.Pair{{Key: key, Value: n}}}
}

// unrouted are the parts of a task_routes that routesOf cannot tell: functions, classes, names of either.
func unrouted(n *python.Node) []*python.Node {
	switch n.Kind {
	case python.None:
		return nil
	case python.Dict:
		var out []*python.Node
		for _, p := range n.Pairs {
			if p.Key == nil || p.Key.Kind != python.String || p.Value.Kind != python.Dict && p.Value.Kind != python.String {
				out = append(out, p.Value)
			}
		}
		return out
	case python.List, python.Tuple:
		if len(n.Items) == 2 && n.Items[0].Kind == python.String {
			if k := n.Items[1].Kind; k == python.Dict || k == python.String {
				return nil
			}
			return n.Items[1:]
		}
		var out []*python.Node
		for _, item := range n.Items {
			out = append(out, unrouted(item)...)
		}
		return out
	}
	return []*python.Node{n}
}

// A queue is one of task_queues.
type queue struct {
	name, exchange, kind, key string
	arguments                 *python.Node
	unsure                    bool // its exchange or key is known only when Python runs
	value
}

// constant is a string, "" if it is none; what is there and is none makes the queue unsure.
func (q *queue) constant(n *python.Node) string {
	if n == nil || n.Kind == python.None {
		return ""
	}
	if n.Kind != python.String {
		q.unsure = true
		return ""
	}
	return n.Text
}

// queues are those that settings declare; every other one is made by Celery when it is needed.
func (s *system) queues() []queue {
	var out []queue
	s.each("task_queues", func(a assigned) {
		for _, item := range a.Items {
			q := queue{value: value{item, a.at(item)}}
			switch {
			case item.Kind == python.Call: // Queue("name", Exchange("name", type=…), routing_key=…, queue_arguments=…)
				argument := func(i int, keyword string) *python.Node {
					if len(item.Items) > i {
						return item.Items[i]
					}
					return item.Get(keyword)
				}
				if name := argument(0, "name"); name != nil && name.Kind == python.String {
					q.name = name.Text
				}
				x := argument(1, "exchange")
				if x != nil && x.Kind == python.Call {
					kind := x.Get("type")
					if len(x.Items) > 1 {
						kind = x.Items[1]
					}
					q.kind = q.constant(kind)
					if len(x.Items) > 0 {
						x = x.Items[0]
					} else {
						x = x.Get("name")
					}
				}
				q.exchange = q.constant(x)
				q.key = q.constant(argument(2, "routing_key"))
				q.arguments = item.Get("queue_arguments")
			case item.Kind == python.Dict:
				q.fromDict(item)
			case item.Kind == python.String:
				q.name = item.Text
			}
			out = append(out, q)
		}
		for _, p := range a.Pairs {
			if p.Key != nil && p.Value.Kind == python.Dict {
				q := queue{value: value{p.Value, a.at(p.Key)}}
				q.fromDict(p.Value)
				q.name = q.constant(p.Key)
				out = append(out, q)
			}
		}
	})
	return out
}

func (q *queue) fromDict(n *python.Node) {
	for key, field := range map[string]*string{"name": &q.name, "exchange": &q.exchange, "exchange_type": &q.kind, "routing_key": &q.key} {
		if v := n.Get(key); v != nil && v.Kind == python.String {
			*field = v.Text
		}
	}
	if q.arguments = n.Get("queue_arguments"); q.arguments == nil {
		q.arguments = n.Get("arguments")
	}
}

func (s *system) declared(name string) (queue, bool) {
	list := s.queues()
	i := slices.IndexFunc(list, func(q queue) bool { return q.name == name })
	if i < 0 {
		return queue{}, false
	}
	return list[i], true
}

func routeBinding(s *system, report func(Finding)) {
	for _, r := range s.routes() {
		exchange, key, name := r.options.Get("exchange"), r.options.Get("routing_key"), r.queue()
		if !r.celery || name == "" || exchange == nil || key == nil || exchange.Kind != python.String || key.Kind != python.String || exchange.Text == "" {
			continue
		}
		if _, ok := s.declared(name); ok || key.Text == name {
			continue
		}
		kind := "direct"
		if t := r.options.Get("exchange_type"); t != nil && t.Kind == python.String {
			kind = t.Text
		}
		report(Finding{
			Severity: Critical, Verdict: Dangerous, Place: r.options.at(key),
			What:    fmt.Sprintf("%s is published to exchange %q with key %q, and no queue is bound with that key", r.pattern, exchange.Text, key.Text),
			Why:     fmt.Sprintf("queue %q is not in task_queues, so Celery makes it with a direct exchange and binds it with the key %q, whatever exchange_type %q says here. The broker drops every message, and nobody gets an error.", name, name, kind),
			Instead: fmt.Sprintf("route by the queue's name alone: %q: {%q: %q}. If you want the topic exchange, declare it: task_queues = [Queue(%q, Exchange(%q, type=%q), routing_key=%q)].", r.pattern, "queue", name, name, exchange.Text, kind, key.Text),
		})
	}
}

// routeOptions are what apply_async takes, and so may stand in a route.
var routeOptions = []string{
	"queue", "exchange", "exchange_type", "routing_key", "priority", "serializer", "compression", "delivery_mode", "expires",
	"time_limit", "soft_time_limit", "countdown", "eta", "ignore_result", "retry", "retry_policy", "headers", "reply_to", "shadow",
	"mandatory", "immediate", "add_to_parent", "argsrepr", "kwargsrepr", "timestamp", "message_id", "app_id", "type", "link", "link_error",
	"producer", "connection", "router", "publisher", "task_id", "user_id", "correlation_id", "expiration", "content_type", "content_encoding",
	"confirm_timeout", "declare", "root_id", "parent_id", "group_id", "replaced_task_nesting", "stamped_headers",
}

func routeDeadLetter(s *system, report func(Finding)) {
	for _, r := range s.routes() {
		if !r.celery {
			continue // Umbel reads them, and says what it makes of them
		}
		var dead, other []string
		var at *python.Node
		for _, p := range r.options.Pairs {
			if p.Key == nil || p.Key.Kind != python.String || slices.Contains(routeOptions, p.Key.Text) {
				continue
			}
			if at == nil {
				at = p.Key
			}
			if strings.Contains(p.Key.Text, "dead_letter") {
				dead = append(dead, p.Key.Text)
			} else {
				other = append(other, p.Key.Text)
			}
		}
		name := r.queue()
		if len(dead) > 0 {
			exchange, key := "dlx", name+".dlq"
			if v := r.options.Get("dead_letter_exchange"); v != nil && v.Kind == python.String {
				exchange = v.Text
			}
			if v := r.options.Get("dead_letter_routing_key"); v != nil && v.Kind == python.String {
				key = v.Text
			}
			report(Finding{
				Severity: High, Verdict: Ignored, Place: r.options.at(at),
				What:    fmt.Sprintf("%s: %s is no option of a route: there is no dead-letter queue", r.pattern, strings.Join(dead, " and ")),
				Why:     "Celery passes what it does not know to the publish, where it vanishes. Tasks that fail for good are gone.",
				Instead: fmt.Sprintf("declare both ends: Queue(%q, queue_arguments={\"x-dead-letter-exchange\": %q, \"x-dead-letter-routing-key\": %q}) and Queue(%q, Exchange(%q), routing_key=%q), and set task_acks_late = True and task_acks_on_failure_or_timeout = False. In umbel.yaml: task_queues: {%s: {dead_letter: %s}}", name, exchange, key, key, exchange, key, name, key),
			})
		}
		if len(other) > 0 {
			report(Finding{
				Severity: Low, Verdict: Ignored, Place: r.options.at(at),
				What: fmt.Sprintf("%s: %s is no option of a route", r.pattern, strings.Join(other, " and ")),
				Why:  "Celery passes it to the publish, where nothing reads it.", Instead: "take it away",
			})
		}
	}
}

func routeKey(s *system, report func(Finding)) {
	var at *Place
	var tasks, keys []string
	for _, r := range s.routes() {
		key := r.options.Get("routing_key")
		if !r.celery || key == nil || key.Kind != python.String || r.queue() == "" || r.options.Get("exchange") != nil {
			continue
		}
		if q, ok := s.declared(r.queue()); ok && q.exchange != "" || key.Text == r.queue() {
			continue
		}
		if at == nil {
			p := r.options.at(key)
			at = &p
		}
		tasks, keys = append(tasks, r.pattern), append(keys, key.Text)
	}
	if at != nil {
		report(Finding{
			Severity: Low, Verdict: Ignored, Place: *at,
			What:    fmt.Sprintf("the routing key of %s has no effect", strings.Join(tasks, ", ")),
			Why:     "with a queue and no exchange Celery publishes to the default exchange, with the queue's name as the key. What depends on the key " + strings.Join(keys, ", ") + " (a binding, a policy, an audit) never sees a message.",
			Instead: `route by queue alone: {"queue": "…"}`,
		})
	}
}

// routed finds the route that a task takes.
func (s *system) routed(t task) (route, bool) {
	for _, r := range s.routes() {
		if ok, _ := path.Match(r.pattern, t.name); ok || r.pattern == t.name || strings.HasSuffix(r.pattern, "."+t.name) || strings.HasSuffix(t.name, "."+r.pattern) {
			return r, true
		}
	}
	return route{}, false
}

// workers are the command lines that start workers.
func (s *system) workers() []command {
	var out []command
	for _, c := range s.commands {
		if c.sub() == "worker" && !c.aside {
			out = append(out, c)
		}
	}
	return out
}

// consumed are the queues that the workers take from. all is true when one takes from every queue there is, or nobody was read.
func (s *system) consumed() (names map[string]bool, all bool) {
	names = make(map[string]bool)
	workers := s.workers()
	for _, c := range workers {
		list, ok := c.option("-Q", "--queues")
		if !ok || strings.Contains(list.text, "$") {
			for _, q := range s.queues() {
				names[q.name] = true
			}
			if name := s.defaultQueue(); len(s.queues()) == 0 || !ok {
				names[name] = true
			}
			if ok {
				return names, true
			}
			continue
		}
		for _, name := range strings.Split(list.text, ",") {
			name, _, _ = strings.Cut(name, "=") // Umbel's weight
			names[strings.TrimSpace(name)] = true
		}
	}
	return names, len(workers) == 0
}

// defaultQueue is the queue of tasks without a route.
func (s *system) defaultQueue() string {
	if v, ok := s.get("task_default_queue"); ok && v.Kind != python.String {
		return ""
	}
	return cmp.Or(s.text("task_default_queue"), "celery")
}

func defaultQueue(s *system, report func(Finding)) {
	names, all := s.consumed()
	if all {
		return
	}
	first := s.workers()[0]
	if name := s.defaultQueue(); name != "" && !names[name] {
		var lost []string
		at := first.Place
		for _, t := range s.tasks {
			if _, ok := s.routed(t); !ok && (t.options.Node == nil || t.options.Get("queue") == nil) {
				if lost == nil {
					at = t.Place
				}
				lost = append(lost, t.name)
			}
		}
		what := fmt.Sprintf("no worker takes from queue %q, where every task without a route goes", name)
		if len(lost) > 0 {
			what += ": " + strings.Join(lost, ", ")
		}
		other := "default"
		if !names[other] {
			for n := range names {
				if other == "default" || n < other {
					other = n
				}
			}
		}
		f := Finding{
			Severity: Critical, Verdict: Dangerous, Place: at, What: what,
			Why:     "such tasks wait for ever: no error, no log line, only a queue that grows.",
			Instead: fmt.Sprintf("task_default_queue = %q", other),
		}
		if v, ok := s.get("task_default_queue"); ok {
			f.Instead = fmt.Sprintf("start a worker with -Q %s, or name a queue that one takes from: %s", v.Text, other)
		}
		report(f)
	}
	seen := make(map[string]bool)
	for _, r := range s.routes() {
		if name := r.queue(); name != "" && !names[name] && !seen[name] && !strings.Contains(name, "dlq") {
			seen[name] = true
			report(Finding{
				Severity: Critical, Verdict: Dangerous, Place: r.options.at(r.options.Get("queue")),
				What:    fmt.Sprintf("%s goes to queue %q, and no worker takes from it", r.pattern, name),
				Why:     "its tasks wait for ever: no error, no log line, only a queue that grows.",
				Instead: fmt.Sprintf("start a worker with -Q %s", name),
			})
		}
	}
}
