// Package beat sends tasks by schedule. Celery: celery beat.
//
//	beat.New(app, beat.Config{}).Run(ctx)   // or: shop beat, shop worker --beat
//
// Any number of schedulers may run; one of them leads.
//
//	standby ── the lease is free, or has run out ──► leading ── lost the lease, or resigned ──► standby
//
//	settings ─┐
//	file ─────┼─► book ─► heap by due time ─► claim ─────────► send ────────► confirm
//	store ────┘           (leader's memory)   (store, fenced)  (broker)       (store, fenced)
//
// A tick is one due time of one entry. Its task id follows from the two, so that whoever sends it again sends the same id.
// It is claimed in the store before it is sent, and confirmed afterwards: what a new leader finds claimed and not confirmed
// may have been sent or not, and it sends it again; Umbel's workers run the message that comes first (header umbel_tick). A
// leader whose lease may have run out sends nothing: it knows from its own clock, and the store refuses its claims.
package beat
