package topology

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/internal/delayed"
	"github.com/umbel-go/umbel/internal/management"
)

// State is how something differs.
type State string

const (
	Missing State = "missing" // it is not there: Apply makes it
	Differs State = "differs" // it is there, and otherwise: Apply changes it only if told, and if it can be changed in place
)

// A Difference is one thing that the broker has otherwise than planned.
type Difference struct {
	Kind  string `json:"kind"` // vhost, exchange, queue, binding, policy, user, permissions
	Name  string `json:"name"`
	State State  `json:"state"`
	Want  string `json:"want"`
	Have  string `json:"have,omitempty"`
	Hint  string `json:"hint,omitempty"` // what comes of it, and what to do

	make  func(ctx context.Context, m *management.Client) error // makes or changes it; nil: it cannot be done in place
	joins bool                                                  // of a binding: both its ends are there
	user  *User                                                 // of a user that is missing: it needs a password
}

// A Drift is how a broker differs from a plan.
type Drift struct {
	Version     string       `json:"version"` // RabbitMQ's
	Differences []Difference `json:"differences"`
	Notes       []string     `json:"notes"`

	// Queues are those of the virtual host, by name, as the broker has them.
	Queues map[string]management.Queue `json:"-"`
}

// Compare looks at the broker and tells how it differs from the plan. What the broker has beside it is nobody's business.
func (p *Plan) Compare(ctx context.Context, m *management.Client) (*Drift, error) {
	l, err := look(ctx, m)
	if err != nil {
		return nil, err
	}
	d := &Drift{Version: l.version, Differences: []Difference{}, Notes: slices.Clone(p.Notes), Queues: l.queues}
	c := comparison{plan: p, live: l, drift: d}
	c.vhost(m.User())
	for _, x := range p.Exchanges {
		c.exchange(x)
	}
	for _, q := range p.Queues {
		c.queue(q)
	}
	for _, b := range p.Bindings {
		c.binding(b)
	}
	for _, policy := range p.Policies {
		c.policy(policy)
	}
	c.users()
	return d, nil
}

type comparison struct {
	plan  *Plan
	live  *live
	drift *Drift
}

func (c *comparison) add(d Difference) { c.drift.Differences = append(c.drift.Differences, d) }

func (c *comparison) note(format string, args ...any) {
	c.drift.Notes = append(c.drift.Notes, fmt.Sprintf(format, args...))
}

func (c *comparison) vhost(asker string) {
	if c.live.vhost {
		return
	}
	c.add(Difference{Kind: "vhost", Name: c.plan.Vhost, State: Missing, Want: "virtual host, which user " + asker + " may use", make: func(ctx context.Context, m *management.Client) error {
		if err := m.Put(ctx, map[string]any{}, "vhosts", m.Vhost()); err != nil {
			return err
		}
		return m.Put(ctx, map[string]any{"configure": ".*", "write": ".*", "read": ".*"}, "permissions", m.Vhost(), asker)
	}})
}

func (c *comparison) exchange(x Exchange) {
	want := describe(x.Type, x.Durable, x.AutoDelete, x.Arguments)
	have, ok := c.live.exchanges[x.Name]
	if !ok {
		c.add(Difference{Kind: "exchange", Name: x.Name, State: Missing, Want: want, make: func(ctx context.Context, m *management.Client) error {
			return m.Put(ctx, map[string]any{"type": x.Type, "durable": x.Durable, "auto_delete": x.AutoDelete, "arguments": x.Arguments}, "exchanges", m.Vhost(), x.Name)
		}})
		return
	}
	if got := describe(have.Type, have.Durable, have.AutoDelete, have.Arguments); got != want {
		c.add(Difference{Kind: "exchange", Name: x.Name, State: Differs, Want: want, Have: got,
			Hint: "declaring it is answered by 406 PRECONDITION_FAILED; an exchange cannot be changed: take its settings from the broker, or give it another name"})
	}
}

func (c *comparison) queue(q Queue) {
	have, ok := c.live.queues[q.Name]
	if ok && q.For == ForDelays && have.Type != q.Type { // both types serve, and nothing in it can be changed without emptying it
		q = otherDelays(q, have.Type)
	}
	want := describe(cmp.Or(q.Type, c.live.defaultType), q.Durable, q.AutoDelete, q.Arguments)
	if !ok {
		d := Difference{Kind: "queue", Name: q.Name, State: Missing, Want: want, make: func(ctx context.Context, m *management.Client) error {
			return m.Put(ctx, map[string]any{"durable": q.Durable, "auto_delete": q.AutoDelete, "arguments": q.Arguments}, "queues", m.Vhost(), q.Name)
		}}
		if cmp.Or(q.Type, c.live.defaultType) == "quorum" && q.Arguments["x-max-priority"] != nil {
			d.Hint = "x-max-priority is for classic queues, and this one would be a quorum queue, which RabbitMQ refuses with it: leave it away, or say x-queue-type: classic"
		}
		c.add(d)
		return
	}
	got := describe(have.Type, have.Durable, have.AutoDelete, have.Arguments)
	if have.Exclusive {
		got += ", exclusive"
	}
	if got == want {
		return
	}
	hint := "declaring it is answered by 406 PRECONDITION_FAILED, and workers do not start on it: umbel topology migrate " + q.Name + " moves it, or let the settings say what the broker has"
	if q.For == ForDeadLetters {
		hint = "it is used as it is; umbel topology migrate " + q.Name + " moves it"
	}
	c.add(Difference{Kind: "queue", Name: q.Name, State: Differs, Want: want, Have: got, Hint: hint})
}

// otherDelays is a queue of the layout as it is with the other type.
func otherDelays(q Queue, kind string) Queue {
	for _, o := range delayed.Topology(kind).Queues {
		if o.Name == q.Name {
			q.Type, q.Arguments = kind, o.Arguments
		}
	}
	return q
}

// describe is a queue or exchange in words; two that are declared alike have the same.
func describe(kind string, durable, autoDelete bool, arguments map[string]any) string {
	words := []string{kind, "durable"}
	if !durable {
		words[1] = "transient"
	}
	if autoDelete {
		words = append(words, "auto-delete")
	}
	for _, key := range slices.Sorted(maps.Keys(arguments)) {
		if key == "x-queue-type" {
			continue // it is the kind
		}
		text, err := json.Marshal(arguments[key])
		if err != nil {
			text = []byte(fmt.Sprint(arguments[key]))
		}
		words = append(words, key+"="+string(text))
	}
	return strings.Join(words, ", ")
}

func (c *comparison) binding(b Binding) {
	if slices.ContainsFunc(c.live.bindings, b.is) {
		return
	}
	name := fmt.Sprintf("%s ─ %s ─► %s %s", b.Source, b.RoutingKey, b.Kind, b.Destination)
	_, from := c.live.exchanges[b.Source]
	_, queue := c.live.queues[b.Destination]
	_, exchange := c.live.exchanges[b.Destination]
	ends := from && (b.Kind == "queue" && queue || b.Kind == "exchange" && exchange)
	c.add(Difference{Kind: "binding", Name: name, State: Missing, Want: name, joins: ends, make: func(ctx context.Context, m *management.Client) error {
		return bind(ctx, m, b)
	}})
}

func bind(ctx context.Context, m *management.Client, b Binding) error {
	return m.Post(ctx, map[string]any{"routing_key": b.RoutingKey, "arguments": b.Arguments}, "bindings", m.Vhost(), "e", b.Source, b.Kind[:1], b.Destination)
}

// amazonPolicy begins the names of the policies that Amazon MQ makes.
const amazonPolicy = "AWS-DEFAULT-POLICY"

// policy compares one of ours. Of all policies that match a queue only one holds, so that ours repeats what Amazon's own say; where
// another one holds, ours is not made.
func (c *comparison) policy(want management.Policy) {
	want.Definition = maps.Clone(want.Definition)
	for _, other := range c.live.policies {
		if other.Name == want.Name || !c.holds(other) {
			continue
		}
		if !strings.HasPrefix(other.Name, amazonPolicy) {
			c.add(Difference{Kind: "policy", Name: want.Name, State: Differs, Want: policyText(want), Have: other.Name + ": " + policyText(other),
				Hint: "only one policy holds for a queue, and ours would take the place of this one: it is not made; give that one what ours says, or plan none (--max-length 0)"})
			return
		}
		for key, v := range other.Definition {
			if _, ok := want.Definition[key]; !ok {
				want.Definition[key] = v
			}
		}
		want.Priority = max(want.Priority, other.Priority+1)
	}
	d := Difference{Kind: "policy", Name: want.Name, State: Missing, Want: policyText(want), make: func(ctx context.Context, m *management.Client) error {
		return m.Put(ctx, map[string]any{"pattern": want.Pattern, "apply-to": want.ApplyTo, "priority": want.Priority, "definition": want.Definition}, "policies", m.Vhost(), want.Name)
	}}
	for _, have := range c.live.policies {
		if have.Name == want.Name {
			d.State, d.Have, d.Hint = Differs, policyText(have), "umbel topology apply --change sets it"
		}
	}
	if d.Have != d.Want {
		c.add(d)
	}
}

// holds reports whether a policy is about one of our queues of tasks.
func (c *comparison) holds(p management.Policy) bool {
	if p.ApplyTo == "exchanges" {
		return false
	}
	re, err := regexp.Compile(p.Pattern)
	return err != nil || slices.ContainsFunc(c.plan.names.queues, re.MatchString)
}

func policyText(p management.Policy) string {
	return fmt.Sprintf("%s on %s, priority %d: %s", p.Pattern, p.ApplyTo, p.Priority, canonical(p.Definition))
}

func (c *comparison) users() {
	if c.live.users == nil {
		if len(c.plan.Users) > 0 {
			c.note("users and permissions were not looked at: the user of the management API is no administrator")
		}
		return
	}
	for _, u := range c.plan.Users {
		have, ok := c.live.users[u.Name]
		switch {
		case !ok:
			c.add(Difference{Kind: "user", Name: u.Name, State: Missing, Want: userText(u), user: &u, Hint: "it is made when it has a password: --passwords or --generate-passwords"})
		case have != u.Tags:
			c.add(Difference{Kind: "user", Name: u.Name, State: Differs, Want: "tags " + cmp.Or(u.Tags, "none"), Have: "tags " + cmp.Or(have, "none"),
				Hint: "tags are what it may see in the management API, and are left as they are"})
		}
		c.permissions(u, ok)
	}
}

func userText(u User) string {
	if u.Tags != "" {
		return string(u.Role) + ", tags " + u.Tags
	}
	return string(u.Role)
}

func (c *comparison) permissions(u User, exists bool) {
	want := permissionText(u.Configure, u.Write, u.Read)
	d := Difference{Kind: "permissions", Name: u.Name, State: Missing, Want: want, make: func(ctx context.Context, m *management.Client) error {
		return m.Put(ctx, map[string]any{"configure": u.Configure, "write": u.Write, "read": u.Read}, "permissions", m.Vhost(), u.Name)
	}}
	if have, ok := c.live.permissions[u.Name]; ok {
		d.State, d.Have = Differs, permissionText(have.Configure, have.Write, have.Read)
		d.Hint = "umbel topology apply --change sets them"
	}
	if !exists {
		d.user = &u
	}
	if d.Have != d.Want {
		c.add(d)
	}
}

func permissionText(configure, write, read string) string {
	return fmt.Sprintf("configure %s write %s read %s", configure, write, read)
}

// Of is the difference of one thing, nil where it is as planned.
func (d *Drift) Of(kind, name string) *Difference {
	i := slices.IndexFunc(d.Differences, func(o Difference) bool { return o.Kind == kind && o.Name == name })
	if i < 0 {
		return nil
	}
	return &d.Differences[i]
}

// Joins reports whether it is a binding between two that are there: what is sent that way now goes nowhere.
func (d *Difference) Joins() bool { return d.joins }

// Clean reports whether a broker is as planned.
func (d *Drift) Clean() bool { return len(d.Differences) == 0 }
