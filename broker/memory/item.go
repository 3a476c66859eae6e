package memory

import "time"

// An item is one message on one queue. Its message is sealed and shared with the other queues it was routed to.
type item struct {
	message *parcel
	arrival uint64 // its place among its equals, which it keeps when it is given back
	level   uint8  // its priority here
	handed  int    // how often it was handed out
	given   int    // how often it was given back

	place place
	dies  time.Time // when it expires; zero: never

	at    time.Time // when something happens to it: it becomes ready, or dies
	index int       // in queue.due; -1: not there

	prev, next *item // in its level, while ready
}

// place is where an item is. An item that is handed out or settled is nowhere.
type place uint8

const (
	nowhere place = iota
	delayed       // in queue.due alone
	ready         // in a level, and in queue.due when it is mortal
)

// A level is the ready messages of one priority, by arrival.
type level struct {
	priority   uint8
	head, tail *item
}

// append adds the newest arrival.
func (l *level) append(it *item) {
	it.prev, it.next = l.tail, nil
	if l.tail == nil {
		l.head = it
	} else {
		l.tail.next = it
	}
	l.tail = it
}

// restore puts an item back where it was. What was handed out came from the front, so the walk is short.
func (l *level) restore(it *item) {
	after := l.head
	for after != nil && after.arrival < it.arrival {
		after = after.next
	}
	if after == nil {
		l.append(it)
		return
	}
	it.prev, it.next = after.prev, after
	if after.prev == nil {
		l.head = it
	} else {
		after.prev.next = it
	}
	after.prev = it
}

func (l *level) remove(it *item) {
	if it.prev == nil {
		l.head = it.next
	} else {
		it.prev.next = it.next
	}
	if it.next == nil {
		l.tail = it.prev
	} else {
		it.next.prev = it.prev
	}
	it.prev, it.next = nil, nil
}

// dues is a heap (container/heap) of items by the time something happens to them, then by arrival.
type dues []*item

func (d dues) Len() int { return len(d) }

func (d dues) Less(i, j int) bool {
	if !d[i].at.Equal(d[j].at) {
		return d[i].at.Before(d[j].at)
	}
	return d[i].arrival < d[j].arrival
}

func (d dues) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].index, d[j].index = i, j
}

func (d *dues) Push(x any) {
	it := x.(*item)
	it.index = len(*d)
	*d = append(*d, it)
}

func (d *dues) Pop() any {
	last := len(*d) - 1
	it := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	it.index = -1
	return it
}
