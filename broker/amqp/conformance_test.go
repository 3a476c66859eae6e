package amqp

import (
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/broker/brokertest"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// Where RabbitMQ itself is not as the suite has it.
var (
	rabbitSkips = map[string]string{
		"every header survives":                                   "RabbitMQ has no infinity; TestEveryHeaderRabbitMQKnowsSurvives covers the others",
		"a delivery given back comes again unchanged":             "RabbitMQ has no infinity; TestEveryHeaderRabbitMQKnowsSurvives covers the others",
		"a message is delivered before its expiration has passed": "RabbitMQ drops expired messages only at the head of a queue",
		"a queue deletes itself when nobody uses it":              "RabbitMQ counts looking at a queue as use, and x-expires starts anew",
		"a queue in use does not delete itself":                   "RabbitMQ counts looking at a queue as use, and x-expires starts anew",
	}
	quorumSkips = map[string]string{
		"an exclusive consumer shares with nobody": "quorum queues know no exclusive consumers",
		"Stat counts messages and consumers":       "quorum queues count a cancelled consumer until its deliveries are settled",
	}
)

func TestConformance(t *testing.T) {
	for _, queue := range []string{"classic", "quorum"} {
		t.Run(queue, func(t *testing.T) {
			r := testenv.RabbitMQ(t)
			dial := func(t *testing.T) broker.Broker {
				b, err := tryOpen(r.URL())
				if err != nil {
					t.Fatal(err)
				}
				return b // the suite closes it
			}
			suite := brokertest.Suite{
				Timeout: 2 * time.Minute, // of a machine that is busy with much else
				Open:    dial,
				Another: func(t *testing.T, _ broker.Broker) broker.Broker { return dial(t) },
				Skip:    maps.Clone(rabbitSkips),
			}
			if queue == "quorum" {
				suite.Arguments = protocol.Table{"x-queue-type": "quorum"}
				suite.Counts = true
				maps.Copy(suite.Skip, quorumSkips)
			}
			suite.Run(t)
		})
	}
}

func TestEveryHeaderRabbitMQKnowsSurvives(t *testing.T) {
	moment := time.Unix(1_700_000_123, 0).UTC()
	sent := protocol.Table{
		"nil": nil, "true": true, "int32": int32(-7), "int64": int64(1) << 40, "small int64": int64(5),
		"least": int64(math.MinInt64), "float": 0.1, "largest": math.MaxFloat64, "string": "grüße \x00", "empty": "",
		"long": strings.Repeat("long ", 20_000), "bytes": []byte{0, 255}, "time": moment,
		"array": []any{nil, int32(1), int64(2), "s", moment, []any{"x"}, protocol.Table{"k": []any{protocol.Table{"n": int64(1)}}}},
		"table": protocol.Table{"empty": protocol.Table{}, "deep": protocol.Table{"deeper": protocol.Table{"n": int32(1)}}},
		// What the library does not know, or would cut.
		"int": 1 << 40, "small int": 7, "uint64": uint64(9), "strings": []string{"a", "b"}, "int16": int16(-3), "byte": byte(200),
		"uint32": uint32(1 << 31), "float32": float32(0.5),
	}
	want := maps.Clone(sent)
	want["int"], want["small int"], want["uint64"], want["strings"] = int64(1<<40), int32(7), int32(9), []any{"a", "b"}
	want["int16"], want["byte"], want["uint32"], want["float32"] = int32(-3), int32(200), int64(1<<31), 0.5

	b := open(t, testenv.RabbitMQ(t).URL())
	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 1})
	m := message("q", "body")
	m.Headers = sent
	for range 2 { // given back, it comes again unchanged
		if m.Headers != nil {
			publish(t, b, m)
			m.Headers = nil
		}
		d := in.next()
		if diff := cmp.Diff(want, d.Headers, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("headers (-sent +delivered):\n%s", diff)
		}
		d.Headers["added"] = true
		if err := d.Reject(true); err != nil {
			t.Fatal(err)
		}
	}
	if err := in.next().Ack(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatAMQPCannotExpressIsRefusedBeforeItIsSent(t *testing.T) {
	b := open(t, testenv.RabbitMQ(t).URL())
	declareQueue(t, b, "q", nil)
	deep := protocol.Table{}
	for range 100 {
		deep = protocol.Table{"deeper": deep}
	}
	for what, change := range map[string]func(*broker.Message){
		"infinity":         func(m *broker.Message) { m.Headers = protocol.Table{"x": math.Inf(1)} },
		"no number":        func(m *broker.Message) { m.Headers = protocol.Table{"x": []any{math.NaN()}} },
		"a struct":         func(m *broker.Message) { m.Headers = protocol.Table{"x": struct{}{}} },
		"a large uint64":   func(m *broker.Message) { m.Headers = protocol.Table{"x": uint64(math.MaxUint64)} },
		"deep nesting":     func(m *broker.Message) { m.Headers = deep },
		"long header name": func(m *broker.Message) { m.Headers = protocol.Table{strings.Repeat("x", 256): 1} },
		"long key":         func(m *broker.Message) { m.RoutingKey = strings.Repeat("x", 256) },
		"long id":          func(m *broker.Message) { m.Properties.CorrelationID = strings.Repeat("x", 256) },
		"expiration":       func(m *broker.Message) { m.Properties.Expiration = "soon" },
	} {
		m := message("q", "x")
		change(m)
		if err := b.Publish(t.Context(), m); outcome(err) != "not sent" {
			t.Errorf("%s: %v, want ErrNotSent", what, err)
		}
	}
	m := message("q", "x")
	m.Headers = protocol.Table{"x": strings.Repeat("x", frameSize)}
	if err := b.Publish(t.Context(), m); outcome(err) != string(broker.TooLarge) {
		t.Errorf("headers larger than a frame: %v, want TooLarge", err)
	}
	long := strings.Repeat("x", 256)
	_, stat := b.Stat(t.Context(), long)
	_, purge := b.Purge(t.Context(), long)
	_, consume := b.Consume(t.Context(), broker.Subscription{Queue: long, Deliver: func(*broker.Delivery) {}})
	for what, err := range map[string]error{
		"Stat": stat, "Purge": purge, "Consume": consume,
		"Declare": b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: long}}}),
		"bind":    b.Declare(t.Context(), broker.Topology{Bindings: []broker.Binding{{Source: "amq.topic", Queue: "q", RoutingKey: long}}}),
		"Delete":  b.Delete(t.Context(), broker.Topology{Exchanges: []broker.Exchange{{Name: long}}}),
	} {
		if err == nil || !strings.Contains(err.Error(), "256 bytes") {
			t.Errorf("%s with a name of 256 bytes: %v, want an error that says so", what, err)
		}
	}
	publish(t, b, message("q", "the connection is well"))
	if n := b.publishing.sessions.get().conn; n.IsClosed() {
		t.Error("the connection was lost")
	}
}
