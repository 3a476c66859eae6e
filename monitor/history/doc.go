// Package history keeps what events told of tasks: every task of weeks or years, and counts over time, on disk.
//
//	events ─► Recorder ─ fold ─► rows, four times a second ─► SQLite file, or PostgreSQL
//	                   └ count ─► points of 10 s, 5 min, 1 h ─┘          │
//	        Search, Task, Workflow, Points, Audit ◄──────────────────────┘
//
// A task's place in the history (Seq) is the microsecond in which it was first heard of: the order, the range of a search and
// what retention removes are all ranges of one primary key. A search looks at ever larger stretches of time until its page is
// full or its time is up, and says how far it came: it answers at once, however long the history.
//
// What memory holds is bounded whatever the history: recent tasks, points that still change, events not yet written. When the
// disk is too slow, events wait at the broker.
package history
