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

type managedQueue struct {
	Name      string         `json:"name"`
	Type      string         `json:"type"`
	Policy    string         `json:"policy"`
	Bytes     int64          `json:"message_bytes"`
	Ready     int            `json:"messages_ready"`
	Unacked   int            `json:"messages_unacknowledged"`
	Arguments map[string]any `json:"arguments"`
	Exclusive bool           `json:"exclusive"`
	Head      int64          `json:"head_message_timestamp"` // Unix seconds; 0: not told
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
