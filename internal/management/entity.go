package management

import "context"

// A Rate is a change per second.
type Rate struct {
	Rate float64 `json:"rate"`
}

// A Queue is one as the API tells of it. Counts lag behind by some seconds.
type Queue struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"` // classic, quorum, stream
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"`
	Exclusive  bool           `json:"exclusive"`
	Arguments  map[string]any `json:"arguments"`
	Policy     string         `json:"policy"`          // the user's one that holds
	Operator   string         `json:"operator_policy"` // the operator's one that holds
	Node       string         `json:"node"`            // its leader
	Members    []string       `json:"members"`         // nodes of a quorum queue
	Online     []string       `json:"online"`          // of them: those that take part

	Bytes     int64  `json:"message_bytes"`
	Ready     int    `json:"messages_ready"`
	Unacked   int    `json:"messages_unacknowledged"`
	Consumers int    `json:"consumers"`
	Head      *int64 `json:"head_message_timestamp"` // Unix seconds, where the sender said when
	Stats     struct {
		Publish Rate `json:"publish_details"`
		Deliver Rate `json:"deliver_get_details"`
		Ack     Rate `json:"ack_details"`
	} `json:"message_stats"`
}

// An Exchange is one as the API tells of it.
type Exchange struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"`
	Internal   bool           `json:"internal"`
	Arguments  map[string]any `json:"arguments"`
	Policy     string         `json:"policy"`
}

// A Binding lets an exchange send to a queue, or to another exchange.
type Binding struct {
	Destination string         `json:"destination"`
	Source      string         `json:"source"`
	RoutingKey  string         `json:"routing_key"`
	Kind        string         `json:"destination_type"` // queue or exchange
	Arguments   map[string]any `json:"arguments"`
}

// A Policy sets arguments of the queues or exchanges whose names it matches; of several the one of the highest priority holds.
type Policy struct {
	Name       string         `json:"name"`
	Pattern    string         `json:"pattern"`
	ApplyTo    string         `json:"apply-to"` // queues, exchanges, all
	Priority   int            `json:"priority"`
	Definition map[string]any `json:"definition"`
}

// A Permission is what a user may do in a virtual host: three regular expressions of names.
type Permission struct {
	User      string `json:"user"`
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`
}

// An Overview is what the API says of the whole broker.
type Overview struct {
	Name    string `json:"cluster_name"`
	Product string `json:"product_name"`
	Version string `json:"rabbitmq_version"`
	Default string `json:"default_queue_type"` // of virtual hosts that say nothing; RabbitMQ 4
	Totals  struct {
		Connections int `json:"connections"`
		Channels    int `json:"channels"`
		Queues      int `json:"queues"`
		Consumers   int `json:"consumers"`
	} `json:"object_totals"`
	Waiting struct {
		Ready   int `json:"messages_ready"`
		Unacked int `json:"messages_unacknowledged"`
	} `json:"queue_totals"`
	Stats struct {
		Publish  Rate `json:"publish_details"`
		Confirm  Rate `json:"confirm_details"` // of those whose senders want confirms
		Deliver  Rate `json:"deliver_get_details"`
		Ack      Rate `json:"ack_details"`
		Returned Rate `json:"return_unroutable_details"`
		Dropped  Rate `json:"drop_unroutable_details"`

		Published int64 `json:"publish"` // since the broker began to count
		Confirmed int64 `json:"confirm"`
	} `json:"message_stats"`
}

// A Connection is one to the broker.
type Connection struct {
	Name       string  `json:"name"`
	User       string  `json:"user"`
	PeerHost   string  `json:"peer_host"`
	PeerPort   int     `json:"peer_port"`
	Node       string  `json:"node"`
	State      string  `json:"state"`
	Protocol   string  `json:"protocol"`
	SSL        bool    `json:"ssl"`
	Channels   int     `json:"channels"`
	Since      float64 `json:"connected_at"` // milliseconds
	InRate     Rate    `json:"recv_oct_details"`
	OutRate    Rate    `json:"send_oct_details"`
	Provided   string  `json:"user_provided_name"`
	Properties struct {
		Name    string `json:"connection_name"`
		Product string `json:"product"`
		Version string `json:"version"`
	} `json:"client_properties"`
}

// list asks for a collection of our virtual host.
func list[T any](ctx context.Context, m *Client, path ...string) ([]T, error) {
	var all []T
	return all, m.Get(ctx, &all, path...)
}

// Overview asks for the broker as a whole.
func (m *Client) Overview(ctx context.Context) (o Overview, err error) {
	return o, m.Get(ctx, &o, "overview")
}

// Queues are those of the virtual host.
func (m *Client) Queues(ctx context.Context) ([]Queue, error) {
	return list[Queue](ctx, m, "queues", m.vhost)
}

// Exchanges are those of the virtual host, the broker's own among them.
func (m *Client) Exchanges(ctx context.Context) ([]Exchange, error) {
	return list[Exchange](ctx, m, "exchanges", m.vhost)
}

// Bindings are those of the virtual host, from the default exchange, too.
func (m *Client) Bindings(ctx context.Context) ([]Binding, error) {
	return list[Binding](ctx, m, "bindings", m.vhost)
}

// Policies are those of the virtual host.
func (m *Client) Policies(ctx context.Context) ([]Policy, error) {
	return list[Policy](ctx, m, "policies", m.vhost)
}

// Permissions are those of all users in the virtual host.
func (m *Client) Permissions(ctx context.Context) ([]Permission, error) {
	return list[Permission](ctx, m, "vhosts", m.vhost, "permissions")
}

// Connections are those to the virtual host.
func (m *Client) Connections(ctx context.Context) ([]Connection, error) {
	return list[Connection](ctx, m, "vhosts", m.vhost, "connections")
}

// Queue asks for one queue. IsMissing tells that there is none.
func (m *Client) Queue(ctx context.Context, name string) (q Queue, err error) {
	return q, m.Get(ctx, &q, "queues", m.vhost, name)
}
