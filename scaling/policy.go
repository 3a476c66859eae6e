package scaling

import (
	"fmt"
	"math"
	"time"
)

// A Policy decides how many workers a queue should have. It is for Simulate.
type Policy struct {
	Name    string // as a table shows it
	begin   func() policy
	workers int // that are there at first; 0: as many as the fleet says
}

// A policy says how many workers there should be, and which of them are to go if there are fewer: nil leaves it to chance.
type policy func(s *sim) (want int, goes []string)

// FollowAdvice does what an Advisor says. With choice those workers go that the advice says may; without, any, as an autoscaler that
// only counts takes them.
func FollowAdvice(c Config, choice bool) Policy {
	name := "advice, any worker goes"
	if choice {
		name = "advice, removable workers go"
	}
	return Policy{Name: name, begin: func() policy { return advised(c, choice) }}
}

// FollowDepth wants a worker for so many ready messages, as an autoscaler of a queue's length does, with five minutes before fewer.
func FollowDepth(each, least, most int) Policy {
	return Policy{Name: fmt.Sprintf("depth, a worker for %d", each), begin: func() policy { return byDepth(each, least, most) }}
}

// FollowCPU wants 60 % of the processors used, of which a running task takes a share of its slot's: Kubernetes' own rule, with its
// tolerance of 10 % and five minutes before fewer.
func FollowCPU(share float64, least, most int) Policy {
	return Policy{Name: "CPU", begin: func() policy { return byCPU(share, least, most) }}
}

// Always wants the same number of workers day and night.
func Always(workers int) Policy {
	return Policy{Name: fmt.Sprintf("always %d", workers), workers: workers, begin: func() policy { return func(*sim) (int, []string) { return workers, nil } }}
}

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
		ratio := share * float64(s.running()) / float64(s.fleet.Slots) / float64(max(n, 1)) / 0.6
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
