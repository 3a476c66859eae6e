package scaling

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// A Fleet says what the workers of a simulation are like. The zero value is one of workers with four slots on a platform as it is
// usual.
type Fleet struct {
	// Slots is how many tasks a worker runs at once. Defaults to 4.
	Slots int

	// Boot is the time from the wish for a worker to its first task. Defaults to a minute.
	Boot time.Duration

	// Grace is how long a worker that is told to stop may take; what it has not ended by then is cut and comes again. Defaults to 30 s.
	Grace time.Duration

	// Workers is how many there are at first. Defaults to what the first minutes of the load need.
	Workers int
}

func (f Fleet) withDefaults() Fleet {
	f.Slots = cmp.Or(f.Slots, 4)
	f.Boot = cmp.Or(f.Boot, time.Minute)
	f.Grace = cmp.Or(f.Grace, 30*time.Second)
	return f
}

// Check says what makes no sense.
func (f Fleet) Check() error {
	if f.Slots < 0 || f.Workers < 0 || f.Boot < 0 || f.Grace < 0 || f.Boot > 24*time.Hour || f.Slots > 100_000 || f.Workers > 100_000 {
		return fmt.Errorf("scaling: a fleet of %d workers with %d slots, that start in %v and stop in %v: want positive numbers up to 100000, and a start within a day", f.Workers, f.Slots, f.Boot, f.Grace)
	}
	return nil
}

// An Outcome is how a load went under a policy.
type Outcome struct {
	Policy string

	Least, Most int // workers that it wanted

	// Wait is how long tasks waited in the queue, those that were cut once more for each time: half of them at most Wait50, 99 in a
	// hundred at most Wait99.
	Wait50, Wait99, WaitMost time.Duration

	WorkerHours float64 // that were paid for, starting and stopping included
	Turns       int     // how often it changed its mind from more to fewer or back
	Cut         int     // tasks that were stopped in the middle
	Left        int     // tasks that still waited at the end

	// Wanted is how many workers it wanted, every SimulationLook.
	Wanted []int
}

// SimulationLook is how often a policy decides.
const SimulationLook = 15 * time.Second

// Simulate plays a load in virtual time: tasks come as it says, wait in one queue, and run in the slots of workers, of which the policy
// says every 15 seconds how many there should be. It is the same each time. A million tasks take about a second.
func Simulate(ctx context.Context, t *Trace, f Fleet, p Policy) (*Outcome, error) {
	if err := cmp.Or(t.Check(), f.Check()); err != nil {
		return nil, err
	}
	f = f.withDefaults()
	first := &Trace{Minutes: t.Minutes[:min(5, len(t.Minutes))]}
	f.Workers = cmp.Or(p.workers, f.Workers, int(math.Ceil(first.Busiest(5)/0.75/float64(f.Slots))), 1)
	s := newSim(f)
	if err := s.run(ctx, t.tasks(), t.Span().Seconds(), p.begin()); err != nil {
		return nil, err
	}
	o := &Outcome{Policy: p.Name, WorkerHours: s.workerHours, Turns: turns(s.wishes), Cut: s.cut, Left: len(s.waiting), Wanted: s.wishes}
	if len(s.wishes) > 0 {
		o.Least, o.Most = slices.Min(s.wishes), slices.Max(s.wishes)
	}
	slices.Sort(s.waits)
	o.Wait50, o.Wait99, o.WaitMost = quantile(s.waits, 0.5), quantile(s.waits, 0.99), quantile(s.waits, 1)
	return o, nil
}

func quantile(sorted []float32, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return span(float64(sorted[min(int(float64(len(sorted))*share), len(sorted)-1)]))
}

const (
	simLook  = float64(SimulationLook / time.Second) // seconds between looks
	simQueue = "work"                                // the one queue
)

// A source gives tasks in their order.
type source func() (t simTask, ok bool)

type simTask struct{ at, takes float64 }

type simWorker struct {
	name     string
	ready    float64 // when it begins to work
	stopping float64 // since when; 0: it does not
	running  map[int]simRun
	done     int64
	took     float64
	longest  float64
}

type simRun struct {
	task  simTask
	began float64
}

// simEnd is a task's end at a worker.
type simEnd struct {
	at     float64
	worker *simWorker
	run    int
}

type simEnds []simEnd

func (h simEnds) Len() int           { return len(h) }
func (h simEnds) Less(i, j int) bool { return h[i].at < h[j].at }
func (h simEnds) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *simEnds) Push(x any)        { *h = append(*h, x.(simEnd)) }
func (h *simEnds) Pop() any          { x := (*h)[len(*h)-1]; *h = (*h)[:len(*h)-1]; return x }

type sim struct {
	now     float64
	fleet   Fleet
	grace   float64
	waiting []simTask
	workers []*simWorker
	ends    simEnds
	runs    int
	born    int

	waits       []float32
	workerHours float64
	cut         int   // tasks that were stopped in the middle
	wishes      []int // of the policy, each look
}

// newSim makes a fleet whose first workers are at work.
func newSim(f Fleet) *sim {
	s := &sim{fleet: f, grace: f.Grace.Seconds()}
	for range f.Workers {
		s.start(0)
	}
	return s
}

func (s *sim) start(ready float64) {
	s.born++
	s.workers = append(s.workers, &simWorker{name: fmt.Sprintf("w%d", s.born), ready: ready, running: make(map[int]simRun)})
}

// run plays tasks until the time is over.
func (s *sim) run(ctx context.Context, tasks source, until float64, p policy) error {
	chance := rand.New(rand.NewPCG(1, 2))
	task, more := tasks()
	for look := simLook; s.now < until; {
		at := min(look, until)
		if more {
			at = min(at, task.at)
		}
		if len(s.ends) > 0 {
			at = min(at, s.ends[0].at)
		}
		for _, w := range s.workers {
			if w.ready > s.now {
				at = min(at, w.ready)
			}
		}
		s.workerHours += float64(len(s.workers)) * (at - s.now) / 3600
		s.now = at
		for len(s.ends) > 0 && s.ends[0].at <= s.now {
			s.end(heap.Pop(&s.ends).(simEnd))
		}
		for ; more && task.at <= s.now; task, more = tasks() {
			s.waiting = append(s.waiting, task)
		}
		s.hand() // before anybody looks: what comes in that very moment does not wait if a slot is free
		if s.now >= look {
			if err := ctx.Err(); err != nil {
				return err
			}
			look += simLook
			s.retire()
			want, goes := p(s)
			s.wishes = append(s.wishes, want)
			s.scale(want, goes, chance)
		}
		s.hand()
	}
	return nil
}

// end takes a task off its worker; of one that was cut the end comes too late.
func (s *sim) end(e simEnd) {
	r, ok := e.worker.running[e.run]
	if !ok {
		return
	}
	delete(e.worker.running, e.run)
	e.worker.done++
	e.worker.took += r.task.takes
	e.worker.longest = max(e.worker.longest, r.task.takes)
}

// hand gives what waits to free slots, the least busy worker's first.
func (s *sim) hand() {
	for len(s.waiting) > 0 {
		var free *simWorker
		for _, w := range s.workers {
			if w.stopping == 0 && w.ready <= s.now && len(w.running) < s.fleet.Slots && (free == nil || len(w.running) < len(free.running)) {
				free = w
			}
		}
		if free == nil {
			return
		}
		t := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.waits = append(s.waits, float32(s.now-t.at))
		s.runs++
		free.running[s.runs] = simRun{t, s.now}
		heap.Push(&s.ends, simEnd{s.now + t.takes, free, s.runs})
	}
}

// retire lets stopping workers go that have nothing left, or no time.
func (s *sim) retire() {
	s.workers = slices.DeleteFunc(s.workers, func(w *simWorker) bool {
		if w.stopping == 0 || len(w.running) > 0 && s.now-w.stopping < s.grace {
			return false
		}
		for _, n := range slices.Sorted(maps.Keys(w.running)) {
			s.cut++
			s.waiting = append([]simTask{w.running[n].task}, s.waiting...)
		}
		return true
	})
}

func (s *sim) scale(want int, goes []string, chance *rand.Rand) {
	var here []*simWorker
	for _, w := range s.workers {
		if w.stopping == 0 {
			here = append(here, w)
		}
	}
	for range want - len(here) {
		s.start(s.now + s.fleet.Boot.Seconds())
	}
	surplus := len(here) - want
	if goes == nil {
		chance.Shuffle(len(here), func(i, j int) { here[i], here[j] = here[j], here[i] })
	} else {
		here = slices.DeleteFunc(here, func(w *simWorker) bool { return !slices.Contains(goes, w.name) })
	}
	for i := 0; i < surplus && i < len(here); i++ {
		here[i].stopping = s.now
	}
}

func (s *sim) running() (n int) {
	for _, w := range s.workers {
		n += len(w.running)
	}
	return n
}

func (s *sim) present() (n int) {
	for _, w := range s.workers {
		if w.stopping == 0 {
			n++
		}
	}
	return n
}

// tell is what the workers tell an Advisor.
func (s *sim) tell() (out []Worker) {
	for _, w := range s.workers {
		if w.ready > s.now {
			continue
		}
		l := Load{Queue: simQueue, Running: len(w.running), Done: w.done, Took: span(w.took), Longest: span(w.longest)}
		for _, r := range w.running {
			l.Oldest = max(l.Oldest, span(s.now-r.began))
		}
		out = append(out, Worker{Name: w.name, Slots: s.fleet.Slots, Stopping: w.stopping > 0, Queues: []Load{l}})
	}
	return out
}

func span(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func clock(seconds float64) time.Time { return time.Unix(1_700_000_000, 0).Add(span(seconds)) }

// turns is how often a policy changed its mind: from more to fewer or from fewer to more.
func turns(wishes []int) (n int) {
	way := 0
	for i := 1; i < len(wishes); i++ {
		d := wishes[i] - wishes[i-1]
		if d == 0 {
			continue
		}
		if d = d / max(d, -d); d == -way {
			n++
		}
		way = d
	}
	return n
}
