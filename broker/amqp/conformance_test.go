package amqp

import (
	"testing"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/broker/brokertest"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
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
				Open:    dial,
				Another: func(t *testing.T, _ broker.Broker) broker.Broker { return dial(t) },
			}
			if queue == "quorum" {
				suite.Arguments = protocol.Table{"x-queue-type": "quorum"}
				suite.Counts = true
			}
			suite.Run(t)
		})
	}
}
