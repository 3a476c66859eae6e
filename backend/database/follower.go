package database

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// A follower reads what was written and is watched, and tells the board. It alone tells, so what it reads later is later.
type follower struct {
	s      *store
	ctx    context.Context // ends with stop
	cancel context.CancelFunc
	done   chan struct{}
	wake   chan struct{} // cap 1

	mu    sync.Mutex
	fresh map[string]struct{} // to be read whatever changed: a watch of them has begun, or reading them failed
}

func newFollower(s *store) *follower {
	f := &follower{s: s, done: make(chan struct{}), wake: make(chan struct{}, 1), fresh: make(map[string]struct{})}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// nudge makes the follower look for changes.
func (f *follower) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// look makes it read ids.
func (f *follower) look(ids []string) {
	f.mu.Lock()
	for _, id := range ids {
		f.fresh[id] = struct{}{}
	}
	f.mu.Unlock()
	f.nudge()
}

// stop ends the goroutine that run is on.
func (f *follower) stop() {
	f.cancel()
	<-f.done
}

// run is the follower's goroutine.
func (f *follower) run() {
	defer close(f.done)
	wait := firstPause
	for {
		select {
		case <-f.ctx.Done():
			return
		case <-f.wake:
		}
		err := f.pass()
		if err == nil {
			wait = firstPause
			continue
		}
		if f.ctx.Err() != nil {
			return
		}
		f.s.log.Warn("cannot read results that are awaited: trying again", "error", err)
		if !pause(f.ctx, wait) {
			return
		}
		wait = min(2*wait, longestPause)
		f.nudge()
	}
}

// pass tells what changed. The order matters: changes first says what is new from when on, then the fresh ids are taken,
// so an id whose watch began in between is read now or in the next pass.
func (f *follower) pass() error {
	changed, err := f.s.changes(f.ctx)
	if err != nil {
		return err
	}
	f.mu.Lock()
	for _, id := range changed {
		f.fresh[id] = struct{}{}
	}
	todo := f.fresh
	f.fresh = make(map[string]struct{})
	f.mu.Unlock()

	ids := make([]string, 0, len(todo))
	for id := range todo {
		if f.s.board.Watched(id) {
			ids = append(ids, id)
		}
	}
	for len(ids) > 0 {
		some := ids[:min(together, len(ids))]
		var rows []row
		if err := f.s.read(f.ctx, some, func(r row) error { rows = append(rows, r); return nil }); err != nil {
			f.mu.Lock()
			for _, id := range ids {
				f.fresh[id] = struct{}{}
			}
			f.mu.Unlock()
			return err
		}
		ids = ids[len(some):]
		for _, r := range rows {
			doc, err := f.s.decode(r)
			if err != nil {
				f.s.log.Warn("an awaited result cannot be read", "task_id", r.id, "error", err)
				continue
			}
			f.s.board.Tell(doc, r.version)
		}
	}
	return nil
}

// Pauses between attempts to repair what was lost.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
)

// pause waits for about d, so that a fleet does not return all at once, and reports whether ctx lasted so long.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
