package soak

import (
	"math/rand/v2"
	"time"
)

// brokerCrash is kill -9 of the broker, which then starts again.
type brokerCrash struct{}

func (brokerCrash) name() string { return "broker killed" }

func (f brokerCrash) strike(l *lab, r *rand.Rand) {
	defer l.ledger.strikes(f.name(), everybody)()
	n := l.site.nodes[0]
	n.Kill()
	l.pause(span(r, 0, time.Second))
	n.Start()
}

// brokerRestart stops the broker in good order and starts it again, as maintenance does.
type brokerRestart struct{}

func (brokerRestart) name() string { return "broker restarted" }

func (f brokerRestart) strike(l *lab, r *rand.Rand) {
	defer l.ledger.strikes(f.name(), everybody)()
	n := l.site.nodes[0]
	n.Stop()
	l.pause(span(r, 0, time.Second))
	n.Start()
}

// forcedClose is the broker closing every connection with 320 CONNECTION_FORCED, as an operator or a maintenance makes it.
type forcedClose struct{}

func (forcedClose) name() string { return "connections closed by the broker" }

func (f forcedClose) strike(l *lab, _ *rand.Rand) {
	defer l.ledger.strikes(f.name(), everybody)()
	l.site.node().CloseConnections()
}
