// Package topology is what the settings of an app need at RabbitMQ: a virtual host, users who may do what their role needs and no
// more, exchanges, queues, bindings, policies. It compares that with a live broker, makes what is missing, and moves a queue whose
// arguments must change.
//
//	settings ─► New ─► Plan ─► Compare ◄─ management API
//	                             │
//	                             ▼
//	                       differences ─► Apply makes what is missing; what differs is left alone unless told
//	                             │
//	                             ▼
//	                  a queue that differs ─► Move: holding queue, confirmed copies, the queue anew, and back
//
// Nothing here deletes, except Move the queue that it has emptied.
package topology
