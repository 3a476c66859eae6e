package worker_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

func TestRateLimitSpacesStartsAndLeavesOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp(t, umbel.Config{})
		begun := time.Now()
		var starts []time.Duration
		limited := umbel.Register(app, "limited", func(context.Context, int) (int, error) {
			starts = append(starts, time.Since(begun))
			return 0, nil
		}, umbel.RateLimit("100/m"))
		free := umbel.Register(app, "free", func(context.Context, int) (float64, error) { return time.Since(begun).Seconds(), nil })
		w, stop := start(t, app, worker.Config{Concurrency: 1, PrefetchMultiplier: 2})
		ctx := context.Background()
		results, err := limited.SendMany(ctx, make([]int, 50))
		if err != nil {
			t.Fatal(err)
		}
		r, err := free.Send(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Get(ctx); err != nil || got > 1 {
			t.Errorf("a task without limit ran after %v s, %v: behind 50 that wait for their turn it must run at once", got, err)
		}
		for _, r := range results[:11] {
			if _, err := r.Get(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for i, at := range starts {
			if want := time.Duration(i) * 600 * time.Millisecond; at < want || at > want+100*time.Millisecond {
				t.Errorf("start %d after %v, want %v", i, at, want)
			}
		}
		// A live change holds for those that wait already.
		if err := w.SetRateLimit("limited", 0); err != nil {
			t.Fatal(err)
		}
		changed := time.Now()
		for _, r := range results {
			if _, err := r.Get(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(changed); d > time.Second {
			t.Errorf("with the limit lifted the rest took %v", d)
		}
		if err := w.SetRateLimit("limted", 1); err == nil {
			t.Error("a limit for an unknown task must be an error")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestRateLimitsCanBeSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp(t, umbel.Config{WorkerDisableRateLimits: true, TaskDefaultRateLimit: "1/h"})
		limited := umbel.Register(app, "limited", func(_ context.Context, n int) (int, error) { return n, nil }, umbel.RateLimit("1/m"))
		unsaid := umbel.Register(app, "unsaid", func(_ context.Context, n int) (int, error) { return n, nil })
		_, stop := start(t, app, worker.Config{Concurrency: 2})
		begun := time.Now()
		for _, task := range []*umbel.Task[int, int]{limited, unsaid} {
			results, err := task.SendMany(t.Context(), make([]int, 20))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				if _, err := r.Get(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if d := time.Since(begun); d > time.Minute {
			t.Errorf("forty tasks took %v", d)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
