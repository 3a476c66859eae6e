package scaling

import (
	"strings"
	"testing"
	"time"
)

func at(seconds int) time.Time { return clock(float64(seconds)) }

// look gives an advisor one queue at 0, 60, 120 … seconds.
func look(a *Advisor, n, ready int, workers ...Worker) QueueAdvice {
	return a.Look(at(60*n), map[string]int{"q": ready}, workers).Queues[0]
}

func worker(name string, slots, running int, done int64, each time.Duration) Worker {
	return Worker{Name: name, Slots: slots, Queues: []Load{{Queue: "q", Running: running, Done: done, Took: time.Duration(done) * each, Longest: each}}}
}

func TestWorkersForFlowAndForWhatWaits(t *testing.T) {
	t.Parallel()
	a := New(Config{Wait: time.Minute})
	if q := look(a, 0, 0, worker("a", 4, 3, 1000, time.Second)); q.Desired != 1 || q.Arrivals != -1 {
		t.Errorf("at first: %+v", q)
	}
	// 180 a minute that take a second each want three slots, four with room to spare.
	q := look(a, 1, 0, worker("a", 4, 3, 1180, time.Second))
	if q.Desired != 1 || q.Arrivals != 3 || q.Duration != time.Second || !strings.Contains(q.Why, "3/s × 1s ÷ 0.75 = 4 slots; 4 a worker") {
		t.Errorf("flow: %+v", q)
	}
	// 600 more wait: ten slots to have begun them within a minute, and as they came within one they are flow as well.
	if q = look(a, 2, 600, worker("a", 4, 4, 1360, time.Second)); q.Desired < 5 || !strings.Contains(q.Why, "600 waiting in 1m0s = 10 more") {
		t.Errorf("backlog: %+v", q)
	}
}

func TestLongTasksKeepTheirWorkers(t *testing.T) {
	t.Parallel()
	a := New(Config{Grace: time.Minute, Settle: time.Minute})
	busy := func(name string, running int, oldest time.Duration) Worker {
		return Worker{Name: name, Slots: 2, Queues: []Load{{Queue: "q", Running: running, Oldest: oldest, Done: 1, Took: time.Hour, Longest: time.Hour}}}
	}
	var advice *Advice
	for n := range 10 {
		advice = a.Look(at(60*n), map[string]int{"q": 0}, []Worker{busy("a", 1, time.Hour/2), busy("b", 1, 0), busy("c", 0, 0), busy("d", 0, 0)})
	}
	if q := advice.Queues[0]; q.Desired != 2 || q.Held != 2 || !strings.Contains(q.Why, "2 have long tasks to finish") {
		t.Errorf("%+v", q)
	}
	for i, want := range []string{"no no a task of q has run for 30m0s", "no no runs 1 of q, which may take 1h0m0s", "safe remove idle", "safe remove idle"} {
		w := advice.Workers[i]
		got := map[bool]string{true: "safe", false: "no"}[w.Safe] + " " + map[bool]string{true: "remove", false: "no"}[w.Remove] + " " + w.Why
		if got != want {
			t.Errorf("%s: %s, want %s", w.Name, got, want)
		}
	}
}

func TestShortTasksDoNotKeepWorkers(t *testing.T) {
	t.Parallel()
	a := New(Config{Settle: time.Minute})
	var advice *Advice
	for n := range 10 {
		advice = a.Look(at(60*n), map[string]int{"q": 0}, []Worker{worker("a", 8, 1, int64(60*n), time.Second/2), worker("b", 8, 2, 0, time.Second/2)})
	}
	if q := advice.Queues[0]; q.Desired != 1 || q.Held != 0 {
		t.Errorf("%+v", q)
	}
	if w := advice.Workers[0]; !w.Safe || !w.Remove || w.Why != "ends what it runs within 30s" {
		t.Errorf("%+v", w)
	}
	if w := advice.Workers[1]; w.Remove {
		t.Errorf("both may go: %+v", w)
	}
}

// Where nobody knows how long tasks take, messages decide, those that run included.
func TestUnknownDurations(t *testing.T) {
	t.Parallel()
	for messages, want := range map[int]int{0: 2, 100: 2, 101: 3, 499: 10, 1e9: 10} {
		a := New(Config{Backlog: 50, Min: 2, Max: 10})
		if q := look(a, 0, messages); q.Desired != want {
			t.Errorf("%d messages want %d workers, not %d", messages, want, q.Desired)
		}
	}
}

// A worker of two queues goes only if neither needs it.
func TestAWorkerOfTwoQueues(t *testing.T) {
	t.Parallel()
	a := New(Config{Settle: time.Minute})
	both := Worker{Name: "both", Slots: 4, Queues: []Load{{Queue: "q"}, {Queue: "r"}}}
	q1, q2 := worker("q1", 4, 0, 0, 0), worker("q2", 4, 0, 0, 0)
	var advice *Advice
	for n := range 10 {
		advice = a.Look(at(60*n), map[string]int{"q": 0, "r": 0}, []Worker{both, q1, q2})
	}
	removed := ""
	for _, w := range advice.Workers {
		if w.Remove {
			removed += w.Name + " "
		}
	}
	if removed != "q1 q2 " {
		t.Errorf("%q go", removed)
	}
}

// Counters of a worker that was replaced under its name begin anew.
func TestAWorkerThatBeganAnew(t *testing.T) {
	t.Parallel()
	a := New(Config{})
	look(a, 0, 0, worker("a", 4, 0, 5000, time.Second))
	if q := look(a, 1, 0, worker("a", 4, 0, 60, time.Second)); q.Arrivals != 1 || q.Duration != time.Second {
		t.Errorf("%+v", q)
	}
}

func TestConfigsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{Wait: -1}, {Utilization: 2}, {Min: -2}, {Min: 5, Max: 3}, {Backlog: -1}} {
		if c.Check() == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	if err := (Config{Min: NoWorkers, Max: 3, Utilization: 1}).Check(); err != nil {
		t.Error(err)
	}
}
