package soak

import "math/rand/v2"

// killWorker is kill -9 in the middle of whatever it does.
type killWorker struct{}

func (killWorker) name() string { return "worker killed" }

func (f killWorker) strike(l *lab, r *rand.Rand) {
	m := someMember(l, r, "worker")
	defer l.ledger.strikes(f.name(), m.process().name)()
	m.kill()
}

// killProducer is kill -9 of one that is sending: what it had not seen confirmed nobody repeats.
type killProducer struct{}

func (killProducer) name() string { return "producer killed" }

func (f killProducer) strike(l *lab, r *rand.Rand) {
	m := someMember(l, r, "producer")
	defer l.ledger.strikes(f.name(), m.process().name)()
	m.kill()
}
