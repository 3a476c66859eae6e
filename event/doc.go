// Package event is what workers and clients tell of tasks and of themselves, and what a listener makes of it.
//
//	worker ─ Dispatcher ─ buffer ─► exchange celeryev (topic) ─► queue of each Receiver ─► handler
//	client ─ Dispatcher ─┘             task.multi, worker.*        exclusive, short-lived      └─► State: workers and tasks
//
// Nothing is sent until somebody wants it: a Dispatcher begins switched off. What waits to be sent is bounded, and so is a
// State. Events are for people and their tools: one may be lost, and no task depends on them.
//
// Celery: celery/events.
package event
