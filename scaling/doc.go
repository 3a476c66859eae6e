// Package scaling says how many workers a queue should have, and which of them may go.
//
//	what the broker tells      ready ────────────────┐
//	                                                 ├─► Advisor.Look ─► Advice: desired workers per queue and why,
//	what workers tell          slots, running, done ─┘                   per worker whether it may go
//
// A queue needs slots for its flow (arrivals × duration, with room to spare) and to work off what waits within a time
// (ready × duration ÷ wait, at most one slot a message). More workers are advised at once, fewer only when fewer would have been enough
// for a while, and never fewer than have long tasks to finish. It is arithmetic: nothing here starts or stops a worker.
package scaling
