package redis

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// Results that nobody heard. Celery's client looks for a result on one connection and subscribes on another without
// waiting for it: what is stored and published in between it never learns. So a final result that Redis has told to nobody
// is looked at once more a moment later: where somebody listens by then, it is published again. That costs one PUBSUB
// NUMSUB for hundreds of results, and nothing at all while results are heard.
type unheard struct {
	b    *Backend
	wait time.Duration // until the second look

	mu      sync.Mutex // guards what follows
	waiting []unheardResult
	running bool
	off     bool // Redis does not let us ask, or Close was called
	ends    sync.WaitGroup
}

type unheardResult struct {
	key string
	at  time.Time // when it was stored
}

const (
	unheardWait  = 250 * time.Millisecond
	unheardMost  = 50_000 // results that may wait for it; further ones are published once, as by Celery
	unheardBatch = 500    // in one NUMSUB
)

// againScript publishes what is stored under KEYS[1] once more.
const againScript = `local doc = redis.call('GET', KEYS[1])
if doc then return redis.call('PUBLISH', KEYS[1], doc) end
return 0`

func (u *unheard) add(key string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.off || len(u.waiting) >= unheardMost {
		return
	}
	u.waiting = append(u.waiting, unheardResult{key, time.Now()})
	if !u.running {
		u.running = true
		u.ends.Go(u.run)
	}
}

// run looks until nothing waits any more.
func (u *unheard) run() {
	timer := time.NewTimer(u.wait)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-u.b.closing:
			return
		}
		due, next, more := u.due()
		for keys := range slices.Chunk(due, unheardBatch) {
			if !u.look(keys) {
				return
			}
		}
		if !more {
			return
		}
		timer.Reset(next)
	}
}

// due takes what has waited long enough, and says how long the next has to wait still. more is false when the goroutine is
// to end.
func (u *unheard) due() (keys []string, next time.Duration, more bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := 0
	for ; n < len(u.waiting) && time.Since(u.waiting[n].at) >= u.wait; n++ {
		keys = append(keys, u.waiting[n].key)
	}
	u.waiting = slices.Delete(u.waiting, 0, n)
	if len(u.waiting) == 0 && n == 0 {
		u.running, u.waiting = false, nil
		return nil, 0, false
	}
	if len(u.waiting) == 0 {
		return keys, u.wait, true // one more round before it ends: a busy worker needs no new goroutine each time
	}
	return keys, u.wait - time.Since(u.waiting[0].at), true
}

// look publishes again what somebody listens for by now, and reports whether to go on. What fails is left: it has been
// published once.
func (u *unheard) look(keys []string) bool {
	b := u.b
	ctx, cancel := context.WithTimeout(context.Background(), b.settings.socketTimeout)
	defer cancel()
	counts, err := b.client.Do(ctx, b.client.B().PubsubNumsub().Channel(keys...).Build()).ToArray()
	if err != nil {
		if _, refused := rueidis.IsRedisErr(err); refused {
			b.log.Debug("results are published once only: the user may not ask who listens (pubsub)", "error", err)
			u.stop()
			return false
		}
		return true
	}
	for i := 0; i+1 < len(counts); i += 2 {
		key, err := counts[i].ToString()
		if err != nil {
			continue
		}
		if n, err := counts[i+1].AsInt64(); err != nil || n == 0 {
			continue
		}
		if err := b.client.Do(ctx, b.client.B().Eval().Script(againScript).Numkeys(1).Key(key).Build()).Error(); err != nil {
			b.log.Debug("a result that nobody heard could not be published again", "key", key, "error", err)
		}
	}
	return true
}

func (u *unheard) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.off, u.waiting = true, nil
}

// close ends the goroutine. The backend's closing is closed, and its connections are.
func (u *unheard) close() {
	u.stop()
	u.ends.Wait()
}
