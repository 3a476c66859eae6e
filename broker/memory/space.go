package memory

import (
	"strings"
	"sync"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/routing"
)

// A space is what a server is to other drivers. One lock guards all of it: every operation is short, never waits, and
// often touches several queues (routing, dead-lettering), where locks of their own would need an order.
type space struct {
	name string

	mu        sync.Mutex
	graph     *routing.Graph
	exchanges map[string]broker.Exchange
	queues    map[string]*queue
	arrivals  uint64   // numbers messages in the order they became ready
	deaths    []death  // dead letters to route before mu is let go: see unlock
	reached   []string // send's, kept for its room
	tags      uint64   // numbers consumers without a name

	links int // open brokers; guarded by spaces
}

// spaces holds the named spaces of this process that have an open broker.
var spaces = struct {
	sync.Mutex
	m map[string]*space
}{m: make(map[string]*space)}

func enter(name string) *space {
	spaces.Lock()
	defer spaces.Unlock()
	s := spaces.m[name]
	if s == nil {
		s = &space{name: name, graph: routing.New(), exchanges: make(map[string]broker.Exchange), queues: make(map[string]*queue)}
		for _, kind := range []string{broker.Direct, broker.Topic, broker.Fanout} {
			s.addExchange(broker.Exchange{Name: "amq." + kind, Type: kind, Durable: true})
		}
		if name != "" {
			spaces.m[name] = s
		}
	}
	s.links++
	return s
}

// leave lets go of the space, which ends with its last broker.
func (s *space) leave() {
	spaces.Lock()
	defer spaces.Unlock()
	if s.links--; s.links > 0 {
		return
	}
	if spaces.m[s.name] == s {
		delete(spaces.m, s.name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		s.deleteQueue(q, broker.ErrNoQueue) // which stops its timer
	}
}

// unlock routes the dead letters of the operation that ends, then lets the space go.
func (s *space) unlock() {
	if len(s.deaths) > 0 {
		s.bury()
	}
	s.mu.Unlock()
}

// send routes a sealed message into queues.
func (s *space) send(m *parcel, now time.Time) error {
	queues, ok := s.route(m)
	if !ok {
		return &broker.RefusedError{Reason: broker.NoExchange, Exchange: m.Exchange, RoutingKey: m.RoutingKey, Hint: "declare the exchange first"}
	}
	if len(queues) == 0 {
		hint := "bind a queue to the exchange for this key"
		if m.Exchange == "" {
			hint = "declare the queue first"
		}
		return &broker.RefusedError{Reason: broker.Unroutable, Exchange: m.Exchange, RoutingKey: m.RoutingKey, Hint: hint}
	}
	full := ""
	for _, name := range queues {
		if !s.queues[name].put(m, now) {
			full = name
		}
	}
	if full != "" {
		return &broker.RefusedError{Reason: broker.Nacked, Exchange: m.Exchange, RoutingKey: m.RoutingKey,
			Detail: "queue " + full + " is full", Hint: "consume from it, or raise its x-max-length"}
	}
	return nil
}

// route finds the queues a message reaches, and false when its exchange does not exist. The slice is good until the next
// call: nothing that runs between may route.
func (s *space) route(m *parcel) ([]string, bool) {
	if m.Exchange == "" && s.queues[m.RoutingKey] == nil {
		return nil, true
	}
	queues, ok := s.graph.Route(s.reached[:0], m.Exchange, m.RoutingKey)
	s.reached = queues
	return queues, ok
}

func (s *space) addExchange(x broker.Exchange) {
	alternate, _ := x.Arguments["alternate-exchange"].(string)
	s.exchanges[x.Name] = x
	s.graph.AddExchange(x.Name, x.Type, alternate)
}

func predeclared(exchange string) bool { return exchange == "" || strings.HasPrefix(exchange, "amq.") }

func (s *space) deleteExchange(name string) {
	delete(s.exchanges, name)
	s.bare(s.graph.RemoveExchange(name))
}

// bare deletes those exchanges without bindings that were to go with their last one.
func (s *space) bare(names []string) {
	for _, name := range names {
		if s.exchanges[name].AutoDelete {
			s.deleteExchange(name)
		}
	}
}

// deleteQueue removes a queue with its messages and bindings; its consumers are told why.
func (s *space) deleteQueue(q *queue, why error) {
	if q.gone != nil {
		return
	}
	q.gone = why
	delete(s.queues, q.name)
	if q.timer != nil {
		q.timer.Stop()
	}
	s.bare(s.graph.RemoveQueue(q.name))
	for _, c := range q.consumers {
		c.lose(why)
	}
	q.consumers, q.levels, q.due = nil, nil, nil
	q.ready, q.bytes, q.unsettled = 0, 0, 0
}

// owned lists the exclusive queues of a broker.
func (s *space) owned(b *Broker) (own []*queue) {
	for _, q := range s.queues {
		if q.owner == b {
			own = append(own, q)
		}
	}
	return own
}
