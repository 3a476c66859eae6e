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
		f.mu.Lock()
		f.advice = advice
		f.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
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
