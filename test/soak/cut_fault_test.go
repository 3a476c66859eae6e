package soak

import (
	"math/rand/v2"
	"time"

	"github.com/umbel-go/umbel/internal/faultnet"
)

// cutOne resets the connections of one process.
type cutOne struct{}

func (cutOne) name() string { return "connections cut" }

func (f cutOne) strike(l *lab, r *rand.Rand) {
	m := anyMember(l, r)
	defer l.ledger.strikes(f.name(), m.name)()
	m.cut()
}

// cutAll resets the connections of all processes, several times in a row.
type cutAll struct{}

func (cutAll) name() string { return "all connections cut" }

func (f cutAll) strike(l *lab, r *rand.Rand) {
	defer l.ledger.strikes(f.name(), everybody)()
	for range 1 + r.IntN(3) {
		for _, m := range l.members {
			m.cut()
		}
		l.pause(span(r, 50*time.Millisecond, 400*time.Millisecond))
	}
}

// cutAfter resets one process's connection in the middle of a frame.
type cutAfter struct{}

func (cutAfter) name() string { return "connection cut in a frame" }

func (f cutAfter) strike(l *lab, r *rand.Rand) {
	m := anyMember(l, r)
	defer l.ledger.strikes(f.name(), m.name)()
	limit := faultnet.Bytes(1 + r.Int64N(5000))
	requests := r.IntN(2) == 0
	m.each(func(link *faultnet.Link) {
		if requests {
			link.CutAfterRequests(limit)
		} else {
			link.CutAfterReplies(limit)
		}
	})
	l.pause(span(r, time.Second, 3*time.Second))
	m.each((*faultnet.Link).Heal) // whichever link was not in use
}
