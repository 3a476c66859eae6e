package worker_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// Chords whose workers are stopped cold again and again: late-acked parts go back and run elsewhere. Every chord ends by
// its body or by its errback, once.
func TestChordsEndOnceWhateverBecomesOfTheWorkers(t *testing.T) {
	const chords, parts = 40, 25
	app := newApp(t, umbel.Config{TaskDeliveryLimit: umbel.NoLimit}) // being cut short is no fault of the parts
	var started atomic.Int64
	step := make(chan struct{}, 1) // tells that some parts more have started
	part := umbel.Register(app, "part", func(ctx context.Context, n int) (int, error) {
		if started.Add(1)%20 == 0 {
			select {
			case step <- struct{}{}:
			default:
			}
		}
		if rand.IntN(4) == 0 {
			select { // long enough to be cut short
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			case <-time.After(rand.N(3 * time.Millisecond)): // stands for work
			}
		}
		if n < 0 {
			return 0, errBoom
		}
		return n, nil
	}, umbel.AcksLate())
	var mu sync.Mutex
	ended := make(map[string]int) // by chord
	body := umbel.Register(app, "body", func(ctx context.Context, in []int) (int, error) {
		if len(in) != parts {
			t.Errorf("the body got %d results", len(in))
		}
		mu.Lock()
		ended[umbel.RequestFrom(ctx).ID]++
		mu.Unlock()
		return len(in), nil
	}, umbel.AcksLate())
	umbel.RegisterErrback(app, "failed", func(_ context.Context, r *umbel.Request, _ umbel.Fault) error {
		mu.Lock()
		ended[r.ID]++
		mu.Unlock()
		return nil
	})

	killing, done := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() {
			for killing.Err() == nil {
				ctx, cancel := context.WithCancel(context.Background())
				w := worker.New(app, worker.Config{Concurrency: 4})
				run := make(chan error, 1)
				go func() { run <- w.Run(ctx) }()
				select {
				case <-step:
					w.Stop(worker.Cold)
				case <-killing.Done():
					w.Stop(worker.Warm)
				}
				if err := <-run; err != nil {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	defer workers.Wait()
	defer done()
	results := make([]*umbel.Result[int], chords)
	for i := range results {
		members := make([]umbel.Step, parts)
		for n := range members {
			members[n] = part.S(n)
		}
		if i%4 == 0 {
			members[rand.IntN(parts)] = part.S(-1)
		}
		var err error
		results[i], err = umbel.ChordOf(umbel.Group(members...), body.S()).OnError(app.Signature("failed", nil)).Send(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range results {
		n, err := r.Get(deadline(t))
		var failed *umbel.TaskError
		switch {
		case i%4 != 0 && (err != nil || n != parts):
			t.Errorf("chord %d: %d, %v", i, n, err)
		case i%4 == 0 && (!errors.As(err, &failed) || failed.Type != "ChordError"):
			t.Errorf("chord %d: %v, want a ChordError", i, err)
		}
	}
	done()
	workers.Wait() // an errback is called after the body's document is stored
	mu.Lock()
	defer mu.Unlock()
	for i, r := range results {
		if n := ended[r.ID()]; n != 1 {
			t.Errorf("chord %d ended %d times", i, n)
		}
	}
}
