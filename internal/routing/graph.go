package routing

import "slices"

// Exchange types a Graph routes. The words are AMQP's.
const (
	Direct = "direct"
	Topic  = "topic"
	Fanout = "fanout"
)

// Known tells whether a Graph can route an exchange of this type.
func Known(kind string) bool { return kind == Direct || kind == Topic || kind == Fanout }

// A Binding is an edge of the graph. Exactly one of Queue and Exchange is set.
type Binding struct {
	Source   string // exchange the edge starts from
	Queue    string // destination queue, or
	Exchange string // destination exchange
	Key      string // routing key (direct), pattern (topic), without meaning (fanout)
}

// A Graph holds exchanges and bindings. It knows queues only by the names that bindings lead to. The zero value is not
// ready: use New. It is not safe for concurrent use, except that any number of Route calls may run at once.
type Graph struct {
	exchanges map[string]*exchange
}

type exchange struct {
	kind      string
	alternate string
	bindings  []Binding
	byKey     map[string][]Binding // of a direct exchange: bindings by key
}

// New returns an empty graph.
func New() *Graph { return &Graph{exchanges: make(map[string]*exchange)} }

// AddExchange adds an exchange, or does nothing when there is one of that name. The kind must be Known. Messages that
// match none of its bindings go to the alternate exchange, if that is named and exists.
func (g *Graph) AddExchange(name, kind, alternate string) {
	if g.exchanges[name] == nil {
		g.exchanges[name] = &exchange{kind: kind, alternate: alternate, byKey: make(map[string][]Binding)}
	}
}

// HasExchange tells whether there is an exchange of that name. The default exchange "" is always there.
func (g *Graph) HasExchange(name string) bool { return name == "" || g.exchanges[name] != nil }

// Bind adds a binding; one that exists is kept once. It returns false when an exchange it names is missing.
func (g *Graph) Bind(b Binding) bool {
	x := g.exchanges[b.Source]
	if x == nil || b.Exchange != "" && g.exchanges[b.Exchange] == nil {
		return false
	}
	if x.kind == Direct { // looked up by key, so that a thousand bindings are not compared with each other
		if !slices.Contains(x.byKey[b.Key], b) {
			x.bindings = append(x.bindings, b)
			x.byKey[b.Key] = append(x.byKey[b.Key], b)
		}
	} else if !slices.Contains(x.bindings, b) {
		x.bindings = append(x.bindings, b)
	}
	return true
}

// Bindings returns the bindings that start from an exchange, in the order they were made. The caller must not change it.
func (g *Graph) Bindings(source string) []Binding {
	if x := g.exchanges[source]; x != nil {
		return x.bindings
	}
	return nil
}

// RemoveExchange removes an exchange and every binding from or to it. It returns the exchanges that lost their last
// binding by that, sorted: those that are auto-delete go next.
func (g *Graph) RemoveExchange(name string) (bare []string) {
	if g.exchanges[name] == nil {
		return nil
	}
	delete(g.exchanges, name)
	return g.unbind(func(b Binding) bool { return b.Exchange == name })
}

// RemoveQueue removes every binding to a queue. It returns the exchanges that lost their last binding by that, sorted.
func (g *Graph) RemoveQueue(name string) (bare []string) {
	return g.unbind(func(b Binding) bool { return b.Exchange == "" && b.Queue == name })
}

func (g *Graph) unbind(gone func(Binding) bool) (bare []string) {
	for name, x := range g.exchanges {
		n := len(x.bindings)
		x.bindings = slices.DeleteFunc(x.bindings, gone)
		if len(x.bindings) == n {
			continue
		}
		x.index()
		if len(x.bindings) == 0 {
			bare = append(bare, name)
		}
	}
	slices.Sort(bare)
	return bare
}

func (x *exchange) index() {
	if x.kind != Direct {
		return
	}
	clear(x.byKey)
	for _, b := range x.bindings {
		x.byKey[b.Key] = append(x.byKey[b.Key], b)
	}
}

// Route appends to queues the names of the queues that a message sent to the exchange reaches, each once, and returns
// false when the exchange does not exist. The default exchange leads to the queue that the key names, whether or not
// there is one: only the caller knows. Cycles of exchanges are walked once.
func (g *Graph) Route(queues []string, exchange, key string) ([]string, bool) {
	if exchange == "" {
		return append(queues, key), true
	}
	x := g.exchanges[exchange]
	if x == nil {
		return queues, false
	}
	r := route{graph: g, key: key, first: len(queues), queues: queues}
	r.visit(exchange, x)
	return r.queues, true
}

// route is one walk over the graph. Exchanges wait in a list, not on the stack, so that a long chain costs no depth.
type route struct {
	graph   *Graph
	key     string
	first   int // queues before it are the caller's
	queues  []string
	waiting []string
	seen    map[string]bool // exchanges met; nil until a second one is
}

func (r *route) visit(name string, x *exchange) {
	for {
		matched := false
		switch x.kind {
		case Direct:
			for _, b := range x.byKey[r.key] {
				matched = true
				r.follow(name, b)
			}
		case Topic:
			for _, b := range x.bindings {
				if Match(b.Key, r.key) {
					matched = true
					r.follow(name, b)
				}
			}
		default:
			for _, b := range x.bindings {
				matched = true
				r.follow(name, b)
			}
		}
		if !matched && x.alternate != "" {
			r.follow(name, Binding{Exchange: x.alternate})
		}
		for {
			if len(r.waiting) == 0 {
				return
			}
			name, r.waiting = r.waiting[0], r.waiting[1:]
			if x = r.graph.exchanges[name]; x != nil { // an alternate exchange may be missing
				break
			}
		}
	}
}

func (r *route) follow(from string, b Binding) {
	if b.Exchange == "" {
		if !slices.Contains(r.queues[r.first:], b.Queue) {
			r.queues = append(r.queues, b.Queue)
		}
		return
	}
	if r.seen == nil {
		r.seen = map[string]bool{from: true}
	}
	if !r.seen[b.Exchange] {
		r.seen[b.Exchange] = true
		r.waiting = append(r.waiting, b.Exchange)
	}
}
