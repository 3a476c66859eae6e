package fleet

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/internal/management"
)

// A Cluster is what the management API tells of the broker.
type Cluster struct {
	Name        string  `json:"name"`
	Product     string  `json:"product"` // RabbitMQ, or what else answers so
	Version     string  `json:"version"`
	Nodes       []Node  `json:"nodes"` // by name
	Connections int     `json:"connections"`
	Channels    int     `json:"channels"`
	Queues      int     `json:"queues"`
	Consumers   int     `json:"consumers"`
	Ready       int     `json:"ready"`     // messages of all virtual hosts
	Unsettled   int     `json:"unsettled"` // likewise
	Delayed     int     `json:"delayed"`   // messages that wait for their time, in the delay queues of our virtual host
	Publish     float64 `json:"publish_rate"`
	Confirm     float64 `json:"confirm_rate"` // of producers that want confirms: Celery's do not, unless told
	Deliver     float64 `json:"deliver_rate"`
	Ack         float64 `json:"-"`
	Unroutable  float64 `json:"unroutable_rate"` // messages a second that no queue took
}

// A Node is one of its nodes.
type Node struct {
	Name        string   `json:"name"`
	Running     bool     `json:"running"`
	MemUsed     int64    `json:"mem_used"`
	MemLimit    int64    `json:"mem_limit"`
	MemAlarm    bool     `json:"mem_alarm"`
	DiskFree    int64    `json:"disk_free"`
	DiskLimit   int64    `json:"disk_free_limit"`
	DiskAlarm   bool     `json:"disk_free_alarm"`
	Descriptors int      `json:"fd_used"`
	FilesMost   int      `json:"fd_total"`
	Sockets     int      `json:"sockets_used"`
	Processes   int      `json:"proc_used"`
	Uptime      int64    `json:"uptime"` // milliseconds
	Partitions  []string `json:"partitions"`
}

func (c *Cluster) judge(add adder) {
	for _, n := range c.Nodes {
		if !n.Running {
			add(problem, "node-down", n.Name, "Broker node %s is down.", n.Name)
			continue
		}
		if n.MemAlarm {
			add(problem, "memory-alarm", n.Name, "Broker node %s is out of memory: it takes no more messages.", n.Name)
		} else if n.MemLimit > 0 && n.MemUsed*10 > n.MemLimit*8 {
			add(warning, "memory-high", n.Name, "Broker node %s uses %d %% of the memory it may.", n.Name, n.MemUsed*100/n.MemLimit)
		}
		if n.DiskAlarm {
			add(problem, "disk-alarm", n.Name, "The disk of broker node %s is full: it takes no more messages.", n.Name)
		}
		if n.FilesMost > 0 && n.Descriptors*10 > n.FilesMost*9 {
			add(warning, "files-high", n.Name, "Broker node %s has %d of the %d files open that it may: it will take no more connections.", n.Name, n.Descriptors, n.FilesMost)
		}
		if len(n.Partitions) > 0 {
			add(problem, "partition", n.Name, "The broker's cluster is partitioned: node %s does not see %s.", n.Name, strings.Join(n.Partitions, ", "))
		}
	}
	if c.Unroutable > 0 {
		add(problem, "unroutable", "", "Messages are sent that no queue takes, %s a second: their queue does not exist, or nothing is bound to their exchange.", decimal(c.Unroutable))
	}
}

// A Connection is one connection to the broker.
type Connection struct {
	Name     string  `json:"name"`
	User     string  `json:"user"`
	Peer     string  `json:"peer"` // address and port
	Node     string  `json:"node"`
	State    string  `json:"state"` // running, blocked, blocking, flow …
	Protocol string  `json:"protocol"`
	TLS      bool    `json:"tls"`
	Channels int     `json:"channels"`
	Client   string  `json:"client"` // what it says of itself
	Since    float64 `json:"since"`  // Unix seconds
	Received float64 `json:"received_rate"`
	Sent     float64 `json:"sent_rate"` // bytes a second, as the broker counts
}

// ConnectionsMost bounds the connections that are told of.
const ConnectionsMost = 500

// Connections asks the management API for the connections to our virtual host; more is true when there are others.
func (f *Fleet) Connections(ctx context.Context) (list []Connection, more bool, err error) {
	m := f.config.Management
	if m == nil {
		return nil, false, ErrNoManagement
	}
	all, err := m.Connections(ctx)
	if err != nil {
		return nil, false, err
	}
	slices.SortFunc(all, func(a, b management.Connection) int { return cmp.Compare(a.Name, b.Name) })
	for _, c := range all[:min(len(all), ConnectionsMost)] {
		p := c.Properties
		list = append(list, Connection{Name: c.Name, User: c.User, Peer: net.JoinHostPort(c.PeerHost, strconv.Itoa(c.PeerPort)), Node: c.Node, State: c.State, Protocol: c.Protocol, TLS: c.SSL,
			Channels: c.Channels, Client: cmp.Or(c.Provided, p.Name, strings.TrimSpace(p.Product+" "+p.Version)), Since: c.Since / 1000, Received: c.InRate.Rate, Sent: c.OutRate.Rate})
	}
	return list, len(all) > ConnectionsMost, nil
}

// manage asks the management API, and reports whether it has answered.
func (f *Fleet) manage(ctx context.Context) (answered bool) {
	m := f.config.Management
	list, err := m.Queues(ctx)
	c := &Cluster{}
	var about management.Overview
	if err == nil {
		err = m.Get(ctx, &c.Nodes, "nodes")
	}
	if err == nil {
		about, err = m.Overview(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.clusterErr, f.cluster = err.Error(), nil
		return false
	}
	c.Name, c.Product, c.Version = about.Name, cmp.Or(about.Product, "RabbitMQ"), about.Version
	c.Connections, c.Channels, c.Queues, c.Consumers = about.Totals.Connections, about.Totals.Channels, about.Totals.Queues, about.Totals.Consumers
	c.Ready, c.Unsettled = about.Waiting.Ready, about.Waiting.Unacked
	c.Publish, c.Confirm, c.Deliver, c.Ack = about.Stats.Publish.Rate, about.Stats.Confirm.Rate, about.Stats.Deliver.Rate, about.Stats.Ack.Rate
	c.Unroutable = about.Stats.Returned.Rate + about.Stats.Dropped.Rate
	slices.SortFunc(c.Nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	f.clusterErr, f.cluster = "", c
	f.confirms.look(time.Now(), flow{about.Stats.Published, about.Stats.Confirmed})
	for i := range list {
		if delays(list[i].Name) {
			c.Delayed += list[i].Ready + list[i].Unacked
			continue
		}
		f.managed(&list[i])
	}
	return true
}

// managed takes what the management API tells of a queue. f.mu is held.
func (f *Fleet) managed(mq *management.Queue) {
	if passing(mq) {
		return
	}
	q := f.queues[mq.Name]
	if q == nil {
		if len(f.queues) >= queuesMost {
			return
		}
		q = &Queue{Name: mq.Name}
		f.queues[mq.Name] = q
	}
	q.Told, q.Type, q.Policy, q.Bytes, q.Unsettled, q.Arguments = true, mq.Type, mq.Policy, mq.Bytes, mq.Unacked, mq.Arguments
	q.Oldest, q.fresh = time.Time{}, true
	if mq.Head != nil && *mq.Head > 0 && mq.Ready > 0 {
		q.Oldest = time.Unix(*mq.Head, 0)
	}
	q.Publish, q.Deliver, q.Ack = mq.Stats.Publish.Rate, mq.Stats.Deliver.Rate, mq.Stats.Ack.Rate
}
