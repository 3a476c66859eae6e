package memory_test

import (
	"context"
	"fmt"

	"github.com/umbel-go/umbel/broker"
	_ "github.com/umbel-go/umbel/broker/memory"
	"github.com/umbel-go/umbel/protocol"
)

// Brokers of one name share a space, as processes share a server.
func Example() {
	ctx := context.Background()
	config := broker.Config{URLs: []string{"memory://shop"}}
	sender, err := broker.Open(ctx, config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sender.Close()
	receiver, err := broker.Open(ctx, config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer receiver.Close()

	done := make(chan error)
	_, err = receiver.Consume(ctx, broker.Subscription{
		Queue: "orders", Prefetch: 1,
		Declare: broker.Topology{Queues: []broker.Queue{{Name: "orders", Durable: true}}},
		Deliver: func(d *broker.Delivery) {
			fmt.Printf("from %s: %s\n", d.Queue, d.Body)
			done <- d.Ack()
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = sender.Publish(ctx, &broker.Message{RoutingKey: "orders", Envelope: protocol.Envelope{Body: []byte("order 7")}})
	fmt.Println(err, <-done)
	err = sender.Publish(ctx, &broker.Message{RoutingKey: "ordres"})
	fmt.Println(err)
	// Output:
	// from orders: order 7
	// <nil> <nil>
	// broker refused message to exchange "" with routing key "ordres": unroutable: declare the queue first
}
