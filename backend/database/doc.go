// Package database keeps results in a table of a SQL database: SQLite for one host, PostgreSQL for a fleet.
//
//	sqlite://umbel.db           a file in the working directory; sqlite:// alone is the same
//	sqlite:///var/lib/umbel.db  an absolute path
//	postgres://user:password@host:5432/shop?sslmode=verify-full
//
// Celery's own database backends hold pickled Python objects, which Umbel neither reads nor writes: these tables are
// Umbel's, one row per task with its whole document as encoded by result_serializer, written and expired as in Redis.
//
//	Store ──► dialect.write ──► one transaction for all who write at that moment ──► ring / NOTIFY with the ids
//	                                                                                   │
//	Watch ──► board ◄── follower goroutine: reads what changed and is watched ◄────────┘
//
// Nothing polls. SQLite's rows are found by a version that grows with each write; PostgreSQL tells the ids on one
// connection that listens for all watchers. Whatever woke the follower, it reads the present rows and tells only those
// whose version is new, so that a lost or repeated notice does no harm.
package database
