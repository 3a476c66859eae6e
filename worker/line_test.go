package worker

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/umbel-go/umbel"
)

// Any pushes and pops, in any order: each queue is served first come first served, a strict line never passes over an earlier
// queue, and a weighted one gives queues that always have something exactly their share of every round.
func TestALineKeepsItsOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weighted := rapid.Bool().Draw(t, "weighted")
		order := umbel.QueueOrderStrict
		if weighted {
			order = umbel.QueueOrderWeighted
		}
		plans := make([]umbel.QueuePlan, rapid.IntRange(1, 6).Draw(t, "queues"))
		consumers := make([]*consumer, len(plans))
		total := 0
		for i := range plans {
			plans[i] = umbel.QueuePlan{Name: fmt.Sprint("q", i), Weight: rapid.IntRange(0, 9).Draw(t, "weight")}
			total += max(plans[i].Weight, 1)
			consumers[i] = &consumer{queue: plans[i]}
			consumers[i].home = consumers[i]
		}
		l := newLine(order, plans, readyRoom)
		waiting := make([][]*run, len(plans))
		push := func(i int) {
			r := &run{consumer: consumers[i]}
			if !l.push(r, nil) {
				t.Fatal("not taken")
			}
			waiting[i] = append(waiting[i], r)
		}
		pop := func() int {
			r := l.pop()
			for i, w := range waiting {
				if len(w) > 0 && w[0] == r {
					waiting[i] = w[1:]
					return i
				}
			}
			t.Fatalf("popped what was at the head of no queue")
			return 0
		}
		left := 0
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			if left > 0 && rapid.Bool().Draw(t, "pop") {
				i := pop()
				left--
				for earlier := range i {
					if !weighted && len(waiting[earlier]) > 0 {
						t.Fatalf("queue %d went before queue %d", i, earlier)
					}
				}
				continue
			}
			push(rapid.IntRange(0, len(plans)-1).Draw(t, "queue"))
			left++
		}
		for ; left > 0; left-- {
			pop()
		}
		if l.pop() != nil {
			t.Fatal("an empty line gave something")
		}
		if !weighted {
			return
		}
		const rounds = 3
		for range total * rounds {
			for i := range plans {
				push(i)
			}
		}
		for round := range rounds {
			served := make([]int, len(plans))
			for n := range total {
				served[pop()]++
				for i, p := range plans { // never a whole turn beside its share
					share := float64((n+1)*max(p.Weight, 1)) / float64(total)
					if d := float64(served[i]) - share; d > float64(len(plans)) || d < -float64(len(plans)) {
						t.Fatalf("queue %d was served %d times of %d, its share is %.2f", i, served[i], n+1, share)
					}
				}
			}
			for i, p := range plans {
				if served[i] != max(p.Weight, 1) {
					t.Fatalf("round %d: queue %d was served %d times, its weight is %d", round, i, served[i], p.Weight)
				}
			}
		}
	})
}

// A queue with more than there is room for holds back itself, not the others.
func TestAFullLaneHoldsBackItselfAlone(t *testing.T) {
	t.Parallel()
	l := newLine(umbel.QueueOrderStrict, []umbel.QueuePlan{{Name: "a"}, {Name: "b"}}, readyRoom)
	a, b := &consumer{queue: umbel.QueuePlan{Name: "a"}}, &consumer{queue: umbel.QueuePlan{Name: "b"}}
	a.home, b.home = a, b
	for range readyRoom {
		l.push(&run{consumer: b}, nil)
	}
	closed := make(chan struct{})
	done := make(chan bool, 1)
	go func() { done <- l.push(&run{consumer: b}, closed) }()
	first := &run{consumer: a}
	if !l.push(first, nil) || l.pop() != first {
		t.Error("the other queue was held back")
	}
	l.pop()
	if !<-done {
		t.Error("not taken though there was room")
	}
	go func() { done <- l.push(&run{consumer: b}, closed) }()
	close(closed)
	if <-done {
		t.Error("taken by a pool that is closed")
	}
}
