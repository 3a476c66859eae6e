package topology

import (
	"cmp"
	"context"

	"github.com/umbel-go/umbel/internal/management"
)

// A live is what the broker has.
type live struct {
	version     string
	defaultType string // of queues that say nothing
	vhost       bool   // it exists

	exchanges   map[string]management.Exchange
	queues      map[string]management.Queue
	bindings    []Binding
	policies    []management.Policy
	users       map[string]string // name → tags; nil when they may not be looked at
	permissions map[string]management.Permission
}

// look asks the management API for all that a plan is compared with.
func look(ctx context.Context, m *management.Client) (*live, error) {
	l := &live{exchanges: make(map[string]management.Exchange), queues: make(map[string]management.Queue)}
	about, err := m.Overview(ctx)
	if err != nil {
		return nil, err
	}
	l.version, l.defaultType = about.Version, cmp.Or(about.Default, "classic")
	if err := l.people(ctx, m); err != nil {
		return nil, err
	}
	var vhost struct {
		Default string `json:"default_queue_type"`
	}
	switch err := m.Get(ctx, &vhost, "vhosts", m.Vhost()); {
	case management.IsMissing(err):
		return l, nil
	case management.IsDenied(err): // the user is no administrator: what it may see, it sees
	case err != nil:
		return nil, err
	case vhost.Default != "" && vhost.Default != "undefined":
		l.defaultType = vhost.Default
	}
	l.vhost = true
	exchanges, err := m.Exchanges(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range exchanges {
		l.exchanges[x.Name] = x
	}
	queues, err := m.Queues(ctx)
	if err != nil {
		return nil, err
	}
	for _, q := range queues {
		l.queues[q.Name] = q
	}
	bindings, err := m.Bindings(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range bindings {
		l.bindings = append(l.bindings, Binding{b.Source, b.Destination, b.Kind, b.RoutingKey, table(b.Arguments)})
	}
	l.policies, err = m.Policies(ctx)
	return l, err
}

// people looks at users and permissions, as far as it may.
func (l *live) people(ctx context.Context, m *management.Client) error {
	var users []struct {
		Name string          `json:"name"`
		Tags management.Tags `json:"tags"`
	}
	err := m.Get(ctx, &users, "users")
	if management.IsDenied(err) {
		return nil
	}
	if err != nil {
		return err
	}
	l.users, l.permissions = make(map[string]string), make(map[string]management.Permission)
	for _, u := range users {
		l.users[u.Name] = u.Tags.String()
	}
	permissions, err := m.Permissions(ctx)
	if management.IsMissing(err) {
		return nil // no virtual host
	}
	for _, p := range permissions {
		l.permissions[p.User] = p
	}
	return err
}
