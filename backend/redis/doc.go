// Package redis keeps results in Redis as Celery does: the same keys, documents, lifetimes and messages, so that
// AsyncResult in Python reads what Umbel stores and the other way round.
//
//	celery-task-meta-<task id>   string, the document, SETEX result_expires
//	channel of the same name     the document again, published in the same step
//
// Where Celery reads a document and then overwrites it unless it is a SUCCESS, a small script does both at once:
// no other writer can come between. URLs:
//
//	redis://[user:password@]host:port/db      rediss://… (TLS, verified)
//	socket:///path/redis.sock?virtual_host=db  redis+socket://…, unix://…
//	sentinel://host:port;sentinel://host:port/db  with the transport option master_name
//
// A backend holds one connection for commands, over which the calls of all goroutines are pipelined, and, while
// somebody watches, one for its subscriptions. With sentinels there is one more, to a sentinel.
//
// Celery: celery/backends/redis.py.
package redis
