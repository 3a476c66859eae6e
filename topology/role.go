package topology

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/internal/delayed"
)

// A Role is what a program does with the broker.
type Role string

// Roles are those that get a user of their own.
//
//	producer   sends tasks, at once and later                        a web application
//	worker     takes tasks, sends others, answers remote control     umbel worker
//	beat       sends tasks                                           umbel beat
//	monitor    hears events, asks and steers workers                 umbel monitor, events, inspect, control
//	operator   all of a monitor, sends, and takes out of queues      umbel dead, purge, scheduled, call
var Roles = []Role{Producer, Worker, Beat, Monitor, Operator}

const (
	Producer Role = "producer"
	Worker   Role = "worker"
	Beat     Role = "beat"
	Monitor  Role = "monitor"
	Operator Role = "operator"
)

// ParseRole finds a role by its name.
func ParseRole(name string) (Role, error) {
	if slices.Contains(Roles, Role(name)) {
		return Role(name), nil
	}
	return "", fmt.Errorf("there is no role %q: producer, worker, beat, monitor and operator are", name)
}

// A User is one for a role: what it may configure (declare and delete), write (publish to, or bind) and read (consume, or bind to)
// are regular expressions of names.
type User struct {
	Name      string `json:"name"`
	Role      Role   `json:"role"`
	Tags      string `json:"tags"` // what it may see in the management API
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`
}

// DefaultExchange is how permissions name the exchange that has no name. Who may write to it may send to any queue of its virtual
// host: Celery's tasks go that way.
const DefaultExchange = "amq.default"

// unique is the name of queues that are made for one process.
const unique = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`

// A grant gathers what one user may do: pieces of patterns.
type grant struct{ configure, write, read []string }

func (g *grant) all(pieces ...string) {
	g.configure = append(g.configure, pieces...)
	g.write = append(g.write, pieces...)
	g.read = append(g.read, pieces...)
}

// exact are pieces that match just these names.
func exact(list ...string) []string {
	out := make([]string, len(list))
	for i, name := range list {
		out[i] = regexp.QuoteMeta(name)
	}
	return out
}

// pattern joins pieces; without any it matches no name.
func pattern(pieces []string) string {
	if len(pieces) == 0 {
		return "^$"
	}
	slices.Sort(pieces)
	return "^(" + strings.Join(slices.Compact(pieces), "|") + ")$"
}

// user is the one of a role.
func (p *Plan) user(r Role, prefix string, python bool) User {
	u := User{Name: prefix + "-" + string(r), Role: r}
	var g grant
	n := &p.names
	switch r {
	case Producer, Beat:
		n.send(&g, python)
	case Worker:
		n.send(&g, python)
		n.work(&g, python)
	case Monitor:
		n.watch(&g, python)
		u.Tags = "monitoring"
	case Operator:
		n.watch(&g, python)
		n.send(&g, python)
		g.read = append(g.read, exact(append(slices.Clone(n.queues), n.dead...)...)...)
		g.read = append(g.read, regexp.QuoteMeta(delayed.Prefix)+".+")
		g.write = append(g.write, exact(n.deadEnds...)...)
		u.Tags = "monitoring"
	}
	u.Configure, u.Write, u.Read = pattern(g.configure), pattern(g.write), pattern(g.read)
	return u
}

// send is what it takes to send a task, at once or later.
func (n *names) send(g *grant, python bool) {
	g.write = append(g.write, exact(append([]string{DefaultExchange}, n.sent...)...)...)
	g.write = append(g.write, exact(n.queues...)...) // to lead what is delayed back to them
	g.write = append(g.write, regexp.QuoteMeta(delayed.Prefix)+".+")
	g.read = append(g.read, exact(delayed.Delivery)...)
	for _, x := range n.sent {
		if !slices.Contains(n.queues, x) { // a queue of the same name could be read
			g.read = append(g.read, exact(x)...)
		}
	}
	if n.sends {
		g.write = append(g.write, exact(n.events)...)
		if python {
			g.configure = append(g.configure, exact(n.events)...)
		}
	}
	if n.rpc {
		g.all(unique)
	}
	if python { // it declares and binds before it sends
		g.configure = append(append(g.configure, exact(n.queues...)...), exact(n.exchanges...)...)
		g.write = append(g.write, exact(n.exchanges...)...)
		g.read = append(g.read, exact(n.exchanges...)...)
	}
}

// work is what it takes beyond that to run tasks.
func (n *names) work(g *grant, python bool) {
	parking := "(" + strings.Join(exact(n.queues...), "|") + `)\.parking\.` + unique
	node := ".+@.+" + regexp.QuoteMeta("."+n.pidbox)
	reply := "reply." + n.pidbox
	g.read = append(append(g.read, exact(n.queues...)...), exact(n.sent...)...)
	g.configure = append(g.configure, parking)
	g.read = append(g.read, parking)
	g.all(node)
	g.configure = append(g.configure, exact(n.pidbox, reply)...) // they do not outlive the broker
	g.read = append(g.read, exact(n.pidbox)...)
	g.write = append(g.write, exact(reply, n.events)...)
	g.write = append(g.write, exact(n.deadEnds...)...)
	if python {
		g.configure = append(g.configure, exact(n.events)...)
		g.all(regexp.QuoteMeta(n.eventQueues+".")+unique, unique+regexp.QuoteMeta("."+reply), regexp.QuoteMeta(delayed.Prefix)+".+") // gossip, mingle, delays
		g.write = append(g.write, exact(n.pidbox)...)
		g.read = append(g.read, exact(n.events, reply)...)
	}
}

// watch is what it takes to hear events, and to ask and steer workers.
func (n *names) watch(g *grant, python bool) {
	reply := "reply." + n.pidbox
	g.all(regexp.QuoteMeta(n.eventQueues+".")+unique, unique+regexp.QuoteMeta("."+reply))
	g.configure = append(g.configure, exact(n.pidbox, reply)...)
	if python {
		g.configure = append(g.configure, exact(n.events)...)
	}
	g.write = append(g.write, exact(n.pidbox)...)
	g.read = append(g.read, exact(n.events, reply)...)
}
