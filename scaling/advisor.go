package scaling

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// An Advisor looks at a fleet again and again. It is not safe for several goroutines.
type Advisor struct {
	config Config
	last   time.Time
	queues map[string]*memory
	done   map[counter]Load // what each worker told last
}

type counter struct{ worker, queue string }

// memory is what the advisor keeps of a queue.
type memory struct {
	present  float64       // messages at the last look, waiting and running
	arrivals float64       // a second, smoothed
	rated    bool          // arrivals is known
	begun    bool          // advised is
	done     float64       // tasks, of late
	took     float64       // their seconds, of late
	advised  int           // workers
	enough   []enough      // what fewer workers would have been enough for, newest last
	seen     time.Duration // how long it has been watched
}

// enough is how many workers would have been enough at a time.
type enough struct {
	at      time.Time
	workers int
}

// smooth is the time over which rates and durations are averaged: at least so long, and as long as a task takes, for how many run at
// once is known only then; an hour at most. What comes in bursts is seen at once by what waits.
const (
	smooth     = 2 * time.Minute
	smoothMost = time.Hour
)

// slack is how much more than what is needed fewer workers must be able to do before fewer are advised.
const slack = 1.1

// New makes an advisor that knows nothing yet.
func New(c Config) *Advisor {
	return &Advisor{config: c.withDefaults(), queues: make(map[string]*memory), done: make(map[counter]Load)}
}

// An Advice is what is wanted at one moment.
type Advice struct {
	At      time.Time
	Queues  []QueueAdvice  // by name
	Workers []WorkerAdvice // by name
}

// A QueueAdvice is how many workers a queue should have.
type QueueAdvice struct {
	Queue    string
	Ready    int // in the broker
	Waiting  int // in workers, for a slot
	Running  int
	Workers  int           // that consume it and are not about to stop
	Slots    int           // of one of them
	Arrivals float64       // tasks a second; -1: not known yet
	Duration time.Duration // of one task; 0: not known yet
	Held     int           // workers among them that must finish something first
	Desired  int
	Why      string
}

// A WorkerAdvice is whether a worker may go.
type WorkerAdvice struct {
	Worker
	Running int
	Safe    bool   // nothing is lost or run again if it is told to stop now
	Remove  bool   // and its queues have more workers than they should
	Why     string // it is not safe, or what would happen
}

// Look takes what is known now, ready messages by queue and workers, and says what is wanted. Times must not run backwards; between two
// looks should lie 5 to 60 seconds.
func (a *Advisor) Look(at time.Time, ready map[string]int, workers []Worker) *Advice {
	since := at.Sub(a.last)
	first := a.last.IsZero()
	a.last = at
	advice := &Advice{At: at}
	sum := a.sum(ready, workers, since.Seconds())
	for _, name := range sortedKeys(sum) {
		s := sum[name]
		m := a.queues[name]
		if m == nil {
			m = &memory{}
			a.queues[name] = m
		}
		if !first && since > 0 {
			m.learn(s, since)
		}
		m.present = float64(s.ready + s.waiting + s.running)
		advice.Queues = append(advice.Queues, a.advise(at, name, m, s))
	}
	for name := range a.queues { // one that nobody asks about any more
		if sum[name] == nil {
			delete(a.queues, name)
		}
	}
	a.judge(advice, workers)
	return advice
}

// queueSum is a queue over all workers.
type queueSum struct {
	ready, waiting, running int
	oldest                  time.Duration // of what runs
	slots                   []int         // of each worker
	workers                 int
	done                    float64 // tasks since the last look
	took                    float64 // their seconds
	list                    []*Worker
}

// sum adds up workers by queue, and what they have done since the last look.
func (a *Advisor) sum(ready map[string]int, workers []Worker, seconds float64) map[string]*queueSum {
	sum := make(map[string]*queueSum)
	at := func(queue string) *queueSum {
		if sum[queue] == nil {
			sum[queue] = &queueSum{ready: ready[queue]}
		}
		return sum[queue]
	}
	for queue := range ready {
		at(queue)
	}
	told := make(map[counter]Load)
	for i := range workers {
		w := &workers[i]
		for _, l := range w.Queues {
			if _, ok := ready[l.Queue]; !ok { // the caller asks about others
				continue
			}
			s, key := at(l.Queue), counter{w.Name, l.Queue}
			s.running += l.Running
			s.waiting += l.Waiting
			s.oldest = max(s.oldest, l.Oldest)
			if !w.Stopping {
				s.workers++
				s.slots = append(s.slots, w.Slots)
				s.list = append(s.list, w)
			}
			before, known := a.done[key]
			if told[key] = l; !known || l.Done < before.Done { // new, or started anew
				before = Load{Running: l.Running}
				if !known {
					before.Done, before.Took = l.Done, l.Took
				}
			}
			s.done += float64(l.Done - before.Done)
			if l.Sampled {
				s.took += seconds * float64(l.Running+before.Running) / 2
			} else {
				s.took += (l.Took - before.Took).Seconds()
			}
		}
	}
	a.done = told
	return sum
}

// learn folds what happened since the last look into what is known.
func (m *memory) learn(s *queueSum, since time.Duration) {
	m.seen += since
	arrived := max(s.done+float64(s.ready+s.waiting+s.running)-m.present, 0)
	rate := arrived / since.Seconds()
	// Of the first minutes all count alike, later ones outweigh earlier ones.
	weight := since.Seconds() / m.seen.Seconds()
	if over := min(max(smooth, m.duration()), smoothMost); m.seen > over {
		weight = -math.Expm1(-since.Seconds() / over.Seconds())
	}
	m.arrivals += weight * (rate - m.arrivals)
	m.rated = true
	fade := 1.0
	if s.done > 0 { // without tasks what was known stands
		fade = math.Exp(-since.Seconds() / smooth.Seconds())
	}
	m.done, m.took = m.done*fade+s.done, m.took*fade+s.took
}

// duration is the mean time of a task; 0: not known.
func (m *memory) duration() time.Duration {
	if m.done < 0.5 || m.took <= 0 {
		return 0
	}
	return max(time.Duration(m.took/m.done*float64(time.Second)), time.Microsecond)
}

// advise decides for one queue.
func (a *Advisor) advise(at time.Time, name string, m *memory, s *queueSum) QueueAdvice {
	c, took := a.config, m.duration()
	q := QueueAdvice{Queue: name, Ready: s.ready, Waiting: s.waiting, Running: s.running, Workers: s.workers, Slots: c.Slots, Arrivals: -1, Duration: took}
	if m.rated {
		q.Arrivals = m.arrivals
	}
	if len(s.slots) > 0 {
		slices.Sort(s.slots)
		q.Slots = max(s.slots[len(s.slots)/2], 1)
	}
	for _, w := range s.list {
		if w.holds(c.Grace, a.usual) != "" {
			q.Held++
		}
	}
	if took == 0 { // nothing has ended yet: it takes as long as the oldest has run, at least
		took = s.oldest
	}
	n := c.need(m.arrivals, took, s.ready+s.waiting, s.running)
	now, fewer := c.workers(n, q.Slots, 1), c.workers(n, q.Slots, slack)
	q.Why = c.because(n, m.arrivals, took, s.ready+s.waiting, q.Slots)
	switch {
	case !m.rated && s.workers > 0: // nothing is known of its flow yet
		m.advised, q.Why = min(max(s.workers, c.Min), c.Max), "as many as there are: just begun to look"
	case !m.begun:
		m.advised = max(now, min(s.workers, c.Max))
		fallthrough
	default:
		m.begun = true
		m.decide(c, at, now, fewer)
		if fewer < m.advised {
			q.Why += fmt.Sprintf("; %d until fewer have been enough for %s", m.advised, short(c.Settle))
		}
	}
	q.Desired = m.advised
	if held := min(q.Held, c.Max); held > q.Desired {
		q.Desired = held
		q.Why += fmt.Sprintf("; %d have long tasks to finish", held)
	}
	if q.Desired == c.Max && now == c.Max {
		q.Why += "; the most that is allowed"
	}
	return q
}

// decide goes up at once, and down when fewer workers have been enough for the whole of Settle.
func (m *memory) decide(c Config, at time.Time, now, fewer int) {
	for len(m.enough) > 0 && at.Sub(m.enough[0].at) > c.Settle {
		m.enough = m.enough[1:]
	}
	m.enough = append(m.enough, enough{at, fewer})
	if len(m.enough) > enoughMost { // whoever looks so often loses the oldest looks
		m.enough = m.enough[1:]
	}
	most := 0
	for _, e := range m.enough {
		most = max(most, e.workers)
	}
	if now > m.advised {
		m.advised = now
	} else if most < m.advised && m.seen >= c.Settle {
		m.advised = most
	}
}

// enoughMost bounds the looks within Settle that are remembered.
const enoughMost = 4096

// usual is the mean time of a queue's tasks.
func (a *Advisor) usual(queue string) time.Duration {
	if m := a.queues[queue]; m != nil {
		return m.duration()
	}
	return 0
}

// judge says of each worker whether it may go.
func (a *Advisor) judge(advice *Advice, workers []Worker) {
	surplus := make(map[string]int)
	for _, q := range advice.Queues {
		surplus[q.Queue] = q.Workers - q.Desired
	}
	for _, w := range workers {
		v := WorkerAdvice{Worker: w, Running: w.running(), Why: w.holds(a.config.Grace, a.usual)}
		if v.Safe = v.Why == ""; v.Safe {
			v.Why = "idle"
			if v.Running > 0 {
				v.Why = fmt.Sprintf("ends what it runs within %s", short(a.config.Grace))
			}
		}
		if w.Stopping {
			v.Why = "stopping; " + v.Why
		}
		advice.Workers = append(advice.Workers, v)
	}
	slices.SortFunc(advice.Workers, func(x, y WorkerAdvice) int { return cmp.Compare(x.Name, y.Name) })
	order := make([]int, len(advice.Workers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(advice.Workers[x].Running, advice.Workers[y].Running) })
	for _, i := range order { // those that have the least to do go first
		v := &advice.Workers[i]
		if !v.Safe || v.Stopping || len(v.Queues) == 0 {
			continue
		}
		spare := true
		for _, l := range v.Queues {
			spare = spare && surplus[l.Queue] > 0
		}
		if v.Remove = spare; spare {
			for _, l := range v.Queues {
				surplus[l.Queue]--
			}
		}
	}
}

func sortedKeys(m map[string]*queueSum) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
