// Package sqlite is the embedded broker: exchanges, queues and messages in one SQLite file, shared by the processes of a
// host. It is the default when no broker is named.
//
//	Publish ─► route (topology kept in memory) ─► message + ready ─┐
//	Ack     ─► message deleted                                     ├─► one transaction of internal/sqlitefile, fsynced
//	claim   ─► ready deleted, claim written (one row for many) ────┘
//
// A message is in exactly one of three places: ready (in a queue, in order), delayed (not before its time), or claimed (in
// somebody's hands). The message's own row, with the body, is written once and deleted once, never changed.
//
// A claim belongs to an owner: one broker of one process. An owner shows a sign of life that the kernel takes away when
// its process ends, however that happens, and writes a heartbeat; whoever notices that an owner is gone puts its claims
// back, marked as redelivered.
//
//	broker_ready ──claim──► broker_claim ──ack──► gone
//	      ▲                      │
//	      └── reject, close, owner dead ──┘        broker_delayed ──due──► broker_ready
//
// URLs: sqlite:// is umbel.db in the working folder, sqlite://data/umbel.db a relative path, sqlite:///var/lib/umbel.db
// an absolute one.
package sqlite
