// Package procpool keeps children of this program that work for it, each on one thing at a time.
//
//	Pool ── spawn ──► child ── hello ──► idle ◄──── Leave ────┐
//	                                      │ Take              │      MaxTasks, MaxMemory, Resize: the child is let go,
//	                                      ▼                   │      and another one has been started before
//	                                    taken ── Do ──► answer, or how it died
//
// Each child has a pipe of its own in either direction, and leads a process group of its own. Frames are bounded, both sides
// read at all times whatever they write, and a write that nobody reads has a deadline: there is nothing to deadlock on. A
// child that dies, hangs or speaks nonsense is killed with its group, told of with its exit status, and replaced. When the
// parent dies its children read the end of their pipe and leave; on Linux the kernel kills them besides.
//
// The package knows nothing of tasks: what is done, asked and answered are bytes.
package procpool
