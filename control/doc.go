// Package control is Celery's remote control: commands that are broadcast to workers, and what they answer.
//
//	Client ── celery.pidbox (fanout) ──► <node>.celery.pidbox ──► Node: meant for me? ─► handler
//	   ▲                                                                                  │
//	   └── <oid>.reply.celery.pidbox ◄── reply.celery.pidbox (direct) ◄───────────────────┘
//
// Every node gets every request and decides by itself whether it is meant. A client waits for replies until none has come
// for a while: nobody knows how many nodes there are.
//
// The queues belong to one connection and go with it, which RabbitMQ 4.3 and newer ask of queues that are not durable.
//
// Celery: kombu/pidbox.py, celery/app/control.py, celery/worker/control.py.
package control
