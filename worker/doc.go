// Package worker runs tasks: it takes messages from queues, runs the tasks they ask for, and sees each one to its end.
//
//	broker ─ consumer ─► admit ─► ready ─► pool slot: execute ─► finish ─► result store ─► ack
//	          a queue     │        (≤ prefetch)                     │
//	          each        └► delay, until due                       └► callbacks, next attempt: published and confirmed first
//
// A file per stage of a delivery's life; beside them the actors that a worker owns. A delivery is settled in finish and
// nowhere else, except those that never become a task (reject) and those given back when the worker stops (drain).
package worker
