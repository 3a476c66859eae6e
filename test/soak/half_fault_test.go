package soak

import (
	"math/rand/v2"
	"time"

	"github.com/umbel-go/umbel/internal/faultnet"
)

// halfCut silences one direction of one process's connections; after a while they are cut, or go on as if nothing had been.
type halfCut struct{ requests bool }

func (f halfCut) name() string {
	if f.requests {
		return "requests held back"
	}
	return "replies held back"
}

func (f halfCut) strike(l *lab, r *rand.Rand) {
	m := anyMember(l, r)
	defer l.ledger.strikes(f.name(), m.name)()
	if f.requests {
		m.each((*faultnet.Link).FreezeRequests)
	} else {
		m.each((*faultnet.Link).FreezeReplies)
	}
	l.pause(span(r, time.Second, 4*time.Second))
	if r.IntN(2) == 0 {
		m.cut()
	}
	m.each((*faultnet.Link).Thaw)
}

// lostReplies lets what the broker says to one process vanish, confirms and deliveries among it, and then cuts the connection:
// what was sent has arrived, and the sender does not know.
type lostReplies struct{}

func (lostReplies) name() string { return "replies lost" }

func (f lostReplies) strike(l *lab, r *rand.Rand) {
	m := anyMember(l, r)
	defer l.ledger.strikes(f.name(), m.name)()
	m.each(func(link *faultnet.Link) { link.DropReplies(faultnet.Now()) })
	l.pause(span(r, 500*time.Millisecond, 2*time.Second))
	m.cut()
	m.each((*faultnet.Link).Heal)
}

// longSilence holds back one process's replies for longer than two heartbeats: it must find out by itself.
type longSilence struct{}

func (longSilence) name() string { return "silence beyond the heartbeat" }

func (f longSilence) strike(l *lab, r *rand.Rand) {
	m := anyMember(l, r)
	defer l.ledger.strikes(f.name(), m.name)()
	m.each((*faultnet.Link).FreezeReplies)
	l.pause(2*heartbeat + span(r, time.Second, 5*time.Second))
	m.each((*faultnet.Link).Thaw)
}
