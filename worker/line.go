package worker

import (
	"sync"

	"github.com/umbel-go/umbel"
)

// A line is where tasks of several queues wait for a slot when the queues have an order: strict, where a task begins only when
// none of an earlier queue waits, or weighted, where queues with tasks waiting take turns in proportion to their weights.
// Within a queue it is first come, first served.
//
// It stands beside the pool's channel, in which each task that waits here has a token: a slot that takes a token takes the
// task whose turn it is, whichever put the token there.
type line struct {
	weighted bool
	room     int // for tasks of one queue

	mu     sync.Mutex // guards what follows
	lanes  []*lane    // strict: the first goes first
	byName map[string]*lane
}

// A lane is one queue's part of a line.
type lane struct {
	weight, credit int
	runs           []*run // from head on
	head           int
	room           chan struct{} // cap is the line's room: a queue that is full holds back itself alone
}

// newLine returns the line for an order of queues, nil for that of arrival, which needs none.
func newLine(order string, queues []umbel.QueuePlan, room int) *line {
	if order != umbel.QueueOrderStrict && order != umbel.QueueOrderWeighted {
		return nil
	}
	l := &line{weighted: order == umbel.QueueOrderWeighted, room: room, byName: make(map[string]*lane)}
	for _, q := range queues {
		l.laneLocked(q.Name, q.Weight)
	}
	return l
}

// laneLocked returns a queue's lane; one that is new comes last.
func (l *line) laneLocked(queue string, weight int) *lane {
	of := l.byName[queue]
	if of == nil {
		of = &lane{weight: max(weight, 1), room: make(chan struct{}, l.room)}
		l.byName[queue] = of
		l.lanes = append(l.lanes, of)
	}
	return of
}

// push lets a run wait; it blocks while its queue has as many waiting as there is room for. False when closed came first.
func (l *line) push(r *run, closed <-chan struct{}) bool {
	q := &r.consumer.home.queue
	l.mu.Lock()
	of := l.laneLocked(q.Name, q.Weight)
	l.mu.Unlock()
	select {
	case of.room <- struct{}{}:
	case <-closed:
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	of.runs = append(of.runs, r)
	return true
}

// pop takes the run whose turn it is. The caller has taken a token, so there is one.
func (l *line) pop() *run {
	l.mu.Lock()
	defer l.mu.Unlock()
	var next *lane
	total := 0
	for _, of := range l.lanes {
		if of.head == len(of.runs) {
			of.credit = 0 // who has nothing to do saves nothing up
			continue
		}
		if !l.weighted {
			next = of
			break
		}
		total += of.weight
		of.credit += of.weight
		if next == nil || of.credit > next.credit {
			next = of
		}
	}
	if next == nil {
		return nil
	}
	next.credit -= total
	r := next.runs[next.head]
	next.runs[next.head] = nil
	if next.head++; next.head == len(next.runs) {
		next.runs, next.head = next.runs[:0], 0
	} else if next.head > readyRoom {
		next.runs = append(next.runs[:0], next.runs[next.head:]...)
		next.head = 0
	}
	<-next.room
	return r
}
