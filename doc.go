// Package umbel is a distributed task queue that speaks Celery: the same messages, queues, results and states, so that Go
// and Python share one fleet, with an embedded broker when there is nothing to install.
//
//	var App = umbel.New("shop")
//
//	var Charge = umbel.Register(App, "orders.charge",
//		func(ctx context.Context, order Order) (Receipt, error) { … },
//		umbel.Queue("high_priority"), umbel.AcksLate())
//
//	result, err := Charge.Send(ctx, Order{ID: 7}, umbel.Countdown(time.Minute))
//	receipt, err := result.Get(ctx)
//
// A program that runs tasks calls cli.Main(App), or worker.New(App, worker.Config{}).Run(ctx). A program that only sends
// imports the driver of its broker and nothing else.
package umbel
