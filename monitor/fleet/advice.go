package fleet

import (
	"context"
	"time"

	"github.com/umbel-go/umbel/scaling"
)

// adviseEvery is how often workers are asked what they have to do.
const adviseEvery = 15 * time.Second

// advise asks workers, and says how many there should be, until ctx ends.
func (f *Fleet) advise(ctx context.Context) {
	if f.config.Control == nil {
		return
	}
	advisor, gatherer := scaling.New(f.config.Scaling), scaling.NewGatherer(f.config.Control)
	answered := make(roll)
	tick := time.NewTicker(f.config.Advise)
	defer tick.Stop()
	for {
		workers, err := gatherer.Workers(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			f.config.Log.Warn("cannot ask workers what they have to do: how many are wanted is told by messages alone", "error", err)
			workers = nil
		}
		ready := make(map[string]int)
		for _, q := range f.Queues() {
			if q.Exists && !q.DeadLetter {
				ready[q.Name] = q.Ready
			}
		}
		advice := advisor.Look(time.Now(), ready, workers)
		crews := answered.call(workers, f.alive, err)
		f.mu.Lock()
		f.advice, f.crews = advice, crews
		f.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// A Crew are the workers that consume a queue.
type Crew struct {
	Workers int
	Slots   int // tasks that they run at once, of this queue or of others that they consume
}

// remembered is in how many rounds a worker may leave the question unanswered, as Celery's do now and then, and still be counted by
// its last answer if it sends heartbeats.
const remembered = 4

// A roll is who has answered, and how many rounds ago. The goroutine that asks owns it.
type roll map[string]*attendance

type attendance struct {
	worker scaling.Worker
	missed int
}

// call makes the crews of those that answered now or lately. It is nil after an error: who was not asked may be there.
func (r roll) call(workers []scaling.Worker, alive func(name string) bool, err error) map[string]Crew {
	if err != nil {
		return nil
	}
	for name, a := range r {
		if a.missed++; a.missed >= remembered || !alive(name) {
			delete(r, name)
		}
	}
	for _, w := range workers {
		r[w.Name] = &attendance{worker: w}
	}
	out := make(map[string]Crew)
	for _, a := range r {
		for _, l := range a.worker.Queues {
			if !l.Left {
				c := out[l.Queue]
				out[l.Queue] = Crew{c.Workers + 1, c.Slots + a.worker.Slots}
			}
		}
	}
	return out
}

// alive reports whether a worker sends heartbeats.
func (f *Fleet) alive(name string) bool {
	now := time.Now()
	for _, w := range f.Workers() {
		if w.Hostname == name {
			return w.Alive(now)
		}
	}
	return false
}

// Crews are the workers of each queue that is consumed, as they said when they were asked last. It is nil while that is not known.
func (f *Fleet) Crews() map[string]Crew {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.crews
}

// Advice is how many workers queues should have and which may go; nil before it is known.
func (f *Fleet) Advice() *scaling.Advice {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.advice
}

// Desired is how many workers a queue should have: by advice, or by its messages while there is none.
func (f *Fleet) Desired(q *Queue) int {
	if a := f.Advice(); a != nil {
		for i := range a.Queues {
			if a.Queues[i].Queue == q.Name {
				return a.Queues[i].Desired
			}
		}
	}
	return f.config.Scaling.ByMessages(q.Ready + max(q.Unsettled, 0))
}
