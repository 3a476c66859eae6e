package soak

import "math/rand/v2"

// stopWorker is SIGTERM, as every deployment sends it: nothing may run twice by it.
type stopWorker struct{}

func (stopWorker) name() string { return "worker stopped" }

func (f stopWorker) strike(l *lab, r *rand.Rand) {
	m := someMember(l, r, "worker")
	defer l.ledger.strikes(f.name(), m.process().name)()
	m.stop()
}
