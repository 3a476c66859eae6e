package soak

import (
	"math/rand/v2"
	"time"
)

// A fault is one way in which things go wrong. Each has a file.
type fault interface {
	name() string

	// strike does the harm and mends it. What is left open is decided by r, whose seed is the plan's.
	strike(l *lab, r *rand.Rand)
}

// span draws a time between two.
func span(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)+1))
}

// someMember draws a member that is no spare.
func someMember(l *lab, r *rand.Rand, role string) *member {
	var fit []*member
	for _, m := range l.members {
		if m.role == role && !m.spare {
			fit = append(fit, m)
		}
	}
	return fit[r.IntN(len(fit))]
}

// anyMember draws from all.
func anyMember(l *lab, r *rand.Rand) *member { return l.members[r.IntN(len(l.members))] }

// everybody, as whom a fault strikes.
const everybody = "everybody"
