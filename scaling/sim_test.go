package scaling

import (
	"bufio"
	"container/heap"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A fleet in virtual time: tasks come as a trace says, wait in one queue, and run in the slots of workers, of which a policy says
// every 15 seconds how many there should be. A new worker is ready after a minute; one that is told to stop takes nothing more,
// and what it has not ended within its grace is cut and comes again.

const (
	simLook  = 15.    // seconds between looks
	simBoot  = 60.    // from the wish for a worker to its first task
	simGrace = 30.    // of a worker that stops
	simQueue = "work" // the one queue
)

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
	slots   int
	waiting []simTask
	workers []*simWorker
	ends    simEnds
	runs    int
	born    int

	waits       []float64
	workerHours float64
	cut         int   // tasks that were stopped in the middle
	wishes      []int // of the policy, each look
}

// A policy says how many workers there should be, and which of them are to go if there are fewer: nil leaves it to chance.
type policy func(s *sim) (want int, goes []string)

func newSim(slots, workers int) *sim {
	s := &sim{slots: slots}
	for range workers {
		s.start(0)
	}
	return s
}

func (s *sim) start(ready float64) {
	s.born++
	s.workers = append(s.workers, &simWorker{name: fmt.Sprintf("w%d", s.born), ready: ready, running: make(map[int]simRun)})
}

// run plays tasks, which are in order, until the time is over.
func (s *sim) run(tasks []simTask, until float64, p policy) {
	chance := rand.New(rand.NewPCG(1, 2))
	for next, look := 0, simLook; s.now < until; {
		at := min(look, until)
		if next < len(tasks) {
			at = min(at, tasks[next].at)
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
		for ; next < len(tasks) && tasks[next].at <= s.now; next++ {
			s.waiting = append(s.waiting, tasks[next])
		}
		if s.now >= look {
			look += simLook
			s.retire()
			want, goes := p(s)
			s.wishes = append(s.wishes, want)
			s.scale(want, goes, chance)
		}
		s.hand()
	}
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
			if w.stopping == 0 && w.ready <= s.now && len(w.running) < s.slots && (free == nil || len(w.running) < len(free.running)) {
				free = w
			}
		}
		if free == nil {
			return
		}
		t := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.waits = append(s.waits, s.now-t.at)
		s.runs++
		free.running[s.runs] = simRun{t, s.now}
		heap.Push(&s.ends, simEnd{s.now + t.takes, free, s.runs})
	}
}

// retire lets stopping workers go that have nothing left, or no time.
func (s *sim) retire() {
	s.workers = slices.DeleteFunc(s.workers, func(w *simWorker) bool {
		if w.stopping == 0 || len(w.running) > 0 && s.now-w.stopping < simGrace {
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
		s.start(s.now + simBoot)
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
		out = append(out, Worker{Name: w.name, Slots: s.slots, Stopping: w.stopping > 0, Queues: []Load{l}})
	}
	return out
}

func span(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func clock(seconds float64) time.Time { return time.Unix(1_700_000_000, 0).Add(span(seconds)) }

// advised follows an Advisor; with choice it also says which workers go.
func advised(c Config, choice bool) policy {
	a := New(c)
	return func(s *sim) (int, []string) {
		advice := a.Look(clock(s.now), map[string]int{simQueue: len(s.waiting)}, s.tell())
		if !choice {
			return advice.Queues[0].Desired, nil
		}
		goes := []string{}
		for _, w := range advice.Workers {
			if w.Remove {
				goes = append(goes, w.Name)
			}
		}
		return advice.Queues[0].Desired, goes
	}
}

// byDepth wants a worker for so many ready messages, as an autoscaler of a queue's length does, with five minutes before fewer.
func byDepth(each, least, most int) policy {
	settle := settled{}
	return func(s *sim) (int, []string) {
		return settle.after(s.now, min(max((len(s.waiting)+each-1)/each, least), most)), nil
	}
}

// byCPU wants 60 % of a processor used, of which a running task takes a share: Kubernetes' own rule with its tolerance of 10 %
// and five minutes before fewer.
func byCPU(share float64, least, most int) policy {
	settle := settled{}
	return func(s *sim) (int, []string) {
		n := s.present()
		ratio := share * float64(s.running()) / float64(s.slots) / float64(max(n, 1)) / 0.6
		want := n
		if math.Abs(ratio-1) > 0.1 {
			want = int(math.Ceil(float64(n) * ratio))
		}
		return settle.after(s.now, min(max(want, least), most)), nil
	}
}

// settled is the greatest of the last five minutes.
type settled struct{ seen []enough }

func (s *settled) after(now float64, want int) int {
	for len(s.seen) > 0 && clock(now).Sub(s.seen[0].at) > 5*time.Minute {
		s.seen = s.seen[1:]
	}
	s.seen = append(s.seen, enough{clock(now), want})
	for _, e := range s.seen {
		want = max(want, e.workers)
	}
	return want
}

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

func percentile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(float64(len(sorted))*share), len(sorted)-1)]
}

// load reads a trace: for each minute how many tasks come, and how long they take in the mean. Within the minute they come at
// random, and their times spread around the mean, the same each time.
func load(t *testing.T, name string) (tasks []simTask, until float64) {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := rand.New(rand.NewPCG(7, 11))
	for lines := bufio.NewScanner(f); lines.Scan(); {
		count, mean, ok := strings.Cut(lines.Text(), ",")
		n, err1 := strconv.Atoi(count)
		seconds, err2 := strconv.ParseFloat(mean, 64)
		if !ok || err1 != nil || err2 != nil {
			t.Fatalf("%s: %q", name, lines.Text())
		}
		for range n {
			tasks = append(tasks, simTask{until + 60*r.Float64(), seconds * math.Exp(0.5*r.NormFloat64()-0.125)})
		}
		until += 60
	}
	slices.SortFunc(tasks, func(a, b simTask) int {
		if a.at < b.at {
			return -1
		}
		return 1
	})
	return tasks, until
}
