package worker_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/worker"

	_ "github.com/umbel-go/umbel/broker/amqp"
)

// A fleet with nothing to do says nothing: what the broker has counted is one message, the test's own, which is sent after
// the fleet has stood for as long as it takes the broker to count.
func TestAnIdleFleetIsSilent(t *testing.T) {
	r := testenv.RabbitMQ(t)
	for i := range 20 {
		app := umbel.New("idle", umbel.WithConfig(umbel.Config{BrokerURL: []string{r.URL()}, ResultBackend: "memory://idle"}),
			umbel.WithLogger(slog.New(slog.DiscardHandler)))
		t.Cleanup(func() { _ = app.Close() })
		start(t, app, worker.Config{Concurrency: 1, Nodename: fmt.Sprintf("w%d@host", i)})
	}
	b, err := broker.Open(deadline(t), broker.Config{URLs: []string{r.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	published := func() int {
		var v struct {
			Stats struct {
				Publish int `json:"publish"`
			} `json:"message_stats"`
		}
		if err := json.Unmarshal(r.API("GET", "/api/vhosts/"+r.Vhost(), nil), &v); err != nil {
			t.Fatal(err)
		}
		return v.Stats.Publish
	}
	queue := broker.Queue{Name: "own", Durable: true}
	if err := b.Declare(deadline(t), broker.Topology{Queues: []broker.Queue{queue}}); err != nil {
		t.Fatal(err)
	}
	for sent := 1; sent <= 3; sent++ { // three counts of the broker's, five seconds each
		m := &broker.Message{RoutingKey: "own", Envelope: protocol.Envelope{Body: []byte("x")}}
		if err := b.Publish(deadline(t), m); err != nil {
			t.Fatal(err)
		}
		testenv.Await(t, "the message counted", func() bool { return published() >= sent }, nil)
		if n := published(); n != sent {
			t.Fatalf("%d messages were published, %d of them by the test", n, sent)
		}
	}
}
