// Package amqp is the RabbitMQ driver of broker, for the schemes amqp, amqps and pyamqp.
//
// It keeps two connections, whatever the load: one that publishes, opened by Open, and one that consumes, opened by the
// first Consume. Each is watched by a supervisor that dials again after a loss; no automatic recovery of the client
// library is used, because recovered channels would carry acknowledgements of earlier sessions to other messages.
//
//	Broker ── link "publish" ── session ── lane (shared, confirm mode, mandatory)
//	      │                            ├── lane (alone: first use of an exchange, huge messages)
//	      │                            └── short-lived channels (declare, stat, purge) until a consumer exists
//	      └── link "consume" ── session ── channel per subscription ── settler (acks, gathered)
//	                                   └── short-lived channels
//
// A session is one connection's life, a lane or a settler one channel's. Nothing outlives its session: what was not
// confirmed is reported as such, what was not settled is handed out again by the broker.
//
// Bytes leave through a transport that writes what many goroutines produced meanwhile with one system call.
package amqp
