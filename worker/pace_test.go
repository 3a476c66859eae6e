package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// starts notes when tasks of each name begin.
type starts struct {
	mu    sync.Mutex
	begun time.Time
	at    map[string][]time.Duration
}

func newStarts() *starts { return &starts{begun: time.Now(), at: make(map[string][]time.Duration)} }

func (s *starts) note(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[name] = append(s.at[name], time.Since(s.begun))
}

// sorted are the starts of these, or of all, in their order.
func (s *starts) sorted(names ...string) (all []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, at := range s.at {
		if len(names) == 0 || slices.Contains(names, name) {
			all = append(all, at...)
		}
	}
	slices.Sort(all)
	return all
}

func getAll[T any](t *testing.T, results []*umbel.Result[T]) {
	t.Helper()
	for _, r := range results {
		if _, err := r.Get(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// wantEvery fails unless the n-th start is n intervals after the first, within slack.
func wantEvery(t *testing.T, about string, got []time.Duration, interval, slack time.Duration) {
	t.Helper()
	for i, at := range got {
		if want := got[0] + time.Duration(i)*interval; at < want-time.Millisecond || at > want+slack {
			t.Fatalf("%s: start %d after %v, want %v: %v", about, i, at, want, got)
		}
	}
}

// Four workers start 100 a minute together, evenly, in virtual time.
func TestALimitOfTheClusterHoldsForAllWorkersTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, tasks = 4, 100
		s := newStarts()
		space := fmt.Sprintf("memory://worker-test-%d", spaces.Add(1))
		var task *umbel.Task[int, int]
		var all []*worker.Worker
		var stops []func() error
		for n := range workers {
			app := umbel.New("test", umbel.WithConfig(umbel.Config{BrokerURL: []string{space}, ResultBackend: space}), umbel.WithLogger(slog.New(slog.DiscardHandler)))
			defer app.Close()
			task = umbel.Register(app, "bank.charge", func(context.Context, int) (int, error) {
				s.note(fmt.Sprint(n))
				return 0, nil
			}, umbel.RateLimit("100/m", umbel.Cluster))
			w, stop := start(t, app, worker.Config{Concurrency: 2, PrefetchMultiplier: 1, Nodename: fmt.Sprintf("w%d@host", n)})
			all, stops = append(all, w), append(stops, stop)
		}
		results, err := task.SendMany(t.Context(), make([]int, tasks))
		if err != nil {
			t.Fatal(err)
		}
		getAll(t, results[:60])
		wantEvery(t, "four workers", s.sorted()[:60], 600*time.Millisecond, 100*time.Millisecond)
		// Lifted everywhere, it holds no longer, for those that wait as well.
		for _, w := range all {
			if err := w.SetRateLimit("bank.charge", 0); err != nil {
				t.Fatal(err)
			}
		}
		changed := time.Now()
		getAll(t, results)
		if d := time.Since(changed); d > 5*time.Second {
			t.Errorf("with the limit lifted the rest took %v", d)
		}
		for _, stop := range stops {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

// The same on real stores: never faster than the rate, by the stores' clocks.
func TestALimitOfTheClusterHoldsOnEveryStore(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"redis":      func(t *testing.T) string { return testenv.Redis(t).URL() },
		"postgresql": func(t *testing.T) string { return testenv.Postgres(t).URL() },
		"sqlite":     func(t *testing.T) string { return "sqlite://" + t.TempDir() + "/results.db" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const tasks, interval = 30, 50 * time.Millisecond
			space, store := fmt.Sprintf("memory://worker-test-%d", spaces.Add(1)), url(t)
			s := newStarts()
			var task *umbel.Task[int, int]
			for n := range 2 {
				app := umbel.New("test", umbel.WithConfig(umbel.Config{BrokerURL: []string{space}, ResultBackend: store}), umbel.WithLogger(slog.New(slog.DiscardHandler)))
				defer app.Close()
				task = umbel.Register(app, "t", func(context.Context, int) (int, error) {
					s.note("t")
					return 0, nil
				}, umbel.RateLimit("20/s", umbel.Cluster))
				_, stop := start(t, app, worker.Config{Concurrency: 4, Nodename: fmt.Sprintf("w%d@host", n)})
				defer stop()
			}
			s.begun = time.Now()
			results, err := task.SendMany(t.Context(), make([]int, tasks))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				if _, err := r.Get(deadline(t)); err != nil {
					t.Fatal(err)
				}
			}
			for i, at := range s.sorted() { // the i-th start is at its turn or later, and the first turn was after the send
				if least := time.Duration(i)*interval - 10*time.Millisecond; at < least {
					t.Errorf("start %d after %v, at least %v was wanted", i, at, least)
				}
			}
		})
	}
}

func TestAQueueHasALimitOfItsOwn(t *testing.T) {
	for name, scope := range map[string]umbel.RateScope{"on one worker": "", "of the cluster": umbel.Cluster} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStarts()
				app := newApp(t, umbel.Config{TaskQueues: []umbel.QueueConfig{{Name: "celery"}, {Name: "slow", Exchange: "slow", RateLimit: "30/m", RateScope: scope}}})
				handler := func(ctx context.Context, _ int) (int, error) {
					r := umbel.RequestFrom(ctx)
					s.note(r.Name + " " + r.Queue)
					return 0, nil
				}
				a, b := umbel.Register(app, "a", handler), umbel.Register(app, "b", handler, umbel.RateLimit("6/m"))
				_, stop := start(t, app, worker.Config{Concurrency: 4})
				results, err := a.SendMany(t.Context(), make([]int, 12), umbel.Queue("slow"))
				if err != nil {
					t.Fatal(err)
				}
				others, err := b.SendMany(t.Context(), make([]int, 6), umbel.Queue("slow"))
				if err != nil {
					t.Fatal(err)
				}
				free, err := a.SendMany(t.Context(), make([]int, 50))
				if err != nil {
					t.Fatal(err)
				}
				getAll(t, free)
				if d := time.Since(s.begun); d > time.Second {
					t.Errorf("the queue without a limit took %v", d)
				}
				getAll(t, results)
				getAll(t, others)
				slow := s.sorted("a slow", "b slow")
				for i := 1; i < len(slow); i++ { // 2 s is 30/m
					if d := slow[i] - slow[i-1]; d < 2*time.Second-time.Millisecond {
						t.Errorf("start %d of the queue is %v after the one before it: %v", i, d, slow)
					}
				}
				own := s.sorted("b slow")
				for i := 1; i < len(own); i++ {
					if d := own[i] - own[i-1]; d < 10*time.Second-time.Millisecond {
						t.Errorf("start %d of the task with a limit of its own is %v after the one before it: %v", i, d, own)
					}
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// One customer's hundred do not make another's one wait.
func TestEachKeyHasALimitOfItsOwn(t *testing.T) {
	for name, scope := range map[string]umbel.RateScope{"on one worker": umbel.PerWorker, "of the cluster": umbel.Cluster} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStarts()
				app := newApp(t, umbel.Config{})
				task := umbel.Register(app, "call", func(ctx context.Context, _ int) (int, error) {
					key, ok := umbel.RequestFrom(ctx).RateKey()
					if !ok {
						key = "none"
					}
					s.note(key)
					return 0, nil
				}, umbel.RateLimit("1/s", scope))
				_, stop := start(t, app, worker.Config{Concurrency: 4, PrefetchMultiplier: umbel.NoLimit})
				acme, err := task.SendMany(t.Context(), make([]int, 40), umbel.RateKey("acme"))
				if err != nil {
					t.Fatal(err)
				}
				bert, err := task.SendMany(t.Context(), make([]int, 5), umbel.RateKey("bert"))
				if err != nil {
					t.Fatal(err)
				}
				none, err := task.SendMany(t.Context(), make([]int, 5))
				if err != nil {
					t.Fatal(err)
				}
				getAll(t, bert)
				getAll(t, none)
				if d := time.Since(s.begun); d > 6*time.Second {
					t.Errorf("five tasks of another key took %v: they waited behind acme's", d)
				}
				getAll(t, acme)
				for _, key := range []string{"acme", "bert", "none"} {
					wantEvery(t, key, s.sorted(key), time.Second, 100*time.Millisecond)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestALimitOfTheClusterNeedsAStore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config  umbel.Config
		options []umbel.TaskOption
		says    string
	}{
		"a task":  {umbel.Config{}, []umbel.TaskOption{umbel.RateLimit("1/s", umbel.Cluster)}, `task "t" has a rate limit`},
		"a queue": {umbel.Config{TaskQueues: []umbel.QueueConfig{{Name: "celery", RateLimit: "1/s", RateScope: umbel.Cluster}}}, nil, `queue "celery" has a rate limit`},
	} {
		c.config.BrokerURL, c.config.ResultBackend = []string{fmt.Sprintf("memory://worker-test-%d", spaces.Add(1))}, "disabled"
		app := umbel.New("test", umbel.WithConfig(c.config), umbel.WithLogger(slog.New(slog.DiscardHandler)))
		umbel.Register(app, "t", func(context.Context, int) (int, error) { return 0, nil }, c.options...)
		err := worker.New(app, worker.Config{}).Run(deadline(t))
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "redis://") {
			t.Errorf("%s: %v", name, err)
		}
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	}
}
