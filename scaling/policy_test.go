package scaling

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// load reads a trace of testdata.
func load(t *testing.T, name string) *Trace {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	trace, err := ReadTrace(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return trace
}

// The table of docs/scaling.md, from the loads in testdata.
func TestPoliciesOnRecordedLoad(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []struct {
		name  string
		slots int
		depth int // ready messages for each worker
	}{
		{"daily", 4, 50},
		{"bursts", 4, 50},
		{"reports", 2, 2},
		{"shop", 2, 50},
	} {
		const most = 40
		trace := load(t, l.name)
		results := make(map[string]*Outcome)
		c := Config{Max: most}
		for _, p := range []struct {
			name   string
			policy Policy
		}{
			{"advice, removable workers go", FollowAdvice(c, true)},
			{"advice, any worker goes", FollowAdvice(c, false)},
			{"depth", FollowDepth(l.depth, 1, most)},
			{"CPU", FollowCPU(0.9, 1, most)},
		} {
			o, err := Simulate(t.Context(), trace, Fleet{Slots: l.slots, Workers: 1}, p.policy)
			if err != nil {
				t.Fatal(err)
			}
			results[p.name] = o
			hours := fmt.Sprintf("%.0f", o.WorkerHours)
			if o.WorkerHours < 10 {
				hours = fmt.Sprintf("%.1f", o.WorkerHours)
			}
			row := fmt.Sprintf("| %s | %s | %.1f s | %.1f s | %s | %d | %d |", l.name, p.name, o.Wait50.Seconds(), o.Wait99.Seconds(), hours, o.Turns, o.Cut)
			t.Log(row)
			if !strings.Contains(string(manual), row) {
				t.Errorf("docs/scaling.md lacks\n%s", row)
			}
		}
		ours := results["advice, removable workers go"]
		if ours.Cut != 0 {
			t.Errorf("%s: %d tasks were cut by removing workers that were said to be removable", l.name, ours.Cut)
		}
		if any := results["advice, any worker goes"]; any.Cut > results["depth"].Cut {
			t.Errorf("%s: %d tasks were cut, by depth alone %d", l.name, any.Cut, results["depth"].Cut)
		}
	}
}

// As many workers as the load needs are neither late nor idle.
func TestAFixedFleetCostsItsSizeTimesTheTime(t *testing.T) {
	t.Parallel()
	even := &Trace{Minutes: make([]Minute, 120)}
	for i := range even.Minutes {
		even.Minutes[i] = Minute{Tasks: 60, Seconds: 2} // two slots, without a spread
	}
	o, err := Simulate(t.Context(), even, Fleet{Slots: 2}, Always(3))
	if err != nil {
		t.Fatal(err)
	}
	if o.WorkerHours < 5.99 || o.WorkerHours > 6.01 || o.Turns != 0 || o.Cut != 0 || o.Left != 0 || o.Least != 3 || o.Most != 3 || len(o.Wanted) != 480 {
		t.Errorf("three workers for two hours: %+v", o)
	}
	if o.Wait50 != 0 || o.WaitMost > 10e9 {
		t.Errorf("tasks waited %v, %v and %v at six slots for two", o.Wait50, o.Wait99, o.WaitMost)
	}
	if o, err = Simulate(t.Context(), even, Fleet{Slots: 1, Workers: 1}, Always(1)); err != nil || o.Left < 3500 || o.Wait50 == 0 {
		t.Errorf("half of what comes is left by one slot: %+v, %v", o, err)
	}
}

func TestASimulationEndsWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Simulate(ctx, load(t, "daily"), Fleet{}, Always(3)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := Simulate(t.Context(), load(t, "daily"), Fleet{Slots: -1}, Always(3)); err == nil {
		t.Error("a worker of -1 slots is no worker")
	}
	if _, err := Simulate(t.Context(), &Trace{}, Fleet{}, Always(3)); err == nil {
		t.Error("no load is no load")
	}
}
