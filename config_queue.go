package umbel

import "github.com/umbel-go/umbel/internal/setting"

// A RouteRule gives publish options to the tasks whose names match.
type RouteRule struct {
	// Pattern is a task's name, a glob such as "orders.*" (told by its "*"; "?" and "[ab]" then match one character), or
	// a regular expression written as "re:^orders\.". Exact names come before patterns, as in Celery; among patterns the
	// first that matches decides.
	Pattern string

	// Options are publish options by Celery's name: queue, exchange, routing_key, priority, serializer, compression,
	// delivery_mode, expires (seconds) and others.
	Options map[string]any
}

// A QueueConfig declares one queue, and the exchange and binding that feed it.
type QueueConfig struct {
	// Name is the queue's name. Required.
	Name string

	// Exchange defaults to TaskDefaultExchange, ExchangeType to direct (to TaskDefaultExchangeType when Exchange is not
	// given), RoutingKey to TaskDefaultRoutingKey.
	Exchange, ExchangeType, RoutingKey string

	// Arguments are the queue's: x-max-priority, x-queue-type, x-message-ttl (milliseconds), x-dead-letter-exchange …
	Arguments map[string]any

	// ExchangeArguments and BindingArguments are those of the exchange and of the binding.
	ExchangeArguments, BindingArguments map[string]any

	// Durable survives a restart of the broker; for the exchange too, unless ExchangeDurable says otherwise.
	// Defaults to true.
	Durable, ExchangeDurable *bool

	// AutoDelete goes with the last consumer; for the exchange too, unless ExchangeAutoDelete says otherwise.
	// Defaults to false.
	AutoDelete, ExchangeAutoDelete *bool

	// Exclusive belongs to one connection. Defaults to false.
	Exclusive bool

	// DeliveryMode is that of messages published to it, 0 for the default.
	DeliveryMode uint8

	// DeadLetter names the queue that keeps what fails for good in this one; it is declared beside it and bound to exchange
	// dlx. "" keeps nothing. In a file, true stands for the queue's name with .dlq. Umbel's own: dead_letter.
	DeadLetter string

	// RateLimit is how often tasks of the queue may start, whatever they are, such as "100/m"; on each worker by itself, unless
	// RateScope is Cluster. It comes beside the limits of the tasks themselves. Defaults to "": no limit.
	// Umbel's own: rate_limit, rate_scope (worker, cluster).
	RateLimit string
	RateScope RateScope

	// Weight is how many turns the queue has, beside one of a queue without, when a worker consumes several and
	// WorkerQueueOrder is weighted: 1 to MaxQueueWeight. Defaults to 1. Umbel's own: weight.
	Weight int
}

// AutoPrefetch, as a prefetch multiplier, holds as many messages of a queue as its tasks are short: many of those that take
// milliseconds, no more than can run of those that take minutes, and never more than 64 times the concurrency (512 at least).
// Files and variables say it by "auto".
const AutoPrefetch = setting.AutoPrefetch

// MaxQueueWeight is the largest weight of a queue.
const MaxQueueWeight = 1000

// Orders in which a worker begins tasks of several queues.
const (
	QueueOrderArrival  = "arrival"  // as they came, whatever their queue
	QueueOrderStrict   = "strict"   // a task of an earlier queue first, always
	QueueOrderWeighted = "weighted" // queues with tasks waiting take turns in proportion to their weights
)
