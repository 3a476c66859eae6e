package event_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

func publish(t *testing.T, b broker.Broker, key, body string) {
	t.Helper()
	env := protocol.Envelope{Properties: protocol.Properties{ContentType: "application/json", ContentEncoding: "utf-8"}, Body: []byte(body)}
	if err := b.Publish(deadline(t), &broker.Message{Envelope: env, Exchange: "celeryev", RoutingKey: key}); err != nil {
		t.Fatal(err)
	}
}

func TestClocksOfSendersAreFollowed(t *testing.T) {
	b := open(t, "")
	clock := new(event.Clock)
	all := listen(t, b, event.ReceiverConfig{Clock: clock})
	publish(t, b, "worker.online", `{"type": "worker-online", "hostname": "a", "clock": 40}`)
	publish(t, b, "task.sent", `{"type": "task-sent", "uuid": "x", "clock": 9000}`)
	publish(t, b, "task.multi", `[{"type": "task-received", "uuid": "x", "clock": 20}, {"type": "task-mine", "uuid": "x"}]`)
	got := all.wait(4)
	var clocks []int64
	for _, e := range got {
		clocks = append(clocks, e.Clock)
	}
	// 40 makes it 41; a client's clock is replaced by 40, which makes it 42; 20 makes it 43; none is given the next, 44.
	if d := cmp.Diff([]int64{40, 40, 20, 44}, clocks); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if clock.Value() != 44 {
		t.Errorf("the clock is at %d, want 44", clock.Value())
	}
}

func TestAClockBeyondReasonIsNotBelieved(t *testing.T) {
	var c event.Clock
	c.Adjust(1 << 62)
	if c.Value() != 1 {
		t.Errorf("the clock is at %d", c.Value())
	}
}

func TestWhatIsNoEventIsPassedOver(t *testing.T) {
	b := open(t, "")
	all := listen(t, b, event.ReceiverConfig{})
	publish(t, b, "task.multi", `rubbish`)
	publish(t, b, "task.multi", `[{"type": ""}, {"type": "task-started", "uuid": "good"}]`)
	if e := all.wait(1); e[0].Body.(*protocol.TaskStarted).UUID != "good" {
		t.Errorf("heard %+v", e[0])
	}
}

func TestAReceiversQueueIsOneThatRabbitMQ43Accepts(t *testing.T) {
	rabbit := testenv.RabbitMQ(t)
	b := open(t, rabbit.URL())
	for name, c := range map[string]event.Config{
		"by default": {},
		"shared":     {QueueShared: true, QueuePrefix: "shared", QueueTTL: time.Second, QueueExpires: 90 * time.Second},
		"durable":    {QueueDurable: true, QueuePrefix: "durable"},
	} {
		r := listen(t, b, event.ReceiverConfig{Config: c})
		var q struct {
			Durable    bool           `json:"durable"`
			AutoDelete bool           `json:"auto_delete"`
			Exclusive  bool           `json:"exclusive"`
			Arguments  map[string]any `json:"arguments"`
		}
		answer := rabbit.API("GET", "/api/queues/"+url.PathEscape(rabbit.Vhost())+"/"+r.Queue(), nil)
		if err := json.Unmarshal(answer, &q); err != nil {
			t.Fatal(err)
		}
		if q.Durable == q.Exclusive || !q.AutoDelete {
			t.Errorf("%s: %+v: RabbitMQ 4.3 refuses transient queues that are not exclusive", name, q)
		}
		if want := c.QueueShared || c.QueueDurable; q.Durable != want {
			t.Errorf("%s: durable is %v", name, q.Durable)
		}
		ttl, expires := 5000., 60000.
		if c.QueueShared {
			ttl, expires = 1000, 90000
		}
		if q.Arguments["x-message-ttl"] != ttl || q.Arguments["x-expires"] != expires {
			t.Errorf("%s: arguments %v", name, q.Arguments)
		}
		if prefix := c.QueuePrefix; prefix != "" && !strings.HasPrefix(r.Queue(), prefix+".") || prefix == "" && !strings.HasPrefix(r.Queue(), "celeryev.") {
			t.Errorf("%s: it is called %s", name, r.Queue())
		}
	}
}
