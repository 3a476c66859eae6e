// Package soak is a laboratory of faults: producers and workers are real processes on real servers, and while they send and
// run tasks those are killed, stopped, cut off, restarted and filled up, one after the other and on top of each other. Then
// everything is mended, and every task that was ever sent must have ended.
//
//	plan ──which fault when, by a seed──► faults ──strike──► roles (producers, workers) and servers
//	                                         │                        │
//	                                         └───────► ledger ◄───────┘ what was sent, confirmed, started, ended, lost
//	                                                     │
//	                                                  verdict: lost=0 stuck=0, and each second start traced to a fault
//
// The short form runs with all tests. The long one is
//
//	make soak MINUTES=30
//
// and its last line is the verdict. -seed repeats a run's plan. The roles are this test binary run again; its workers are the
// command "worker" as users run it.
//
// Beside the lab stand the kill points (point_test.go): each step between publish, run, result, retry, dead letter and ack is
// crossed by a kill at that very point, and what must then have happened is said for each.
package soak
