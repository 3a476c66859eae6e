// Package rpc is the result backend that stores nothing: each document is a message to whoever sent the task.
//
//	sender                                        worker
//	ReplyTo ─► declares its reply queue
//	Send ───── task message, reply_to = queue ──►
//	           ◄── document, correlation id = task id ── Store
//	arrivals ─► Watch, Get
//
// One queue and one consumer serve all waiters of a process. What arrives before anyone asks is kept, up to a bound, for
// as long as results live. Nobody else can read it, and a sender that is gone, or without a connection at that moment,
// never gets it: use redis:// or a database where results must outlive their sender.
//
// Celery: celery/backends/rpc.py.
package rpc
