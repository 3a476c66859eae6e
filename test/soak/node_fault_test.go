package soak

import (
	"math/rand/v2"
	"time"
)

// rollingRestart takes the nodes of a cluster down one after the other, by a stop or by kill -9, and waits in between until
// the cluster can do without the next one, as an operator must.
type rollingRestart struct{}

func (rollingRestart) name() string { return "nodes stopped in turn" }

func (f rollingRestart) strike(l *lab, r *rand.Rand) {
	if !l.rolling.TryLock() {
		return // one is under way
	}
	defer l.rolling.Unlock()
	defer l.ledger.strikes(f.name(), everybody)()
	first := r.IntN(len(l.site.nodes))
	for i := range l.site.nodes {
		n := l.site.nodes[(first+i)%len(l.site.nodes)]
		l.await(n.Spare)
		if r.IntN(2) == 0 {
			n.Kill()
		} else {
			n.Stop()
		}
		l.pause(span(r, 200*time.Millisecond, 2*time.Second))
		n.Start()
	}
	l.await(l.site.nodes[first].Spare)
}
