package scaling

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// simGrace is, in seconds, the grace of the fleets here.
const simGrace = 30.

// fleet is one of so many slots and workers that is as usual otherwise.
func fleet(slots, workers int) Fleet {
	return Fleet{Slots: slots, Workers: workers}.withDefaults()
}

// those gives tasks one by one.
func those(tasks []simTask) source {
	return func() (simTask, bool) {
		if len(tasks) == 0 {
			return simTask{}, false
		}
		t := tasks[0]
		tasks = tasks[1:]
		return t, true
	}
}

// Load that comes evenly gets its workers, and keeps them.
func TestConstantLoadIsLeftAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Config{
			Settle:      time.Duration(rapid.IntRange(60, 600).Draw(t, "settle")) * time.Second,
			Wait:        time.Duration(rapid.IntRange(10, 600).Draw(t, "wait")) * time.Second,
			Utilization: rapid.Float64Range(0.4, 0.9).Draw(t, "utilization"), Max: 1000,
		}
		slots := rapid.IntRange(1, 16).Draw(t, "slots")
		takes := rapid.Float64Range(0.05, 60).Draw(t, "takes")
		spacing := rapid.Float64Range(max(0.2, takes/100), max(0.3, takes/100, min(c.Settle.Seconds()/5, 60))).Draw(t, "spacing")
		s := newSim(fleet(slots, rapid.IntRange(1, 30).Draw(t, "workers")))
		warm := 4*c.Settle.Seconds() + 30*takes + 1200
		until := warm + 4*c.Settle.Seconds()
		var tasks []simTask
		for at := 0.; at < until; at += spacing {
			tasks = append(tasks, simTask{at, takes})
		}
		if err := s.run(context.Background(), those(tasks), until, advised(c, true)); err != nil {
			t.Fatal(err)
		}
		steady := s.wishes[int(warm/simLook):]
		for i := 1; i < len(steady); i++ {
			if steady[i] > steady[i-1] { // workers with tasks that are longer than the grace may still be leaving one by one
				t.Fatalf("from %d to %d workers on constant load: %v", steady[i-1], steady[i], s.wishes)
			}
		}
		if takes <= simGrace && slices.Min(steady) != slices.Max(steady) {
			t.Fatalf("from %d to %d workers on constant load: %v", slices.Min(steady), slices.Max(steady), s.wishes)
		}
		if need := takes / spacing / float64(slots); float64(steady[0]) < need {
			t.Fatalf("%d workers, less than the %.2f that are busy", steady[0], need)
		}
		if s.cut != 0 {
			t.Fatalf("%d tasks were cut", s.cut)
		}
	})
}

// Whatever comes, nobody who runs something that takes longer than a worker's grace is said to be removable, no more go than are too
// many, and what is desired keeps its bounds.
func TestNobodyIsRemovedInTheMiddle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Config{Grace: simGrace * time.Second, Min: rapid.IntRange(NoWorkers, 5).Draw(t, "min"),
			Settle: time.Duration(rapid.IntRange(15, 300).Draw(t, "settle")) * time.Second}
		c.Max = rapid.IntRange(max(c.Min, 1), 20).Draw(t, "max")
		slots := rapid.IntRange(1, 8).Draw(t, "slots")
		var tasks []simTask
		at := 0.
		for range rapid.IntRange(0, 60).Draw(t, "bursts") {
			at += rapid.Float64Range(0, 300).Draw(t, "pause")
			takes := rapid.SampledFrom([]float64{0.1, 5, 29, 40, 600, 5000}).Draw(t, "takes")
			for range rapid.IntRange(1, 40).Draw(t, "tasks") {
				tasks = append(tasks, simTask{at, takes})
			}
		}
		s := newSim(fleet(slots, rapid.IntRange(0, 20).Draw(t, "workers")))
		follow := advised(c, true)
		full := c.withDefaults()
		err := s.run(context.Background(), those(tasks), at+7200, func(s *sim) (int, []string) {
			want, goes := follow(s)
			if want < full.Min || want > full.Max {
				t.Fatalf("%d workers, of %d to %d", want, full.Min, full.Max)
			}
			if surplus := s.present() - want; len(goes) > max(surplus, 0) {
				t.Fatalf("%d of %d go, and %d are wanted", len(goes), s.present(), want)
			}
			if len(s.waiting) > 0 && want == 0 {
				t.Fatal("nobody is wanted for what waits")
			}
			for _, w := range s.workers {
				for _, r := range w.running {
					if ends := r.began + r.task.takes; slices.Contains(goes, w.name) && ends > s.now+simGrace+simLook && w.longest >= r.task.takes {
						t.Fatalf("%s may go, and has a task of %v s until %v", w.name, r.task.takes, ends-s.now)
					}
				}
			}
			return want, goes
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
