package soak

import (
	"math/rand/v2"
	"time"
)

// A chance is a fault and its weight in a plan.
type chance struct {
	fault fault
	least int // how often the short form has it
	often int // weight in the long form, beyond that
	aside bool
}

// A step is one fault of a plan.
type step struct {
	after time.Duration // the one before
	fault fault
	seed  uint64 // of what the fault itself leaves open
	aside bool   // others strike while it lasts
}

// onOneBroker are the faults of a site with one broker.
var onOneBroker = []chance{
	{killWorker{}, 4, 8, false},
	{killChild{}, 2, 4, false},
	{stopWorker{}, 2, 4, false},
	{killProducer{}, 1, 2, false},
	{cutOne{}, 4, 8, false},
	{cutAll{}, 1, 3, false},
	{cutAfter{}, 2, 4, true},
	{halfCut{requests: true}, 1, 2, true},
	{halfCut{}, 1, 2, true},
	{lostReplies{}, 2, 4, false},
	{slowLink{}, 1, 3, true},
	{longSilence{}, 0, 1, true},
	{forcedClose{}, 1, 2, false},
	{memoryAlarm, 1, 1, false},
	{diskAlarm, 1, 1, false},
	{redisCrash{}, 1, 2, false},
	{redisFrozen{}, 1, 1, false},
	{brokerCrash{}, 1, 1, false},
	{brokerRestart{}, 0, 1, false},
}

// onACluster are those of a cluster: its nodes leave and come back while the others strike.
var onACluster = []chance{
	{rollingRestart{}, 1, 2, true},
	{killWorker{}, 3, 6, false},
	{killChild{}, 1, 3, false},
	{stopWorker{}, 1, 3, false},
	{killProducer{}, 1, 2, false},
	{cutOne{}, 3, 6, false},
	{cutAll{}, 1, 2, false},
	{cutAfter{}, 1, 3, true},
	{halfCut{requests: true}, 0, 2, true},
	{halfCut{}, 1, 2, true},
	{lostReplies{}, 1, 3, false},
	{slowLink{}, 0, 2, true},
	{longSilence{}, 0, 1, true},
	{redisCrash{}, 1, 2, false},
}

// A plan says which fault strikes when; the same seed makes the same plan.
type plan struct {
	chances []chance
	rand    *rand.Rand
	least   []chance // of the short form, what is left
}

func newPlan(chances []chance, seed uint64) *plan {
	p := &plan{chances: chances, rand: rand.New(rand.NewPCG(seed, 0))}
	for _, c := range chances {
		for range c.least {
			p.least = append(p.least, c)
		}
	}
	p.rand.Shuffle(len(p.least), func(i, j int) { p.least[i], p.least[j] = p.least[j], p.least[i] })
	return p
}

// next returns the next step; short reports that the short form would be over.
func (p *plan) next() (s step, short bool) {
	var c chance
	if len(p.least) > 0 {
		c, p.least = p.least[0], p.least[1:]
	} else {
		c, short = p.draw(), true
	}
	return step{after: span(p.rand, 200*time.Millisecond, 1200*time.Millisecond), fault: c.fault, seed: p.rand.Uint64(), aside: c.aside}, short
}

func (p *plan) draw() chance {
	all := 0
	for _, c := range p.chances {
		all += c.often
	}
	n := p.rand.IntN(all)
	for _, c := range p.chances {
		if n -= c.often; n < 0 {
			return c
		}
	}
	panic("unreachable")
}
