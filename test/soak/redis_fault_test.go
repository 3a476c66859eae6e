package soak

import (
	"math/rand/v2"
	"time"
)

// redisCrash is kill -9 of the result store, which then starts again with what it had confirmed.
type redisCrash struct{}

func (redisCrash) name() string { return "redis killed" }

func (f redisCrash) strike(l *lab, r *rand.Rand) {
	defer l.ledger.strikes(f.name(), "redis")()
	l.site.redis.Kill()
	l.pause(span(r, 0, 2*time.Second))
	l.site.redis.Start()
}

// redisFrozen is a result store that takes connections and does not answer.
type redisFrozen struct{}

func (redisFrozen) name() string { return "redis frozen" }

func (f redisFrozen) strike(l *lab, r *rand.Rand) {
	defer l.ledger.strikes(f.name(), "redis")()
	l.site.redis.Freeze()
	l.pause(span(r, 500*time.Millisecond, 3*time.Second))
	l.site.redis.Thaw()
}
