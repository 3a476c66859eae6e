package soak

import (
	"math/rand/v2"
	"time"

	"github.com/umbel-go/umbel/internal/faultnet"
)

// slowLink delays all that one process and the broker say to each other.
type slowLink struct{}

func (slowLink) name() string { return "connections slow" }

func (f slowLink) strike(l *lab, r *rand.Rand) {
	m := anyMember(l, r)
	defer l.ledger.strikes(f.name(), m.name)()
	delay := span(r, 20*time.Millisecond, 300*time.Millisecond)
	m.each(func(link *faultnet.Link) { link.Delay(delay) })
	l.pause(span(r, 2*time.Second, 5*time.Second))
	m.each(func(link *faultnet.Link) { link.Delay(0) })
}
