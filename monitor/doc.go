// Package monitor watches a fleet and shows it: what workers say of tasks becomes history on disk, a JSON API, and pages.
//
//	broker ─ event.Receiver ─┬─► history.Recorder ─► SQLite or PostgreSQL ◄─ search, charts
//	        Stat of queues ──┴─► fleet: workers, queues, what is wrong              │
//	browser, program ◄─ access (who may?) ◄─ api (JSON, stream) ◄───────────────────┘
//	        pages ◄─ web (drawn from the API alone)
//
// It works with Celery's workers as with ours. Celery: Flower.
package monitor
