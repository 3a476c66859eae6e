// Package routing is AMQP's routing model as a pure value: which queues a message reaches through exchanges of the types
// direct, topic and fanout. It does no I/O, starts no goroutine and takes no lock: the embedded brokers own a Graph each
// and guard it themselves.
//
//	Route("logs", "app.error") ─► logs (topic) ── app.# ──► queue "app"
//	                                           ── #.error ─► errors (fanout) ──► queue "mail"
//	                                                                         ──► queue "page"
package routing
