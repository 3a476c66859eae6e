package testenv

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A Rabbit is RabbitMQ as one test sees it: a virtual host that nobody else uses, and user guest who may do everything.
type Rabbit struct {
	t      testing.TB
	server *server
	vhost  string
}

// RabbitMQ returns a new virtual host on the RabbitMQ that all tests share. It is deleted when the test ends.
func RabbitMQ(t testing.TB) *Rabbit {
	t.Helper()
	r := &Rabbit{t: t, server: shared(t, rabbitKind)}
	r.newVhost()
	return r
}

// An OwnRabbit is a RabbitMQ that belongs to one test.
type OwnRabbit struct {
	Rabbit
	*own
}

// OwnRabbitMQ starts a RabbitMQ for this test alone, with further lines for rabbitmq.conf, such as
// "consumer_timeout = 5000"; a line that begins with "erl " goes to Erlang's command line, for what has no line of its own,
// such as "erl -rabbit channel_tick_interval 500". It takes about ten seconds: use RabbitMQ unless the test stops, kills or configures it.
// Kill and Start keep durable queues, users and virtual hosts.
func OwnRabbitMQ(t testing.TB, conf ...string) *OwnRabbit {
	t.Helper()
	o := newOwn(t, rabbitKind, conf)
	r := &OwnRabbit{Rabbit: Rabbit{t: t, server: o.node, vhost: "/"}, own: o}
	return r
}

func (r *Rabbit) newVhost() {
	r.t.Helper()
	r.vhost = testName(r.t)
	path := "/api/vhosts/" + segment(r.vhost)
	r.t.Cleanup(func() {
		if _, err := r.api().must(http.MethodDelete, path, nil); err != nil {
			r.t.Errorf("delete virtual host: %v", err)
		}
	})
	r.API(http.MethodPut, path, map[string]any{})
	r.API(http.MethodPut, "/api/permissions/"+segment(r.vhost)+"/guest", map[string]any{"configure": ".*", "write": ".*", "read": ".*"})
}

// testName is a name for a test's own part of a server, which tells whose it is.
func testName(t testing.TB) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, t.Name())
	return fmt.Sprintf("%.30s_%08x", name, rand.Uint32())
}

func (r *Rabbit) api() rabbitAPI {
	return rabbitAPI{port: r.server.Ports[rabbitHTTP], user: "guest", password: "guest"}
}

// URL is the amqp:// URL of this test's virtual host.
func (r *Rabbit) URL() string { return r.URLFor("guest", "guest") }

// URLFor is URL with other credentials.
func (r *Rabbit) URLFor(user, password string) string {
	return r.url("amqp", r.Addr(), user, password)
}

// TLSURL is the amqps:// URL; the certificate is for localhost and 127.0.0.1, signed by CA.
func (r *Rabbit) TLSURL() string { return r.url("amqps", r.TLSAddr(), "guest", "guest") }

// URLAt is URL with another address, such as that of a TLSProxy or of a link that loses messages.
func (r *Rabbit) URLAt(scheme, addr string) string { return r.url(scheme, addr, "guest", "guest") }

func (r *Rabbit) url(scheme, addr, user, password string) string {
	return fmt.Sprintf("%s://%s@%s/%s", scheme, url.UserPassword(user, password), addr, segment(r.vhost))
}

// Addr is host:port of the plain listener, TLSAddr that of the TLS listener, HTTPAddr that of the management API.
func (r *Rabbit) Addr() string     { return address(r.server.Ports[rabbitPlain]) }
func (r *Rabbit) TLSAddr() string  { return address(r.server.Ports[rabbitTLS]) }
func (r *Rabbit) HTTPAddr() string { return address(r.server.Ports[rabbitHTTP]) }

// Vhost is the name of this test's virtual host, unescaped.
func (r *Rabbit) Vhost() string { return r.vhost }

// API calls the management API as guest and returns its answer; a status of 300 or more fails the test. body is
// nil, text, or a value that is sent as JSON.
func (r *Rabbit) API(method, path string, body any) []byte {
	r.t.Helper()
	answer, err := r.api().must(method, path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer
}

// TryAPI is API for calls that may fail.
func (r *Rabbit) TryAPI(method, path string, body any) (status int, answer []byte, err error) {
	return r.api().do(method, path, body)
}

// User makes a user with permissions on this virtual host (regular expressions); it is deleted when the test ends.
func (r *Rabbit) User(name, password, configure, write, read string) {
	r.t.Helper()
	path := "/api/users/" + segment(name)
	r.API(http.MethodPut, path, map[string]any{"password": password, "tags": ""})
	r.t.Cleanup(func() { r.api().do(http.MethodDelete, path, nil) })
	r.API(http.MethodPut, "/api/permissions/"+segment(r.vhost)+"/"+segment(name),
		map[string]any{"configure": configure, "write": write, "read": read})
}

// A RabbitQueue is a queue as the management API shows it. Counts lag behind by half a second or so.
type RabbitQueue struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"` // classic or quorum
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"`
	Exclusive  bool           `json:"exclusive"`
	Arguments  map[string]any `json:"arguments"`
	Messages   int            `json:"messages"`
	Ready      int            `json:"messages_ready"`
	Unacked    int            `json:"messages_unacknowledged"`
	Consumers  int            `json:"consumers"`

	// DeadLettering are the messages of a quorum queue that are on their way to another one, at least once. They are counted
	// in Messages.
	DeadLettering int `json:"messages_dlx"`
}

// Queue returns a queue of this virtual host; ok is false when there is none.
func (r *Rabbit) Queue(name string) (q RabbitQueue, ok bool) {
	r.t.Helper()
	status, answer, err := r.TryAPI(http.MethodGet, "/api/queues/"+segment(r.vhost)+"/"+segment(name), nil)
	switch {
	case err != nil:
		r.t.Fatalf("look at queue %q: %v", name, err)
	case status == http.StatusNotFound:
		return q, false
	case status >= 300:
		r.t.Fatalf("look at queue %q: %d %s", name, status, answer)
	}
	if err := json.Unmarshal(answer, &q); err != nil {
		r.t.Fatalf("look at queue %q: %v", name, err)
	}
	return q, true
}

// Queues returns all queues of this virtual host.
func (r *Rabbit) Queues() []RabbitQueue {
	r.t.Helper()
	var all []RabbitQueue
	if err := json.Unmarshal(r.API(http.MethodGet, "/api/queues/"+segment(r.vhost), nil), &all); err != nil {
		r.t.Fatal(err)
	}
	return all
}

// AwaitQueue waits until a queue exists and ok accepts it, and fails the test after a while.
func (r *Rabbit) AwaitQueue(name string, ok func(RabbitQueue) bool) RabbitQueue {
	r.t.Helper()
	var q RabbitQueue
	Await(r.t, "queue "+name, func() bool {
		var found bool
		q, found = r.Queue(name)
		return found && ok(q)
	}, func() string { return fmt.Sprintf("it is %+v", q) })
	return q
}

// Connections names the open connections to this virtual host, as soon as the management API knows them.
func (r *Rabbit) Connections() []string {
	r.t.Helper()
	var list []struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(r.API(http.MethodGet, "/api/vhosts/"+segment(r.vhost)+"/connections", nil), &list); err != nil {
		r.t.Fatal(err)
	}
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Name
	}
	return names
}

// CloseConnections makes RabbitMQ close every connection to this virtual host (320 CONNECTION_FORCED) and returns how
// many there were.
func (r *Rabbit) CloseConnections() int {
	r.t.Helper()
	closed := 0
	for _, name := range r.Connections() {
		status, _, err := r.TryAPI(http.MethodDelete, "/api/connections/"+segment(name), nil)
		if err != nil {
			r.t.Fatalf("close connection %s: %v", name, err)
		}
		if status < 300 {
			closed++ // else it was gone already
		}
	}
	return closed
}

// awaitLimit is generous: it only decides how long a failing test takes.
const awaitLimit = 2 * time.Minute

// Await waits until ok, for what can only be asked and not be waited for, and fails the test after a while. state, if
// not nil, tells what was seen last.
func Await(t testing.TB, what string, ok func() bool, state func() string) {
	t.Helper()
	deadline := time.Now().Add(awaitLimit)
	for !ok() {
		if time.Now().After(deadline) {
			seen := ""
			if state != nil {
				seen = ": " + state()
			}
			t.Fatalf("%s: not as expected after %s%s", what, awaitLimit, seen)
		}
		time.Sleep(pollEvery)
	}
}
