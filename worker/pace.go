package worker

// Rate limits that are not one task's on this worker alone: of a queue, of a key within a task, of all workers together.
//
//	admit ──► delay, without a time ──► pacer: its turn in each series ──► delay, due then ──► pool
//
// The pacer is one goroutine, for the result store must not be waited for where deliveries come in. Of a series that all
// workers share it takes the turns of about a second ahead, not more: turns that a worker has taken and does not use are lost.

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
)

const (
	paceAhead = time.Second           // how far ahead turns are taken of the result store
	paceAgain = time.Second           // between attempts while that does not answer
	noTurnYet = 100 * 24 * time.Hour  // how far ahead a run is due that has no turn yet
	paceMost  = 1000                  // turns that are taken at once
	paceLimit = 30 * time.Second      // of one call to the store
	paceLeast = 10 * time.Millisecond // between two rounds
)

// A series is one sequence of turns.
type series struct {
	name   string
	every  func() time.Duration // the interval now; 0: no limit
	shared bool                 // by all workers
}

// taskSeries is the name of a task's series, or how the names of those of its keys begin.
func taskSeries(k *known) string { return "task:" + k.def.Name() }

// seriesOf are the limits that a run must keep, where its task's own on this worker is not the only one; else nil.
func (w *Worker) seriesOf(r *run) (all []series) {
	k, q := r.known, &r.consumer.home.queue
	key, keyed := r.request.RateKey()
	shared := k.policy.RateScope == umbel.Cluster
	ofQueue := q.RateLimit > 0 && !w.settings.WorkerDisableRateLimits
	if keyed || shared || ofQueue {
		name := taskSeries(k)
		if keyed {
			name += ":" + key
		}
		all = append(all, series{name, k.limit.every, shared})
	}
	if ofQueue {
		every := q.RateLimit.Interval()
		all = append(all, series{"queue:" + q.Name, func() time.Duration { return every }, q.RateScope == umbel.Cluster})
	}
	return all
}

// A pacer gives runs their turns.
type pacer struct {
	worker *Worker
	store  backend.Pacer // nil: the results are kept nowhere

	mu    sync.Mutex             // guards what follows; the goroutine holds it for a round, but not while it waits for the store
	next  map[string]time.Time   // the next turn of a series of this worker, while that is ahead
	taken map[string][]time.Time // turns of shared series that nobody has yet
	until map[string]time.Time   // the last turn that was taken of a shared series

	failing bool // owner: the goroutine. The store did not answer

	wanted  chan struct{} // 1: somebody has no turn
	end     context.CancelFunc
	stopped chan struct{}
}

// newPacer is an error where a limit of all workers is asked for and nothing could keep it.
func newPacer(w *Worker) (*pacer, error) {
	p := &pacer{worker: w, next: make(map[string]time.Time), taken: make(map[string][]time.Time), until: make(map[string]time.Time),
		wanted: make(chan struct{}, 1), stopped: make(chan struct{})}
	p.store, _ = w.results.(backend.Pacer)
	if p.store != nil || w.settings.WorkerDisableRateLimits {
		return p, nil
	}
	const away = "has a rate limit for all workers together, and these take turns at the result store: set result_backend to redis://, postgres:// or sqlite://"
	for _, k := range w.tasks {
		if k.policy.RateLimit > 0 && k.policy.RateScope == umbel.Cluster {
			return nil, fmt.Errorf("worker: task %q %s", k.def.Name(), away)
		}
	}
	for _, q := range w.queues {
		if q.RateLimit > 0 && q.RateScope == umbel.Cluster {
			return nil, fmt.Errorf("worker: queue %q %s", q.Name, away)
		}
	}
	return p, nil
}

// start runs the pacer until close.
func (p *pacer) start(ctx context.Context) {
	ctx, p.end = context.WithCancel(ctx)
	go p.run(ctx)
}

func (p *pacer) close() {
	p.end()
	<-p.stopped
}

func (p *pacer) run(ctx context.Context) {
	defer close(p.stopped)
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wanted:
		case <-again:
		}
		again = nil
		if wait := p.round(ctx); wait < noTurnYet {
			again = time.After(max(wait, paceLeast))
		}
	}
}

// round gives turns to those who have none, in the order in which they came, and returns when to do so again: noTurnYet when
// all have theirs.
func (p *pacer) round(ctx context.Context) (wait time.Duration) {
	waiting := p.worker.delay.unpaced()
	count := make(map[string]int) // those who wait for a turn of a shared series
	for _, r := range waiting {
		for _, s := range r.paces {
			if s.shared {
				count[s.name]++
			}
		}
	}
	wait = noTurnYet
	turns := make(map[*run]time.Time)
	p.mu.Lock()
	p.sweep(time.Now())
	for _, r := range waiting {
		if ctx.Err() != nil {
			break
		}
		if at, ok := p.turn(ctx, r, count); ok {
			turns[r] = at
		} else {
			wait = min(wait, time.Until(at))
		}
	}
	p.mu.Unlock()
	p.worker.delay.pace(turns)
	return wait
}

// sweep forgets series that stand still.
func (p *pacer) sweep(now time.Time) {
	still := func(_ string, t time.Time) bool { return !t.After(now) }
	maps.DeleteFunc(p.next, still)
	maps.DeleteFunc(p.until, still)
	maps.DeleteFunc(p.taken, func(name string, _ []time.Time) bool { _, runs := p.until[name]; return !runs })
}

// turn is when a run may start by all its series; without ok, when to ask again. A run whose turn in one series is far ahead takes
// none in the others meanwhile: there those behind it go first.
func (p *pacer) turn(ctx context.Context, r *run, count map[string]int) (at time.Time, ok bool) {
	now := time.Now()
	at = now
	var shared []series
	for _, s := range r.paces {
		if t := p.next[s.name]; t.After(at) {
			at = t
		}
		if s.shared && s.every() > 0 {
			shared = append(shared, s)
		}
	}
	if ahead := at.Sub(now); ahead > paceAhead || ahead > 0 && shared != nil {
		return at.Add(-min(ahead-1, paceAhead/2)), false
	}
	for _, s := range shared { // before any of them gives a turn that another would make void
		if last := p.until[s.name]; len(p.taken[s.name]) == 0 && last.After(now.Add(paceAhead)) {
			return last.Add(-paceAhead), false
		}
	}
	for _, s := range shared {
		t, ok := p.sharedTurn(ctx, s, count[s.name])
		if !ok {
			return t, false
		}
		count[s.name]--
		if t.After(at) {
			at = t
		}
	}
	for _, s := range r.paces {
		if every := s.every(); !s.shared && every > 0 {
			p.next[s.name] = at.Add(every)
		}
	}
	return at, true
}

// sharedTurn is the next turn of a shared series, of those in hand or taken now, as many as are due within paceAhead.
func (p *pacer) sharedTurn(ctx context.Context, s series, want int) (at time.Time, ok bool) {
	now := time.Now()
	for list := p.taken[s.name]; len(list) > 0; list = p.taken[s.name] {
		at, p.taken[s.name] = list[0], list[1:]
		if !at.Before(now) { // a turn that has passed is lost, or several would begin at once
			return at, true
		}
	}
	if last := p.until[s.name]; last.After(now.Add(paceAhead)) {
		return last.Add(-paceAhead), false
	}
	every := s.every()
	n := max(1, min(want, int(paceAhead/max(every, time.Microsecond)), paceMost))
	p.mu.Unlock()
	call, cancel := context.WithTimeout(ctx, paceLimit)
	wait, err := p.store.Turns(call, s.name, every, n)
	cancel()
	p.mu.Lock()
	if err != nil {
		if !p.failing && ctx.Err() == nil {
			p.worker.log.Warn("the result store gives no turns; tasks with a rate limit of all workers wait", "series", s.name, "error", err)
		}
		p.failing = true
		return time.Now().Add(paceAgain), false
	}
	if p.failing {
		p.failing = false
		p.worker.log.Info("the result store gives turns again")
	}
	first := time.Now().Add(wait) // later than the store meant by the way back, never earlier
	for i := 1; i < n; i++ {
		p.taken[s.name] = append(p.taken[s.name], first.Add(time.Duration(i)*every))
	}
	p.until[s.name] = first.Add(time.Duration(n-1) * every)
	return first, true
}

// anew takes back the turns of a task whose limit has changed: all who wait for one get another.
func (p *pacer) anew(k *known) {
	prefix := taskSeries(k)
	mine := func(name string) bool { return name == prefix || strings.HasPrefix(name, prefix+":") }
	p.mu.Lock()
	maps.DeleteFunc(p.next, func(name string, _ time.Time) bool { return mine(name) })
	maps.DeleteFunc(p.until, func(name string, _ time.Time) bool { return mine(name) })
	maps.DeleteFunc(p.taken, func(name string, _ []time.Time) bool { return mine(name) })
	p.mu.Unlock()
	now := time.Now()
	p.worker.delay.reschedule(func(r *run) {
		if r.known == k && r.paces != nil {
			r.paced, r.due = false, now.Add(noTurnYet)
		}
	})
	signal(p.wanted)
}
