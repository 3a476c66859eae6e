package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Management asks RabbitMQ's management API, which knows more of queues than the broker's protocol tells. Flower: broker_api.
type Management struct {
	base           string // ends in /api/
	user, password string
	vhost          string
	client         *http.Client
}

// NewManagement takes a URL such as http://user:password@host:15672/api/ and the virtual host of the broker URL.
func NewManagement(base, vhost string) (*Management, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the URL of the management API is not like http://user:password@host:15672/api/")
	}
	m := &Management{vhost: vhost, client: &http.Client{Timeout: 5 * time.Second}}
	if u.User != nil {
		m.user = u.User.Username()
		m.password, _ = u.User.Password()
		u.User = nil
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/api/"
	}
	m.base = strings.TrimSuffix(u.String(), "/") + "/"
	if m.vhost == "" {
		m.vhost = "/"
	}
	return m, nil
}

// managementMost bounds what is read of an answer: a thousand queues are about 2 MB.
const managementMost = 32 << 20

// Get decodes what a path answers.
func (m *Management) Get(ctx context.Context, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.base+path, nil)
	if err != nil {
		return err
	}
	if m.user != "" {
		r.SetBasicAuth(m.user, m.password)
	}
	resp, err := m.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, managementMost)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Vhost is the path of a collection's part for our virtual host: "queues" becomes queues/%2F.
func (m *Management) Vhost(collection string) string {
	return collection + "/" + strings.ReplaceAll(url.PathEscape(m.vhost), "/", "%2F")
}

// A Node is what the management API tells of a node.
type Node struct {
	Name        string `json:"name"`
	Running     bool   `json:"running"`
	MemUsed     int64  `json:"mem_used"`
	MemLimit    int64  `json:"mem_limit"`
	MemAlarm    bool   `json:"mem_alarm"`
	DiskFree    int64  `json:"disk_free"`
	DiskLimit   int64  `json:"disk_free_limit"`
	DiskAlarm   bool   `json:"disk_free_alarm"`
	Descriptors int    `json:"fd_used"`
	Connections int    `json:"connections"`
	Version     string `json:"version"`
	Nodes       int    `json:"nodes"` // of the cluster
	Partitioned bool   `json:"partitioned"`
}

func (n *Node) judge(add adder) {
	if n.MemAlarm {
		add(problem, "memory-alarm", n.Name, "Broker node %s is out of memory: it takes no more messages.", n.Name)
	} else if n.MemLimit > 0 && n.MemUsed*10 > n.MemLimit*8 {
		add(warning, "memory-high", n.Name, "Broker node %s uses %d %% of the memory it may.", n.Name, n.MemUsed*100/n.MemLimit)
	}
	if n.DiskAlarm {
		add(problem, "disk-alarm", n.Name, "The disk of broker node %s is full: it takes no more messages.", n.Name)
	}
	if n.Partitioned {
		add(problem, "partition", n.Name, "The broker's cluster is partitioned.")
	}
}

type managedQueue struct {
	Name      string         `json:"name"`
	Type      string         `json:"type"`
	Policy    string         `json:"policy"`
	Bytes     int64          `json:"message_bytes"`
	Unacked   int            `json:"messages_unacknowledged"`
	Arguments map[string]any `json:"arguments"`
	Exclusive bool           `json:"exclusive"`
	Stats     struct {
		Publish rate `json:"publish_details"`
		Deliver rate `json:"deliver_get_details"`
		Ack     rate `json:"ack_details"`
	} `json:"message_stats"`
}

type rate struct {
	Rate float64 `json:"rate"`
}

// passing reports whether a queue belongs to a connection: events, replies, remote control.
func (q *managedQueue) passing() bool {
	return q.Exclusive || strings.HasPrefix(q.Name, "celeryev") || strings.HasSuffix(q.Name, ".pidbox") || strings.HasPrefix(q.Name, "amq.gen")
}

// manage asks the management API.
func (f *Fleet) manage(ctx context.Context) {
	m := f.config.Management
	var list []managedQueue
	err := m.Get(ctx, m.Vhost("queues"), &list)
	var nodes []Node
	var about struct {
		Version string `json:"rabbitmq_version"`
		Totals  struct {
			Connections int `json:"connections"`
		} `json:"object_totals"`
	}
	if err == nil {
		err = m.Get(ctx, "nodes", &nodes)
	}
	if err == nil {
		err = m.Get(ctx, "overview", &about)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.brokerErr, f.broker = err.Error(), nil
		return
	}
	f.brokerErr = ""
	if len(nodes) > 0 {
		n := worst(nodes)
		n.Version, n.Connections, n.Nodes = about.Version, about.Totals.Connections, len(nodes)
		f.broker = &n
	}
	for i := range list {
		mq := &list[i]
		if mq.passing() {
			continue
		}
		q := f.queues[mq.Name]
		if q == nil {
			if len(f.queues) >= queuesMost {
				continue
			}
			q = &Queue{Name: mq.Name}
			f.queues[mq.Name] = q
		}
		q.Told, q.Type, q.Policy, q.Bytes, q.Unsettled, q.Arguments = true, mq.Type, mq.Policy, mq.Bytes, mq.Unacked, mq.Arguments
		q.Publish, q.Deliver, q.Ack = mq.Stats.Publish.Rate, mq.Stats.Deliver.Rate, mq.Stats.Ack.Rate
	}
}

// worst is the node that is nearest to trouble.
func worst(nodes []Node) Node {
	at := nodes[0]
	for _, n := range nodes[1:] {
		if n.MemAlarm || n.DiskAlarm || !at.MemAlarm && !at.DiskAlarm && n.MemUsed > at.MemUsed {
			at = n
		}
	}
	return at
}
